package main

import (
	"context"
	"errors"
	"time"

	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// merchantAuth logs in once and refreshes from then on; here its access tokens
// live three seconds.
func merchantAuth(ctx context.Context, r *row) error {
	srv := merchantauthtest.NewServer(merchantauthtest.Options{TokenLifetime: 3 * time.Second})
	defer srv.Close()
	client, err := merchantauth.New(srv.Config())
	if err != nil {
		return err
	}
	defer client.Close()
	const find = "/v2/customer/find"
	call := func(ctx context.Context) error {
		_, err := client.FindCustomers(ctx, merchantauth.CustomerQuery{Email: "nobody@example.com"})
		return err
	}

	if err := r.together(ctx, call); err != nil {
		return err
	}
	first, err := client.Token(ctx)
	if err != nil {
		return err
	}
	if err := expect("logins for the first crowd", srv.Logins(), 1); err != nil {
		return err
	}
	if err := r.refreshed(ctx, first.ID(), first.ExpiresAt, func(ctx context.Context) (string, error) {
		t, err := client.Token(ctx)
		return t.ID(), err
	}); err != nil {
		return err
	}

	before := len(srv.Requests())
	srv.RevokeTokens()
	if err := r.together(ctx, call); err != nil {
		return err
	}
	r.tokens, r.requests = srv.Logins()+srv.Refreshes(), len(srv.Requests())
	r.recovery = r.requests - before
	return errors.Join(
		expect("tokens dropped after the revocation", int(client.Stats().Invalidations), 1),
		expect("logins in all", srv.Logins(), 1),
		expect("refreshes in all", srv.Refreshes(), 2),
		expect("calls with a token", srv.Count(find), r.requests-r.tokens),
	)
}
