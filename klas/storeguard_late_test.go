package klas_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/klas"
)

// lateStore acts on its first Swaps after everybody has gone.
type lateStore struct {
	*storetest.Memory
	swaps atomic.Int64
}

func (l *lateStore) Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
	if l.swaps.Add(1) <= 2 {
		time.Sleep(3 * time.Second)
	}
	return l.Memory.Swap(context.WithoutCancel(ctx), key, prev, next, ttl)
}

// A note that the Store writes after it was taken back does not refuse the repeat of
// the webhook.
func TestStoreGuard_lateSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := klas.NewStoreGuard(&lateStore{Memory: new(storetest.Memory)}, klas.StoreGuardConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Seen(t.Context(), "k", time.Hour); err == nil {
			t.Fatal("the Store has answered")
		}
		time.Sleep(10 * time.Second)
		seen, err := g.Seen(t.Context(), "k", time.Hour)
		if seen || err != nil {
			t.Errorf("the repeat was seen: %v, %v", seen, err)
		}
	})
}
