package assetpay_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
)

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
