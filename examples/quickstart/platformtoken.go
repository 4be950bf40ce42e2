package main

import (
	"context"
	"errors"
	"time"

	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// platformToken creates tokens, each of which invalidates its predecessor; here
// they live four seconds. Where the other demos revoke their tokens, another system
// creates a token here, which invalidates the client's.
func platformToken(ctx context.Context, r *row) error {
	srv := platformtokentest.NewServer(platformtokentest.Options{TokenLifetime: 4 * time.Second})
	defer srv.Close()
	client, err := platformtoken.New(srv.Config())
	if err != nil {
		return err
	}
	defer client.Close()
	player := platformtoken.Player{UserID: "t1_225478", Currency: "BRL"}
	const create, balance = "/auth/createToken", "/player/getBalance"
	call := func(ctx context.Context) error {
		_, err := client.Balance(ctx, player)
		return err
	}

	if err := r.together(ctx, call); err != nil {
		return err
	}
	first, err := client.Token(ctx, player)
	if err != nil {
		return err
	}
	if err := expect("creations for the first crowd", srv.Count(create), 1); err != nil {
		return err
	}
	if err := r.refreshed(ctx, first.ID(), first.ExpiresAt, func(ctx context.Context) (string, error) {
		t, err := client.Token(ctx, player)
		return t.ID(), err
	}); err != nil {
		return err
	}

	before := srv.Count(create) + srv.Count(balance)
	srv.OutsideCreate(player.UserID)
	if err := r.together(ctx, call); err != nil {
		return err
	}
	r.tokens = srv.Count(create)
	r.requests = r.tokens + srv.Count(balance)
	r.recovery = r.requests - before
	return errors.Join(
		expect("tokens dropped after the outside creation", int(client.Stats().Invalidations), 1),
		expect("creations in all", r.tokens, 3),
		expect("creations at once", srv.MaxConcurrent(player.UserID), 1),
	)
}
