package tokencache

import (
	"context"
	"fmt"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
)

// users is a cache of numbered keys, of which some are refused.
func users(bound int, refused func(key int) bool) (c *Cache[int, string, int], requests *int) {
	requests = new(int)
	return New(Config[int, string, int]{
		MaxEntries: bound, AttemptTimeout: time.Second,
		Retriever: RetrieverFunc[int, string, int](func(_ context.Context, a Ask[int, string, int]) (Issued[int], error) {
			*requests++
			if refused(a.Key) {
				return Issued[int]{}, &refusal{a.Key}
			}
			return Issued[int]{Token: a.Key, ID: credential.New(fmt.Sprint(a.Key)).ID(), ExpiresAt: time.Now().Add(24 * time.Hour)}, nil
		}),
	}), requests
}

func all(int) bool { return true }

func nobody(int) bool { return false }

// A refusal is permanent.
type refusal struct{ key int }

func (r *refusal) Error() string                    { return fmt.Sprint("refused ", r.key) }
func (r *refusal) Retryable() (time.Duration, bool) { return 0, false }

func TestCache_Stats_visitsNoKey(t *testing.T) {
	c, _ := users(1000, all)
	defer c.Close()
	for key := range 100 {
		_, _ = c.Get(t.Context(), key, "")
	}
	for i := range c.shards { // so it could not even look
		c.shards[i].mu.Lock()
		defer c.shards[i].mu.Unlock()
	}
	done := make(chan providerauth.Stats)
	go func() { done <- c.Stats() }()
	select {
	case st := <-done:
		if st.Failures != 100 || st.BackoffUntil.Before(time.Now()) {
			t.Errorf("%+v", st)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for a shard")
	}
}
