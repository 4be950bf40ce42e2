package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/redis/rueidis"

	"github.com/providerauth/providerauth-go/integrations/redisstore"
)

// The client has the recommended options. A Store is shared by all clients of
// this module in a process.
func Example() {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:       []string{"redis.internal:6379"},
		Username:          "providerauth",
		Password:          "password",
		ForceSingleClient: true,
		DisableCache:      true,
		PipelineMultiplex: -1,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	store, err := redisstore.New(client, redisstore.Config{Prefix: redisstore.DefaultPrefix})
	if err != nil {
		log.Fatal(err)
	}

	// A readiness probe that tells whether the server answers.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := store.Load(ctx, "probe"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the store answers")
}
