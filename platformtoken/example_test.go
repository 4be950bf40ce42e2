package platformtoken_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// The simulator stands in for the platform in all of these.
func simulated() (*platformtokentest.Server, *platformtoken.Client) {
	srv := platformtokentest.NewServer(platformtokentest.Options{})
	client, err := platformtoken.New(srv.Config())
	if err != nil {
		panic(err)
	}
	return srv, client
}

var player = platformtoken.Player{UserID: "t1_225478", Currency: "BRL"}

func ExampleNew() {
	client, err := platformtoken.New(platformtoken.Config{
		BaseURL:  "https://api.example.com",
		TenantID: 1,
		Secret:   providerauth.StaticSecret("secret"),
		// Dead tokens are answered 401, or with code 1003 inside a 200.
		Rejected: func(_ string, status, code int) bool {
			return status == http.StatusUnauthorized || code == 1003
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println("no request has been made yet")
	// Output: no request has been made yet
}

func ExampleNew_invalid() {
	_, err := platformtoken.New(platformtoken.Config{BaseURL: "http://api.example.com"})
	fmt.Println(errors.Is(err, providerauth.ErrInvalidRequest))
	var e *platformtoken.Error
	if errors.As(err, &e) {
		fmt.Println(len(e.Fields), "fields")
	}
	// Output:
	// true
	// 3 fields
}

func ExampleClient_Token() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	token, err := client.Token(context.Background(), player)
	if err != nil {
		fmt.Println(err)
		return
	}
	again, _ := client.Token(context.Background(), player)
	fmt.Println(again.Value() == token.Value(), time.Until(token.ExpiresAt).Round(time.Hour))
	// Output: true 24h0m0s
}

func ExampleClient_Transfer() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	ctx := context.Background()
	amount, _ := providerauth.ParseAmount("12.50")
	transfer, err := client.Transfer(ctx, player, platformtoken.TransferRequest{
		TxID: "tx-1", Direction: platformtoken.TransferIn, Amount: amount,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for !transfer.State.Final() {
		time.Sleep(time.Second)
		if transfer.State, err = client.TransferStatus(ctx, player, transfer.RecordID); err != nil {
			fmt.Println(err)
			return
		}
	}
	balance, _ := client.Balance(ctx, player)
	fmt.Println(transfer.State, balance.Amount, balance.Currency)
	// Output: succeeded 12.5 BRL
}

func ExampleClient_Transfer_lost() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	ctx := context.Background()
	_, _ = client.Token(ctx, player)

	srv.LoseAnswers(1) // the money moves, the answer is lost
	amount, _ := providerauth.ParseAmount("12.50")
	_, err := client.Transfer(ctx, player, platformtoken.TransferRequest{
		TxID: "tx-1", Direction: platformtoken.TransferIn, Amount: amount,
	})
	var e *platformtoken.Error
	switch {
	case !errors.As(err, &e):
		fmt.Println("transferred")
	case errors.Is(err, providerauth.ErrNotSent):
		fmt.Println("nothing was sent, make it again")
	case e.Ambiguous():
		fmt.Println("ask the platform what became of", e.TxID)
	default:
		fmt.Println("refused with code", e.Code)
	}
	// Output: ask the platform what became of tx-1
}

func ExampleClient_EnterGame() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	game, err := client.EnterGame(context.Background(), platformtoken.EnterGameRequest{UserID: player.UserID, GameID: 7})
	fmt.Println(strings.HasPrefix(game.URL, "https://"), err)
	// Output: true <nil>
}

func ExampleClient_Call() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	err := client.Call(context.Background(), http.MethodPost, "/player/register", struct {
		TenantID int64  `json:"tenantId"` // in the order of the page
		UserID   string `json:"userId"`
		NickName string `json:"nickName"`
	}{1, player.UserID, "Nick"}, nil)
	fmt.Println(err)
	// Output: <nil>
}

func ExampleClient_HTTPClientFor() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	body := strings.NewReader(`{"userId":"t1_225478"}`)
	resp, err := client.HTTPClientFor(player).Post(srv.URL()+"/player/getBalance", "application/json; charset=utf-8", body)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// Another system makes tokens for the player faster than is good for anybody.
func ExampleClient_Token_contested() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	for replaced := 0; ; replaced++ {
		token, err := client.Token(context.Background(), player)
		if err != nil {
			fmt.Println(err)
			return
		}
		srv.OutsideCreate(player.UserID)
		if !client.Invalidate(token) { // a call with it was rejected
			fmt.Println("no other token now, after", replaced)
			return
		}
	}
	// Output: no other token now, after 5
}

// A signing service keeps the secret.
func ExampleSignerFunc() {
	signer := platformtoken.SignerFunc(func(ctx context.Context, in platformtoken.SignInput) (string, error) {
		fmt.Println(in.Method, in.Path, len(in.Body), "bytes")
		return "", errors.New("the service is down")
	})
	client, err := platformtoken.New(platformtoken.Config{BaseURL: "https://api.example.com", TenantID: 1, Signer: signer})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = client.Token(context.Background(), player)
	fmt.Println(errors.Is(err, providerauth.ErrSecretUnavailable))
	// Output:
	// POST /auth/createToken 52 bytes
	// true
}

