// Assetpay exchanges an API key for a user's client token and makes a call with
// it.
//
//	ASSETPAY_API_KEY=... ASSETPAY_BASE_URL=https://... ASSETPAY_STEAM_ID=... ASSETPAY_TRADE_URL=... go run ./examples/assetpay
//
// ASSETPAY_BASE_URL may be left out: the default is production. Without an API key
// it runs against the simulator, and prints a note.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	cfg := assetpay.Config{
		APIKey:  providerauth.StaticSecret(os.Getenv("ASSETPAY_API_KEY")),
		BaseURL: os.Getenv("ASSETPAY_BASE_URL"),
	}
	user := assetpay.User{
		SteamID:    cmp.Or(os.Getenv("ASSETPAY_STEAM_ID"), "76561198012345678"),
		TradeURL:   cmp.Or(os.Getenv("ASSETPAY_TRADE_URL"), "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh"),
		ClientData: &assetpay.ClientData{TotalWager: 5000, KYCLevel: 2, FiatDeposits: true},
	}
	if cfg.APIKey == nil {
		fmt.Println("ASSETPAY_API_KEY is not set: using the simulator")
		srv := assetpaytest.NewServer(assetpaytest.Options{})
		defer srv.Close()
		cfg = srv.Config()
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	client, err := assetpay.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	token, err := client.Token(ctx, user)
	var e *assetpay.Error
	switch {
	case errors.Is(err, providerauth.ErrUnauthorized):
		return fmt.Errorf("the API key is unknown, revoked, or lacks CORE_ACCESS: %w", err)
	case errors.As(err, &e):
		if after, ok := e.Retryable(); ok {
			return fmt.Errorf("try again, after %v: %w", after, err)
		}
		return err
	case err != nil:
		return err
	}
	fmt.Printf("token %s of user %s is good until %s\n", token.ID(), user.SteamID, token.ExpiresAt.Format(time.DateTime))

	var items []json.RawMessage
	if err := client.CallFor(ctx, user, http.MethodGet, "/client/inventory", nil, &items); err != nil {
		return err
	}
	fmt.Printf("items in the inventory: %d\n", len(items))
	return nil
}
