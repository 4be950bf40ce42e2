package main

import (
	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/redisstore"
	"github.com/redis/rueidis"
)

// storeKeys encrypt the tokens in the store.
var storeKeys = providerauth.StaticSecrets("a secret of the operator with 32 characters or more")

// openStore opens the store of a worker, nil if it has none. closing closes it, after
// the client that uses it.
func openStore(s setting) (store providerauth.Store, closing func(), err error) {
	if s.Redis == "" {
		return nil, func() {}, nil
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Redis}, DisableCache: true, PipelineMultiplex: -1})
	if err != nil {
		return nil, nil, err
	}
	store, err = redisstore.New(client, redisstore.Config{Prefix: "fleet:"})
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	if s.WithoutNews {
		store = struct{ providerauth.Store }{store}
	}
	return store, client.Close, nil
}
