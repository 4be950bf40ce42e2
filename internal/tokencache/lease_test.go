package tokencache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestShare_leaseOfAnotherBuild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		f.latency = func() time.Duration { return 4 * time.Second }
		slow := f.join(t, tokencache.Exclusive, func(cfg *config) { cfg.AttemptTimeout = 5 * time.Second })
		quick := f.join(t, tokencache.Exclusive)
		go func() { _, _ = slow.Get(context.Background(), "p", "") }()
		synctest.Wait()
		time.Sleep(time.Millisecond)
		mustCall(t, f, quick)
		equal(t, "creations", f.tokens, 1)
		equal(t, "takeovers", f.stats().Takeovers, 0)
	})
}

func TestShare_leaseIsExtended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 2, tokencache.Exclusive, newPlanet(time.Hour))
		f.latency = func() time.Duration { return 1400 * time.Millisecond }
		lost := 0
		f.lose = func() bool { lost++; return lost == 1 }
		go func() { _, _ = f.caches[0].Get(context.Background(), "p", "") }()
		synctest.Wait()
		time.Sleep(time.Millisecond)
		mustCall(t, f, f.caches[1])
		equal(t, "creations", f.tokens, 2)
		equal(t, "creations at once", f.most, 1)
		equal(t, "takeovers", f.stats().Takeovers, 0)
	})
}

func TestShare_deadHolderIsTakenOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(10*time.Second))
		mustCall(t, f, f.caches[0])
		due(f.life)
		h := &hooked{Memory: f.store}
		h.swap = func(n int64) (bool, error) {
			h.stuck.Store(true) // it takes the lease, creates, and is never heard of again
			return n == 1, nil
		}
		victim := f.join(t, tokencache.Exclusive, through(h))
		go func() { _, _ = victim.Get(context.Background(), "p", "") }()
		time.Sleep(20 * time.Millisecond)
		begun := time.Now()
		mustCall(t, f, f.caches[0])
		if waited := time.Since(begun); waited < 1900*time.Millisecond || waited > 2300*time.Millisecond {
			t.Errorf("waited %v, want the 2 s of a lease", waited)
		}
		equal(t, "takeovers", f.caches[0].Stats().Takeovers, 1)
		equal(t, "creations", f.tokens, 3)
	})
}

func TestShare_ownLeaseIsRecognised(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		h := &hooked{Memory: f.store}
		h.swap = func(n int64) (bool, error) {
			if n <= 10 && h.swaps.Load() < 10 {
				return true, errStore
			}
			return true, nil
		}
		c := f.join(t, tokencache.Exclusive, through(h))
		_, err := c.Get(t.Context(), "p", "")
		errorIs(t, err, providerauth.ErrStoreUnavailable)
		h.swaps.Store(10)
		time.Sleep(1100 * time.Millisecond) // the back-off
		begun := time.Now()
		mustCall(t, f, c)
		atMost(t, "milliseconds", int(time.Since(begun).Milliseconds()), 100)
		equal(t, "takeovers", c.Stats().Takeovers, 0)
	})
}

func TestShare_waitForALease(t *testing.T) {
	// held starts a fleet whose lease is held by a process that has died.
	held := func(t *testing.T, mode tokencache.Mode, lease time.Duration) *fleet {
		f := newFleet(t, 0, mode, newPlanet(time.Hour))
		h := &hooked{Memory: f.store}
		h.swap = func(int64) (bool, error) {
			h.stuck.Store(true)
			return true, nil
		}
		victim := f.join(t, mode, through(h), func(cfg *config) { cfg.AttemptTimeout = lease - 2*time.Second })
		go func() { _, _ = victim.Get(context.Background(), "p", "") }()
		time.Sleep(500 * time.Millisecond)
		return f
	}
	t.Run("a caller leaves at its own deadline", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f := held(t, tokencache.Exclusive, 30*time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			begun := time.Now()
			_, err := f.join(t, tokencache.Exclusive).Get(ctx, "p", "")
			errorIs(t, err, context.DeadlineExceeded)
			equal(t, "waited", time.Since(begun), 100*time.Millisecond)
		})
	})
	t.Run("Close ends the wait", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f := held(t, tokencache.Exclusive, 30*time.Second)
			c := f.join(t, tokencache.Exclusive)
			result := make(chan error, 1)
			go func() {
				_, err := c.Get(context.Background(), "p", "")
				result <- err
			}()
			time.Sleep(time.Second)
			begun := time.Now()
			c.Close()
			atMost(t, "milliseconds of Close", int(time.Since(begun).Milliseconds()), 1)
			errorIs(t, <-result, providerauth.ErrClosed)
		})
	})
	t.Run("the time of a flight counts from its own lease", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f := held(t, tokencache.Exclusive, 30*time.Second)
			c := f.join(t, tokencache.Exclusive) // its flights take 3 s at most
			f.change(func() { f.latency = func() time.Duration { return 900 * time.Millisecond } })
			mustCall(t, f, c)
			equal(t, "takeovers", c.Stats().Takeovers, 1)
		})
	})
}