// A TokenSource of your own serves tests that need no server.
func ExampleNewToken() {
	var source platformtoken.TokenSource = fake{}
	token, _ := source.Token(context.Background())
	fmt.Println(token.Value(), "prints as", strings.Split(token.String(), "(")[0])
	// Output: opaque prints as platformtoken.Token
}

type fake struct{}

func (fake) Token(context.Context) (platformtoken.Token, error) {
	return platformtoken.NewToken("opaque", time.Now().Add(time.Hour)), nil
}

// All options but Rejected and Signer.
func ExampleConfig() {
	client, err := platformtoken.New(platformtoken.Config{
		BaseURL:       "https://api.example.com",
		TenantID:      1,
		Secret:        providerauth.FileSecret("/run/secrets/gamebox"),
		Language:      "pt",
		RefreshBefore: 10 * time.Minute,
		KeepWarm:      true,
		MaxEntries:    50_000, // more than players are active at one time
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Stats().EvictedLive)
	// Output: 0
}

// Each HTTP request is shown, with the context of its call. A token request has that
// of the caller that started it.
func ExampleConfig_onAttempt() {
	srv := platformtokentest.NewServer(platformtokentest.Options{})
	defer srv.Close()
	cfg := srv.Config()
	cfg.OnAttempt = func(_ context.Context, a providerauth.Attempt) {
		fmt.Println(a.Op, a.Path, a.StatusCode, a.Outcome)
	}
	client, err := platformtoken.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	if _, err := client.Balance(context.Background(), platformtoken.Player{UserID: "t1_225478", Currency: "BRL"}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Token /auth/createToken 200 ok
	// Balance /player/getBalance 200 ok
}

// A new token, whatever token there is: the player's other sessions end.
func ExampleClient_CreateToken() {
	ctx := context.Background()
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	before, err := client.Token(ctx, player)
	if err != nil {
		fmt.Println(err)
		return
	}
	request := platformtoken.CreateTokenRequest{UserID: player.UserID, Currency: player.Currency, Language: "en"}
	token, err := client.CreateToken(ctx, request)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Value() != before.Value(), token.Suspect(), token.ExpiryAssumed)
	// Output: true false false
}

func ExampleClient_TransferStatus() {
	ctx := context.Background()
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	amount, err := providerauth.ParseAmount("12.50")
	if err != nil {
		fmt.Println(err)
		return
	}
	in, err := client.Transfer(ctx, player, platformtoken.TransferRequest{TxID: "tx-1", Direction: platformtoken.TransferIn, Amount: amount})
	if err != nil {
		fmt.Println(err)
		return
	}
	state, err := client.TransferStatus(ctx, player, in.RecordID)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch state {
	case platformtoken.TransferSucceeded:
		fmt.Println("the money has moved")
	case platformtoken.TransferFailed:
		fmt.Println("it has not")
	case platformtoken.TransferProcessing:
		fmt.Println("ask again in a while")
	}
	balance, err := client.Balance(ctx, player)
	if err != nil {
		fmt.Println(err)
		return
	}
	if balance.Amount.IsSet() && balance.Amount.Sign() > 0 && balance.Amount.Cmp(amount) >= 0 {
		_, err = client.Transfer(ctx, player, platformtoken.TransferRequest{TxID: "tx-2", Direction: platformtoken.TransferOut, Amount: amount})
		fmt.Println("out again:", err)
	}
	// Output:
	// the money has moved
	// out again: <nil>
}

// The language of a game.
func ExampleEnterGameRequest() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	_, err := client.EnterGame(context.Background(), platformtoken.EnterGameRequest{UserID: player.UserID, GameID: 7, Currency: "BRL", Language: "pt"})
	fmt.Println(err)
	// Output: <nil>
}

// A log line of a failure: none of these fields holds a credential.
func ExampleError_Failure() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	err := client.Call(context.Background(), "POST", "/nothing?x=1", nil, nil)
	var e *platformtoken.Error
	if errors.As(err, &e) {
		f := e.Failure()
		fmt.Println(f.Provider, f.Op, f.Method, f.Path, f.StatusCode, f.Attempts)
		fmt.Println(e.Op == f.Op, e.Attempts == f.Attempts, e.RequestID == f.RequestID, e.RetryAfter == f.RetryAfter, e.Err != nil)
		fmt.Println(e.Message != "")
	}
	// Output:
	// platformtoken Call POST /nothing 404 1
	// true true true true true
	// true
}

// Two replicas of a backend share a player's token. The second one creates none.
func ExampleConfig_store() {
	srv := platformtokentest.NewServer(platformtokentest.Options{})
	defer srv.Close()
	store := new(storetest.Memory) // redisstore, where the replicas are processes
	for range 2 {
		cfg := srv.Config()
		cfg.Store = store
		cfg.StoreKeys = providerauth.StaticSecrets("thirty-two random characters.....")
		cfg.StoreTimeout = 500 * time.Millisecond
		client, err := platformtoken.New(cfg)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer client.Close()
		if _, err := client.Token(context.Background(), player); err != nil {
			fmt.Println(err)
			return
		}
		s := client.Stats()
		fmt.Println("created:", s.Refreshes-s.Adopted, "adopted:", s.Adopted)
	}
	// Output:
	// created: 1 adopted: 0
	// created: 0 adopted: 1
}
