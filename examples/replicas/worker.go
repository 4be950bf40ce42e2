package main

import (
	"context"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/examples/replicas/internal/stage"
	"github.com/providerauth/providerauth-go/integrations/redisstore"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/redis/rueidis"
)

// worker is a process of an operator. If it has the address of a Redis, it shares
// its players' tokens with the other processes.
func worker(platform, redis string) error {
	cfg := platformtoken.Config{BaseURL: platform, TenantID: stage.TenantID, Secret: providerauth.StaticSecret(stage.Secret)}
	if redis != "" {
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis}, DisableCache: true, PipelineMultiplex: -1})
		if err != nil {
			return err
		}
		defer client.Close() // after the Client of the platform
		store, err := redisstore.New(client, redisstore.Config{Prefix: "tokens:"})
		if err != nil {
			return err
		}
		cfg.Store = store
		// The same in all processes. The store holds encrypted tokens only.
		cfg.StoreKeys = providerauth.StaticSecrets("a secret of the operator with 32 characters or more")
	}
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