func TestShare_adoptsNoDyingToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 2, tokencache.Exclusive, newPlanet(time.Hour))
		mustCall(t, f, f.caches[0])
		go func() { _, _ = f.caches[0].Replace(context.Background(), "p", "", fetch(f.create)) }()
		time.Sleep(5 * time.Millisecond)
		tok := mustGet(t, f.caches[1], "")
		time.Sleep(100 * time.Millisecond)
		equal(t, "the token is live", f.accepts("p", tok.value), true)
	})
}

func TestShare_olderStateDuringCreation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		mustCall(t, f, f.caches[0])
		old := f.store.Snapshot()
		time.AfterFunc(20*time.Millisecond, func() { f.store.Restore(old) })
		if _, err := f.caches[0].Replace(t.Context(), "p", "", fetch(f.create)); err != nil {
			t.Fatal(err)
		}
		mustCall(t, f, f.join(t, tokencache.Exclusive))
		equal(t, "creations", f.tokens, 2)
	})
}

func TestShare_lostLeases(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		h := &hooked{Memory: f.store}
		h.swap = func(n int64) (bool, error) {
			if n%2 == 0 { // before each save the store loses the lease, and another process saves tokens
				f.store.Wipe()
				other := f.config(tokencache.Exclusive)
				other.AttemptTimeout = time.Millisecond
				c := tokencache.New(other)
				for range 4 * n {
					_, _ = c.Replace(context.Background(), "p", "other", fetch(func(context.Context, ask) (issued, error) {
						return issued{Token: token{value: "other"}, ID: id("other"), ExpiresAt: time.Now().Add(time.Hour)}, nil
					}))
				}
				c.Close()
			}
			return true, nil
		}
		_, err := f.join(t, tokencache.Exclusive, through(h)).Get(t.Context(), "p", "")
		errorIs(t, err, providerauth.ErrContested)
		equal(t, "creations of the flight", f.tokens, 3)
	})
}

func TestShare_lateConflict(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		h := &hooked{Memory: f.store}
		h.swap = func(n int64) (bool, error) {
			if n == 2 {
				h.stuck.Store(true)
				return false, errStore
			}
			return true, nil
		}
		slow := f.join(t, tokencache.Exclusive, through(h))
		mustGet(t, slow, "")
		mustCall(t, f, f.caches[0]) // takes over
		h.stuck.Store(false)
		time.Sleep(time.Second)
		equal(t, "conflicts", slow.Stats().Conflicts, 1)
		tok := mustGet(t, slow, "")
		equal(t, "the token is live", f.accepts("p", tok.value), true)
		equal(t, "invalidations", slow.Stats().Invalidations, 0)
	})
}

func TestShare_lateLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		h := &hooked{Memory: f.store}
		h.swap = func(n int64) (bool, error) {
			if n == 1 {
				time.Sleep(900 * time.Millisecond) // of the 2 s of a lease, for an attempt of 1 s
			}
			return true, nil
		}
		c := f.join(t, tokencache.Exclusive, func(cfg *config) {
			o := tokencache.StoreOptions{Store: h, Keys: providerauth.StaticSecrets(testStoreKey), Timeout: 5 * time.Second}
			cfg.Sharing = tokencache.Share(o, testCodec{})
		})
		mustGet(t, c, "")
		equal(t, "swaps: two leases and the token", h.swaps.Load(), 3)
		equal(t, "creations", f.tokens, 1)
	})
}
