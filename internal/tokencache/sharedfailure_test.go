package tokencache_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestShare_looksDuringBackOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		refused := f.join(t, tokencache.Exclusive, func(cfg *config) {
			cfg.Retriever = fetch(func(context.Context, ask) (issued, error) { return issued{}, errPermanent })
		})
		_, err := refused.Get(t.Context(), "p", "")
		errorIs(t, err, errPermanent)
		mustCall(t, f, f.caches[0])
		loads := f.store.Loads()
		for range 100 {
			time.Sleep(time.Millisecond)
			_, _ = refused.Get(t.Context(), "p", "")
		}
		atMost(t, "looks in 100 ms", f.store.Loads()-loads, 1)
		time.Sleep(250 * time.Millisecond)
		mustCall(t, f, refused)
	})
}

func TestShare_adoptionCostsNoPermit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		f.join(t, tokencache.Exclusive, through(quiet{f.store}))
		for range 20 {
			if _, err := f.caches[0].Replace(t.Context(), "p", "", fetch(f.create)); err != nil {
				t.Fatal(err)
			}
			mustCall(t, f, f.caches[1])
		}
		equal(t, "contested", f.caches[1].Stats().Contested, 0)
	})
}

func TestShare_grants(t *testing.T) {
	t.Run("the grant comes from the record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f := newFleet(t, 2, tokencache.SingleUse, newPlanet(10*time.Second))
			mustGet(t, f.caches[0], "")
			mustGet(t, f.caches[1], "")
			for range 10 { // each has an older grant in memory when it is its turn
				for _, c := range f.caches {
					due(f.life)
					time.Sleep(f.life)
					mustGet(t, c, "")
				}
			}
			equal(t, "logins", f.logins, 1)
			equal(t, "grants sent again", f.spentAgain, 0)
		})
	})
	t.Run("holders that die with the grant count as unclear uses", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f := newFleet(t, 1, tokencache.SingleUse, newPlanet(10*time.Second))
			mustGet(t, f.caches[0], "")
			time.Sleep(f.life)
			for range 2 {
				h := &hooked{Memory: f.store}
				h.swap = func(n int64) (bool, error) {
					h.stuck.Store(true)
					return true, nil
				}
				victim := f.join(t, tokencache.SingleUse, through(h), func(cfg *config) {
					cfg.Renewer = fetch(func(ctx context.Context, _ ask) (issued, error) { <-ctx.Done(); return issued{}, errLost })
				})
				go func() { _, _ = victim.Get(context.Background(), "p", "") }()
				time.Sleep(3 * time.Second)
			}
			mustGet(t, f.caches[0], "")
			equal(t, "renewals", f.renewals, 0)
			equal(t, "logins", f.logins, 2)
		})
	})
	t.Run("a login after a refused grant has a lease of its own", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f := newFleet(t, 1, tokencache.SingleUse, newPlanet(10*time.Second))
			mustGet(t, f.caches[0], "")
			f.mu.Lock()
			f.grant["p"] = "ended at the provider"
			f.mu.Unlock()
			time.Sleep(f.life)
			swaps := f.store.Swaps()
			mustGet(t, f.caches[0], "")
			equal(t, "swaps: two leases and the token", f.store.Swaps()-swaps, 3)
		})
	})
}

func TestShare_keepWarm(t *testing.T) {
	for _, mode := range []tokencache.Mode{tokencache.Exclusive, tokencache.SingleUse} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, 8, mode, newPlanet(time.Minute), func(cfg *config) { cfg.KeepWarm = true })
				for _, c := range f.caches {
					mustGet(t, c, "")
				}
				time.Sleep(30 * time.Minute)
				var rotations, early int
				f.change(func() { rotations, early = f.tokens, f.early })
				equal(t, "creations before they were due", early, 0)
				if rotations < 30 || rotations > 45 {
					t.Errorf("%d rotations, want one in each 40 to 60 s", rotations)
				}
				atMost(t, "operations a rotation", (f.store.Loads()+f.store.Swaps())/rotations, 8+2+4)
			})
		})
	}
}

