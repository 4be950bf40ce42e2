package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
)

// assetPay exchanges an API key for a user's token; here it lives three
// seconds.
func assetPay(ctx context.Context, r *row) error {
	srv := assetpaytest.NewServer(assetpaytest.Options{TokenLifetime: 3 * time.Second})
	defer srv.Close()
	client, err := assetpay.New(srv.Config())
	if err != nil {
		return err
	}
	defer client.Close()
	user := assetpay.User{
		SteamID:    "76561198012345678",
		TradeURL:   "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh",
		ClientID:   "user-123",
		ClientData: &assetpay.ClientData{TotalWager: 5000, KYCLevel: 2, FiatDeposits: true},
	}
	const exchange, inventory = "/auth/authenticate-client", "/client/inventory"
	call := func(ctx context.Context) error {
		return client.CallFor(ctx, user, http.MethodGet, inventory, nil, nil)
	}

	if err := r.together(ctx, call); err != nil {
		return err
	}
	first, err := client.Token(ctx, user)
	if err != nil {
		return err
	}
	if err := expect("exchanges for the first crowd", srv.Count(exchange), 1); err != nil {
		return err
	}
	if err := r.refreshed(ctx, first.ID(), first.ExpiresAt, func(ctx context.Context) (string, error) {
		t, err := client.Token(ctx, user)
		return t.ID(), err
	}); err != nil {
		return err
	}

	before := srv.Count(exchange) + srv.Count(inventory)
	srv.RevokeTokens()
	if err := r.together(ctx, call); err != nil {
		return err
	}
	r.tokens = srv.Count(exchange)
	r.requests = r.tokens + srv.Count(inventory)
	r.recovery = r.requests - before
	return errors.Join(
		expect("tokens dropped after the revocation", int(client.Stats().Invalidations), 1),
		expect("tokens in all", r.tokens, 3),
	)
}
