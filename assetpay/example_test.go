package assetpay_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/integrations/storetest"
)

var player = assetpay.User{
	SteamID:  "76561198012345678",
	TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh",
	ClientID: "user-123",
	ClientData: &assetpay.ClientData{
		TotalWager:   5000,
		KYCLevel:     2,
		FiatDeposits: true,
	},
}

// A token is exchanged once, whoever asks and however often.
func Example() {
	srv := assetpaytest.NewServer(assetpaytest.Options{})
	defer srv.Close()

	client, err := assetpay.New(assetpay.Config{
		APIKey:  providerauth.StaticSecret("ap_test_0001"),
		BaseURL: srv.URL(), // leave it out for production
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	for range 3 {
		if _, err := client.Token(ctx, player); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("exchanges:", srv.Count("/auth/authenticate-client"))
	// Output: exchanges: 1
}

// CallFor makes a call as the user, and Call one as the merchant.
func ExampleClient_CallFor() {
	srv := assetpaytest.NewServer(assetpaytest.Options{})
	defer srv.Close()
	client, err := assetpay.New(srv.Config())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	var items []struct {
		Name  string  `json:"name"`
		Price float64 `json:"price"`
	}
	ctx := context.Background()
	if err := client.CallFor(ctx, player, http.MethodGet, "/client/inventory", nil, &items); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the user's:", items[0].Name, items[0].Price)

	if err := client.Call(ctx, http.MethodGet, "/secure/prices", nil, &items); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the market's:", items[0].Name, items[0].Price)
	// Output:
	// the user's: AK-47 | Redline 10.75
	// the market's: AK-47 | Redline 11.25
}

// Any http.Client can be given the user's token. Here the token is revoked in
// between: the request goes out once more with a new one.
func ExampleClient_TransportFor() {
	srv := assetpaytest.NewServer(assetpaytest.Options{})
	defer srv.Close()
	client, err := assetpay.New(srv.Config())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	web := &http.Client{Transport: client.TransportFor(player, nil)}
	for range 2 {
		resp, err := web.Get(srv.URL() + "/client/inventory")
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode)
		srv.RevokeTokens()
	}
	fmt.Println("exchanges:", srv.Count("/auth/authenticate-client"))
	// Output:
	// 200
	// 200
	// exchanges: 2
}

// With TokenSourceFunc AssetPay learns of changed client data by the next
// token that is wanted.
func ExampleClient_TokenSourceFunc() {
	srv := assetpaytest.NewServer(assetpaytest.Options{})
	defer srv.Close()
	client, err := assetpay.New(srv.Config())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	level := 0 // what the user database says
	tokens := client.TokenSourceFunc(func(context.Context) (assetpay.User, error) {
		req := player
		req.ClientData = &assetpay.ClientData{KYCLevel: level}
		return req, nil
	})
	for _, level = range []int{0, 0, 3} {
		if _, err := tokens.Token(context.Background()); err != nil {
			log.Fatal(err)
		}
		fmt.Println(srv.ClientData(player.SteamID))
	}
	fmt.Println("exchanges:", srv.Count("/auth/authenticate-client"))
	// Output:
	// {"totalWager":0,"kycLevel":0,"fiatDeposits":false,"cryptoDeposits":false}
	// {"totalWager":0,"kycLevel":0,"fiatDeposits":false,"cryptoDeposits":false}
	// {"totalWager":0,"kycLevel":3,"fiatDeposits":false,"cryptoDeposits":false}
	// exchanges: 2
}

// With MintLocal tokens cost no request.
func ExampleConfig_mintLocal() {
	srv := assetpaytest.NewServer(assetpaytest.Options{})
	defer srv.Close()

	client, err := assetpay.New(assetpay.Config{
		Mint:       assetpay.MintLocal,
		APISecret:  providerauth.StaticSecret("test_api_secret"),
		MerchantID: "merchant-uuid",
		BaseURL:    srv.URL(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	if err := client.CallFor(context.Background(), player, http.MethodGet, "/client/inventory", nil, nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println("exchanges:", srv.Count("/auth/authenticate-client"))
	// Output: exchanges: 0
}

// A browser that was given a token presents it to the merchant's own backend.
func ExampleClient_VerifyClientToken() {
	client, err := assetpay.New(assetpay.Config{
		Mint:       assetpay.MintLocal,
		APISecret:  providerauth.StaticSecret("test_api_secret"),
		MerchantID: "merchant-uuid",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	tok, err := client.MintClientToken(ctx, player)
	if err != nil {
		log.Fatal(err)
	}
	claims, err := client.VerifyClientToken(ctx, tok.Value())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(claims.SteamID, claims.ClientID, claims.ExpiresAt.Sub(claims.IssuedAt))
	if claims.Unreadable != nil { // of the client data, which is incomplete
		log.Println("not read:", claims.Unreadable)
	}

	_, err = client.VerifyClientToken(ctx, tok.Value()+"x")
	fmt.Println(errors.Is(err, assetpay.ErrInvalidToken))
	// Output:
	// 76561198012345678 user-123 24h0m0s
	// true
}

// Errors say which field is wrong, whether to try again, and when.
func ExampleError() {
	srv := assetpaytest.NewServer(assetpaytest.Options{RateLimit: 1, RetryAfter: 20 * time.Minute})
	defer srv.Close()
	client, err := assetpay.New(srv.Config())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	_, err = client.Token(ctx, assetpay.User{SteamID: "1", TradeURL: player.TradeURL})
	fmt.Println(err)

	other := player
	other.SteamID = "76561198012345679"
	for _, req := range []assetpay.User{player, other} {
		_, err = client.Token(ctx, req)
	}
	var e *assetpay.Error
	if errors.As(err, &e) {
		after, ok := e.Retryable()
		fmt.Println(errors.Is(err, providerauth.ErrRateLimited), e.StatusCode, e.Key, after, ok)
	}
	// Output:
	// assetpay: Token: SteamID must be 17 digits that begin with 76561
	// true 429 RATE_LIMITED 20m0s true
}

// All options.
func ExampleConfig() {
	client, err := assetpay.New(assetpay.Config{
		APIKey:        providerauth.CachedSecret(providerauth.FileSecret("/run/secrets/assetpay"), time.Minute),
		BaseURL:       assetpay.StagingURL, // default ProductionURL
		Mint:          assetpay.MintRemote,
		LooseTradeURL: true,
		BareToken:     true,
		RefreshBefore: 5 * time.Minute,
		KeepWarm:      true,
		MaxEntries:    10_000,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Stats().Entries, assetpay.ProductionURL)
	// Output: 0 https://api.assetpay.gg
}

// Each HTTP request is shown, with the context of its call. A token request has that
// of the caller that started it.
func ExampleConfig_onAttempt() {
	srv := assetpaytest.NewServer(assetpaytest.Options{})
	defer srv.Close()
	cfg := srv.Config()
	cfg.OnAttempt = func(_ context.Context, a providerauth.Attempt) {
		fmt.Println(a.Op, a.Path, a.StatusCode, a.Outcome)
	}
	client, err := assetpay.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	if err := client.CallFor(context.Background(), player, "GET", "/client/inventory", nil, nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Token /auth/authenticate-client 200 ok
	// CallFor /client/inventory 200 ok
}

// An exchange by itself: nothing of it is kept.
func ExampleClient_AuthenticateClient() {
	srv := assetpaytest.NewServer(assetpaytest.Options{})
	defer srv.Close()
	client, err := assetpay.New(srv.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	user := assetpay.User{
		SteamID:  "76561198012345678",
		TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh",
		ClientData: &assetpay.ClientData{
			TotalWager: 1200, KYCLevel: 1, CryptoDeposits: true,
			KYCHash: "9f86d081", RegistrationDate: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		},
	}
	var exchanged assetpay.AuthenticateClientResponse
	exchanged, err = client.AuthenticateClient(context.Background(), user)
	switch {
	case errors.Is(err, assetpay.ErrScopeDenied):
		fmt.Println("give the API key the scope CORE_ACCESS")
	case errors.Is(err, assetpay.ErrNoAPISecret):
		fmt.Println("make an API secret in the dashboard")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(len(exchanged.RequestID), exchanged.Token.ExpiryAssumed)
	}
	// Output: 36 false
}

// A log line of a failure: none of these fields holds a credential.
func ExampleError_Failure() {
	srv := assetpaytest.NewServer(assetpaytest.Options{})
	defer srv.Close()
	client, err := assetpay.New(srv.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	err = client.Call(context.Background(), "POST", "/secure/nothing?x=1", nil, nil)
	var e *assetpay.Error
	if errors.As(err, &e) {
		f := e.Failure()
		fmt.Println(f.Provider, f.Op, f.Method, f.Path, f.StatusCode, f.Code, f.Attempts, f.RetryAfter, len(f.RequestID), len(f.Fields))
		// AssetPay's own, beside those: a number, a text that may quote the
		// request, and details as JSON.
		fmt.Println(e.Op == f.Op, e.Attempts == f.Attempts, e.RequestID == f.RequestID, e.RetryAfter == f.RetryAfter)
		fmt.Println(e.Code != 0, e.Message != "", e.Details() == nil, e.Err != nil)
	}
	// Output:
	// assetpay Call POST /secure/nothing 404 NOT_FOUND 1 0s 36 0
	// true true true true
	// true true true true
}

func ExampleClient_VerifyClientToken_expired() {
	cfg := assetpay.Config{
		Mint: assetpay.MintLocal, APISecret: providerauth.StaticSecret("an-api-secret-of-the-merchant"), MerchantID: "merchant-1",
	}
	client, err := assetpay.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = client.VerifyClientToken(context.Background(), "not.a.token")
	fmt.Println(errors.Is(err, assetpay.ErrInvalidToken), errors.Is(err, assetpay.ErrTokenExpired))
	// Output: true false
}

// Two replicas of a backend share a user's token: they make one exchange.
func ExampleConfig_store() {
	srv := assetpaytest.NewServer(assetpaytest.Options{})
	defer srv.Close()
	store := new(storetest.Memory) // redisstore, where the replicas are processes
	for range 2 {
		cfg := srv.Config()
		cfg.Store = store
		cfg.StoreKeys = providerauth.StaticSecrets("thirty-two random characters.....")
		cfg.StoreTimeout = 500 * time.Millisecond
		client, err := assetpay.New(cfg)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer client.Close()
		user := assetpay.User{SteamID: "76561198012345678", TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh"}
		if _, err := client.Token(context.Background(), user); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("exchanges:", srv.Count("/auth/authenticate-client"))
	}
	// Output:
	// exchanges: 1
	// exchanges: 1
}
