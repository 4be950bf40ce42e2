package tokencache_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// floor is what no holder of a token can do without: one atomic load and one
// look at the wall clock.
type floor struct {
	p atomic.Pointer[struct {
		refreshAt int64
		token     token
	}]
}

//go:noinline
func (f *floor) Get(context.Context) (token, error) {
	if s := f.p.Load(); s != nil && time.Now().UnixNano() < s.refreshAt {
		return s.token, nil
	}
	return token{}, context.Canceled
}

func BenchmarkFreshToken(b *testing.B) {
	p := &provider{life: time.Hour}
	c := tokencache.New(tokencache.Config[struct{}, struct{}, token]{
		Retriever: tokencache.RetrieverFunc[struct{}, struct{}, token](func(ctx context.Context, _ tokencache.Ask[struct{}, struct{}, token]) (tokencache.Issued[token], error) {
			return p.retrieve(ctx, ask{})
		}),
		AttemptTimeout: time.Second,
	})
	defer c.Close()
	ctx := context.Background()
	if _, err := c.Get(ctx, struct{}{}, struct{}{}); err != nil {
		b.Fatal(err)
	}
	var f floor
	f.p.Store(&struct {
		refreshAt int64
		token     token
	}{time.Now().Add(time.Hour).UnixNano(), token{value: "T1"}})

	for name, get := range map[string]func() (token, error){
		"floor": func() (token, error) { return f.Get(ctx) },
		"cache": func() (token, error) { return c.Get(ctx, struct{}{}, struct{}{}) },
	} {
		b.Run(name+"/serial", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := get(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := get(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkSharedFreshToken compares a cache of many keys with and without a store.
func BenchmarkSharedFreshToken(b *testing.B) {
	for name, change := range map[string]func(*config){
		"alone":  func(*config) {},
		"shared": func(cfg *config) { cfg.Sharing = sharing(new(storetest.Memory), testCodec{}) },
	} {
		b.Run(name, func(b *testing.B) {
			p := &provider{life: time.Hour}
			cfg := config{Mode: tokencache.Exclusive, Retriever: fetch(p.retrieve), AttemptTimeout: time.Second, MaxEntries: 1000}
			change(&cfg)
			c := tokencache.New(cfg)
			defer c.Close()
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Get(ctx, "p", ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
