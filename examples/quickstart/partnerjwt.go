package main

import (
	"context"
	"errors"
	"time"

	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// partnerJWT signs its own tokens; here they live three seconds.
func partnerJWT(ctx context.Context, r *row) error {
	srv := partnerjwttest.NewServer(partnerjwttest.Options{})
	defer srv.Close()
	cfg := srv.Config()
	cfg.Lifetime = 3 * time.Second
	client, err := partnerjwt.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	call := func(ctx context.Context) error {
		_, err := client.Portfolio(ctx)
		return err
	}

	if err := r.together(ctx, call); err != nil {
		return err
	}
	first, err := client.Token(ctx)
	if err != nil {
		return err
	}
	if err := expect("tokens that the first crowd used", srv.Tokens(), 1); err != nil {
		return err
	}
	if err := r.refreshed(ctx, first.ID(), first.ExpiresAt, func(ctx context.Context) (string, error) {
		t, err := client.Token(ctx)
		return t.ID(), err
	}); err != nil {
		return err
	}

	if err := call(ctx); err != nil { // the provider sees the new token
		return err
	}
	r.calls++
	before := srv.Count("/portfolio")
	srv.RevokeTokens()
	if err := r.together(ctx, call); err != nil {
		return err
	}
	r.tokens, r.requests = srv.Tokens(), srv.Count("/portfolio")
	r.recovery = r.requests - before
	return errors.Join(
		expect("tokens dropped after the revocation", int(client.Stats().Invalidations), 1),
		expect("tokens in all", r.tokens, 3),
	)
}
