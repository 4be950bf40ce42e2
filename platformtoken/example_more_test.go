package platformtoken_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/platformtoken"
)

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