func TestShare_keepWarmBesideLeases(t *testing.T) {
	bubble(t, func(t *testing.T) {
		warm := func(cfg *config) { cfg.KeepWarm = true }
		f := newFleet(t, 1, tokencache.Overlap, newPlanet(time.Minute), warm)
		c := f.caches[0]
		for i := range 200 {
			_, _ = c.Get(t.Context(), fmt.Sprint(i), "")
		}
		h := &hooked{Memory: f.store, swap: func(int64) (bool, error) { return true, nil }}
		victim := f.join(t, tokencache.Overlap, through(h), func(cfg *config) {
			cfg.AttemptTimeout = 28 * time.Second
		})
		never := fetch(func(ctx context.Context, _ ask) (issued, error) { <-ctx.Done(); return issued{}, errLost })
		time.Sleep(30 * time.Second)
		for i := range 100 {
			go func() { _, _ = victim.Replace(context.Background(), fmt.Sprint(i), "", never) }()
		}
		time.Sleep(25 * time.Second)
		for i := 100; i < 200; i++ {
			if left := c.Left(fmt.Sprint(i)); left < 10*time.Second {
				t.Fatalf("user %d: the token is not renewed, %v are left", i, left)
			}
		}
	})
}

func TestShare_failedCreations(t *testing.T) {
	for name, tt := range map[string]struct {
		err            error
		token, suspect bool
	}{
		"unusable answers": {errUnusable, false, false},
		"lost answers":     {errLost, true, true},
		"a refusal":        {errRefused, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
				mustCall(t, f, f.caches[0])
				_, err := f.caches[0].Replace(t.Context(), "p", "", fetch(func(context.Context, ask) (issued, error) { return issued{}, tt.err }))
				errorIs(t, err, tt.err)
				due(f.life)
				_, _ = f.join(t, tokencache.Exclusive, func(cfg *config) {
					cfg.Retriever = fetch(func(context.Context, ask) (issued, error) { return issued{}, tt.err })
				}).Get(t.Context(), "p", "")
				tok, err := f.join(t, tokencache.Exclusive).Get(t.Context(), "p", "")
				equal(t, "another process has a token", err == nil, tt.token)
				equal(t, "suspect", tok.suspect, tt.suspect)
			})
		})
	}
}

func TestShare_storeBackOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		f.store.FailNext(1 << 30)
		for range 60 {
			_, err := f.caches[0].Get(t.Context(), "p", "")
			errorIs(t, err, providerauth.ErrStoreUnavailable)
			time.Sleep(5 * time.Second)
		}
		_, _ = f.caches[0].Get(t.Context(), "p", "")
		f.store.ClearFaults()
		time.Sleep(time.Second)
		mustGet(t, f.caches[0], "")
	})
}

func TestShare_limiterFollowsTheFleet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		c := f.join(t, tokencache.Exclusive, through(quiet{f.store}))
		mustCall(t, f, c)
		for range 5 {
			f.kill("p")
			mustCall(t, f, f.caches[0])
		}
		f.kill("p")
		_ = f.call(t.Context(), c, "p")
		loads := f.store.Loads()
		for range 100 {
			time.Sleep(time.Millisecond)
			errorIs(t, f.call(t.Context(), c, "p"), errRejected)
		}
		atMost(t, "loads", f.store.Loads()-loads, 1)
	})
}

func TestShare_unclearUseInMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.SingleUse, newPlanet(10*time.Second))
		h := &hooked{Memory: f.store}
		uses := 0
		c := f.join(t, tokencache.SingleUse, through(h), func(cfg *config) {
			cfg.Renewer = fetch(func(context.Context, ask) (issued, error) {
				uses++
				return issued{}, errLost
			})
		})
		mustGet(t, c, "")
		time.Sleep(f.life)
		h.swap = func(n int64) (bool, error) {
			if n > 2 { // after the leases of two uses: what was learned is not written
				return false, errStore
			}
			return true, nil
		}
		_, _ = c.Get(t.Context(), "p", "")
		h.swap = nil
		time.Sleep(10 * time.Second)
		mustGet(t, c, "")
		equal(t, "uses of the grant", uses, 2)
	})
}

func TestShare_ownFailuresBindNobody(t *testing.T) {
	for name, attempt := range map[string]func(h *hooked) error{
		"stopped": func(*hooked) error {
			time.Sleep(1700 * time.Millisecond)
			return errLost
		},
		"without the store": func(h *hooked) error {
			h.stuck.Store(true)
			time.AfterFunc(700*time.Millisecond, func() { h.stuck.Store(false) })
			return errLost
		},
		"without a secret": func(*hooked) error { return providerauth.ErrSecretUnavailable },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
				h := &hooked{Memory: f.store}
				bad := f.join(t, tokencache.Exclusive, through(h), func(cfg *config) {
					cfg.Retriever = fetch(func(context.Context, ask) (issued, error) { return issued{}, attempt(h) })
				})
				if _, err := bad.Get(t.Context(), "p", ""); err == nil {
					t.Fatal("no error")
				}
				mustCall(t, f, f.caches[0])
			})
		})
	}
}
