package storetest_test

import (
	"context"
	"fmt"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
)

// careless is an operator's own implementation. This implementation forgets
// to compare.
type careless struct{ storetest.Memory }

func (s *careless) Swap(ctx context.Context, key string, _, next []byte, ttl time.Duration) ([]byte, error) {
	now, err := s.Load(ctx, key)
	if err != nil {
		return nil, err
	}
	return s.Memory.Swap(ctx, key, now, next, ttl)
}

// Test finds what is wrong with a store.
func ExampleTest() {
	ctx := context.Background()
	var database storetest.Memory
	err := storetest.Test(ctx, &database, storetest.Options{
		Prefix:     "test:",
		Callers:    8,
		Others:     []providerauth.Store{&database},
		Disconnect: database.Disconnect,
	})
	fmt.Println(err)
	err = storetest.Test(ctx, new(careless), storetest.Options{})
	fmt.Println(err != nil)
	// Output:
	// <nil>
	// true
}

// A repeated Swap tells whether a lost Swap was applied.
func ExampleMemory() {
	ctx := context.Background()
	var store storetest.Memory
	swap := func(prev, next string) {
		var before []byte
		if prev != "" {
			before = []byte(prev)
		}
		now, err := store.Swap(ctx, "key", before, []byte(next), time.Minute)
		fmt.Printf("swap: %q, failed: %t\n", now, err != nil)
	}

	store.LoseAnswers(1)
	swap("", "first")
	swap("", "first")

	older := store.Snapshot()
	swap("first", "second")
	store.Restore(older) // a failover to a replica that lags
	now, err := store.Load(ctx, "key")
	fmt.Printf("load: %q, %v\n", now, err)

	store.Wipe() // a restart without the data
	now, err = store.Load(ctx, "key")
	fmt.Printf("load: %q, %v\n", now, err)

	store.FailNext(1) // an outage
	swap("", "third")
	store.Delay(time.Hour) // a database that hangs
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err = store.Load(short, "key")
	fmt.Println(err)
	store.ClearFaults()
	fmt.Println(store.Loads(), "loads,", store.Swaps(), "swaps")
	// Output:
	// swap: "", failed: true
	// swap: "first", failed: false
	// swap: "second", failed: false
	// load: "first", <nil>
	// load: "", <nil>
	// swap: "", failed: true
	// context deadline exceeded
	// 3 loads, 4 swaps
}

// Disconnect ends Watch, as a lost connection does.
func ExampleMemory_Watch() {
	ctx := context.Background()
	var store storetest.Memory
	watched := make(chan error)
	go func() {
		watched <- store.Watch(ctx, func(note []byte) {
			fmt.Printf("note: %s\n", note)
			store.Disconnect()
		})
	}()
	for {
		if err := store.Notify(ctx, []byte("look again")); err != nil {
			fmt.Println(err)
		}
		select {
		case err := <-watched:
			fmt.Println(err, store.Notices() > 0)
			return
		case <-time.After(time.Millisecond): // Watch did not listen yet
		}
	}
	// Output:
	// note: look again
	// storetest: disconnected by Disconnect true
}
