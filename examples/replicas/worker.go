package main

import (
	"context"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/examples/replicas/internal/stage"
	"github.com/providerauth/providerauth-go/platformtoken"
)

// worker is a process of an operator. If it has the address of a Redis, it shares
// its players' tokens with the other processes.
func worker(platform, redis string) error {
	cfg := platformtoken.Config{BaseURL: platform, TenantID: stage.TenantID, Secret: providerauth.StaticSecret(stage.Secret)}
	games, err := platformtoken.New(cfg)
	if err != nil {
		return err
	}
	defer games.Close()

	crowd := stage.Crowd{
		Callers: 30, Players: 100, Pause: 100 * time.Millisecond,
		Call: func(ctx context.Context, player string) string {
			_, err := games.Balance(ctx, platformtoken.Player{UserID: player})
			return stage.Kind(err)
		},
		Stats: games.Stats,
	}
	return crowd.Run()
}
