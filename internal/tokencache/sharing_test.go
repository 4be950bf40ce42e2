package tokencache_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// hooked is a store whose operations can be interfered with.
type hooked struct {
	*storetest.Memory
	// swap decides about the nth Swap, from 1: err fails it, and acts says whether it
	// acts all the same. Nil: no interference.
	swap func(n int64) (acts bool, err error)
	// stuck operations wait for the end of their context.
	stuck atomic.Bool

	swaps atomic.Int64
}

func (h *hooked) Load(ctx context.Context, key string) ([]byte, error) {
	if h.stuck.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Memory.Load(ctx, key)
}

func (h *hooked) Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
	if h.stuck.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if h.swap == nil {
		return h.Memory.Swap(ctx, key, prev, next, ttl)
	}
	acts, err := h.swap(h.swaps.Add(1))
	if !acts {
		return nil, err
	}
	now, swapErr := h.Memory.Swap(ctx, key, prev, next, ttl)
	return now, errors.Join(err, swapErr)
}

// quiet is a store that is no Notifier.
type quiet struct{ providerauth.Store }

var errStore = errors.New("the store is on fire")

// through has a cache use another handle on the store of its fleet.
func through(s providerauth.Store) func(*config) {
	return func(cfg *config) { cfg.Sharing = sharing(s, testCodec{}) }
}

func mustCall(t *testing.T, f *fleet, c *cache) {
	t.Helper()
	if err := f.call(t.Context(), c, "p"); err != nil {
		t.Fatalf("call: %v", err)
	}
}

func mustGet(t *testing.T, c *cache, scope string) token {
	t.Helper()
	tok, err := c.Get(t.Context(), "p", scope)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return tok
}

// due moves the time to where a token of the given life is renewed.
func due(life time.Duration) { time.Sleep(life * 85 / 100) }

func TestShare_operations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 2, tokencache.Exclusive, newPlanet(time.Hour))
		mustCall(t, f, f.caches[0])
		equal(t, "loads of a creation", f.store.Loads(), 1)
		equal(t, "swaps of a creation", f.store.Swaps(), 2)
		mustCall(t, f, f.caches[1])
		equal(t, "loads with an adoption", f.store.Loads(), 2)
		equal(t, "swaps with an adoption", f.store.Swaps(), 2)
		equal(t, "adopted", f.stats().Adopted, 1)
		equal(t, "creations", f.tokens, 1)
		mustCall(t, f, f.caches[0])
		mustCall(t, f, f.caches[1])
		equal(t, "loads with fresh tokens", f.store.Loads(), 2)
	})
}

func TestShare_freshTokenAllocatesNothing(t *testing.T) {
	f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
	c := f.caches[0]
	ctx := t.Context()
	_, _ = c.Get(ctx, "p", "")
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Get(ctx, "p", "") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A finished token is not held back until it is saved.
func TestShare_handsOutBeforeSaved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		h := &hooked{Memory: f.store}
		h.swap = func(n int64) (bool, error) {
			if n == 2 { // the save
				h.stuck.Store(true)
				return false, errStore
			}
			return true, nil
		}
		c := f.join(t, tokencache.Exclusive, through(h))
		begun := time.Now()
		tok := mustGet(t, c, "")
		atMost(t, "milliseconds until the token", int(time.Since(begun).Milliseconds()), 200)
		equal(t, "unsaved", c.Stats().Unsaved, 1)
		time.Sleep(5 * time.Second)
		h.stuck.Store(false)
		time.Sleep(time.Second)
		equal(t, "unsaved after the store came back", c.Stats().Unsaved, 0)
		equal(t, "token of another process", mustGet(t, f.join(t, tokencache.Exclusive), "").value, tok.value)
	})
}

func TestShare_repeatsOperations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(10*time.Second))
		mustCall(t, f, f.caches[0])
		for range 20 {
			due(f.life)
			f.store.FailNext(3)
			mustCall(t, f, f.caches[0])
		}
		equal(t, "failures", f.stats().StoreFailures, 60)
	})
}

func TestShare_unreadableValueStays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		mustCall(t, f, f.caches[0])
		other := f.join(t, tokencache.Exclusive, func(cfg *config) {
			cfg.Sharing = sharing(f.store, testCodec{}, "another key of 32 characters....")
		})
		swaps := f.store.Swaps()
		_, err := other.Get(t.Context(), "p", "")
		errorIs(t, err, providerauth.ErrStoreUnavailable)
		equal(t, "swaps", f.store.Swaps(), swaps)
		mustCall(t, f, f.caches[0])
	})
}

func TestShare_keyRotation(t *testing.T) {
	const old, next = "the old key of 32 characters....", "the new key of 32 characters...."
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		for _, keys := range [][]string{{old}, {old, next}, {next, old}, {next}} {
			c := f.join(t, tokencache.Exclusive, func(cfg *config) { cfg.Sharing = sharing(f.store, testCodec{}, keys...) })
			if len(keys) > 1 || keys[0] == old {
				mustCall(t, f, c)
			}
			if keys[0] == next && len(keys) > 1 {
				c.Invalidate("p", id(mustGet(t, c, "").value)) // sealed anew
				mustCall(t, f, c)
			}
		}
		mustCall(t, f, f.caches[3])
		equal(t, "creations", f.tokens, 2)
	})
}

// A lease lasts as its record says, whatever the AttemptTimeout of the waiting
// process is.
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

// A holder that sends again takes a new lease, and others count it anew.
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

// A lease whose answer was lost is the process's own: it does not wait for it.
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

// A process whose secret is refused lives on the tokens of those with the new secret.
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

// A rejection that ends with another process's token costs no permit.
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

func TestShare_adoptsPlanAndScope(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		anyScope := func(cfg *config) {
			cfg.Serves = func(_, want string) bool { return want == "" }
		}
		late := f.join(t, tokencache.Exclusive, anyScope, func(cfg *config) { cfg.RefreshBefore = time.Minute })
		early := f.join(t, tokencache.Exclusive, anyScope, func(cfg *config) { cfg.RefreshBefore = 30 * time.Minute })
		brl := mustGet(t, late, "BRL")
		equal(t, "token without a scope", mustGet(t, early, "").value, brl.value)
		loads := f.store.Loads()
		equal(t, "token of the scope it was issued for", mustGet(t, early, "BRL").value, brl.value)
		time.Sleep(50 * time.Minute)
		equal(t, "token before the creator's refresh-at", mustGet(t, early, "").value, brl.value)
		equal(t, "loads", f.store.Loads(), loads)
		if eur := mustGet(t, early, "EUR"); eur.value == brl.value {
			t.Error("another scope got the token")
		}
	})
}

func TestShare_generationsGrow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		c := f.caches[0]
		for last := uint32(0); f.tokens < 5; last = c.Generation("p") {
			mustCall(t, f, c)
			if c.Generation("p") <= last {
				t.Errorf("generation %d after %d", c.Generation("p"), last)
			}
			f.store.Wipe()
			f.kill("p") // the next call is rejected, and its token invalidated
		}
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

// Replicas that keep their tokens warm all know the same refresh-at.
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

// No lock is held while the store is waited for.
func TestShare_storeHoldsNoLock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		c := f.caches[0]
		for i := range 200 { // in all shards
			if _, err := c.Get(t.Context(), fmt.Sprint(i), ""); err != nil {
				t.Fatal(err)
			}
		}
		f.store.Delay(100 * time.Millisecond)
		for i := range 200 {
			go func() { _, _ = c.Get(context.Background(), fmt.Sprint("slow ", i), "") }()
		}
		synctest.Wait()
		begun := time.Now()
		for i := range 200 {
			_, _ = c.Get(t.Context(), fmt.Sprint(i), "")
			c.Invalidate(fmt.Sprint(i), id("none"))
		}
		c.Stats()
		equal(t, "waited", time.Since(begun), 0)
	})
}

func TestShare_storeThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		h := &hooked{Memory: f.store, swap: func(int64) (bool, error) { panic("no map") }}
		_, err := f.join(t, tokencache.Exclusive, through(h)).Get(t.Context(), "p", "")
		errorIs(t, err, providerauth.ErrStoreUnavailable)
		equal(t, "creations", f.tokens, 0)
	})
}

func TestShare_overlapGoesOnAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 2, tokencache.Overlap, newPlanet(time.Hour))
		f.store.FailNext(1 << 30)
		for _, c := range f.caches {
			mustGet(t, c, "")
		}
		equal(t, "creations", f.tokens, 2)
	})
}

// A planned renewal surprises nobody; a creation in between is announced.
func TestShare_notices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 3, tokencache.Exclusive, newPlanet(time.Minute))
		for _, c := range f.caches {
			mustCall(t, f, c)
		}
		due(f.life)
		for _, c := range f.caches {
			mustCall(t, f, c)
		}
		equal(t, "notices of a planned renewal", f.store.Notices(), 0)
		if _, err := f.caches[0].Replace(t.Context(), "p", "", fetch(f.create)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		equal(t, "notices of another creation", f.store.Notices(), 1)
		tok := mustGet(t, f.caches[1], "")
		equal(t, "the token after a notice is the live token", f.accepts("p", tok.value), true)
		equal(t, "invalidations", f.caches[1].Stats().Invalidations, 0)
	})
}

func TestShare_noticesAreLimited(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		f.store.Delay(0)
		f.latency = func() time.Duration { return 0 }
		c := f.caches[0]
		for i := range 100 {
			key := fmt.Sprint(i)
			_, _ = c.Get(t.Context(), key, "")
			_, _ = c.Replace(t.Context(), key, "", fetch(f.create))
		}
		synctest.Wait()
		equal(t, "notices", f.store.Notices(), 20)
		equal(t, "dropped", c.Stats().NoticesDropped, 80)
	})
}

// A store that comes back empty, or with an older state, gets back what processes
// remember.
func TestShare_writeBack(t *testing.T) {
	const players = 100
	for _, older := range []bool{false, true} {
		t.Run(fmt.Sprint("older state: ", older), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
				c := f.caches[0]
				each := func(c *cache) {
					for i := range players {
						if err := f.call(t.Context(), c, fmt.Sprint(i)); err != nil {
							t.Fatal(err)
						}
					}
				}
				each(c)
				old := f.store.Snapshot()
				for i := range players {
					f.kill(fmt.Sprint(i))
				}
				each(c)
				f.store.Wipe()
				if older {
					f.store.Restore(old)
				}
				f.store.Disconnect()
				time.Sleep(2 * time.Second)
				created := f.tokens
				equal(t, "restored", c.Stats().Restored, players)
				each(f.join(t, tokencache.Exclusive))
				equal(t, "further creations", f.tokens-created, 0)
			})
		})
	}
}

// Releases whose record formats differ share a fleet: a format is read by one release
// before it is written by the next.
func TestShare_twoFormats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 4, tokencache.Exclusive, newPlanet(10*time.Second))
		for _, c := range f.caches[:2] {
			c.SetFormat(2, 2)
		}
		for _, c := range f.caches[2:] {
			c.SetFormat(2, 1)
		}
		f.drive(t.Context(), 10*time.Minute, f.call).expect(t, 0)
		equal(t, "creations before they were due", f.early, 0)
		created := f.tokens

		tooOld := f.join(t, tokencache.Exclusive) // reads 1 only
		mustCall(t, f, f.caches[0])
		f.caches[0].Invalidate("p", id(mustGet(t, f.caches[0], "").value))
		mustCall(t, f, f.caches[0])
		_, err := tooOld.Get(t.Context(), "p", "")
		errorIs(t, err, providerauth.ErrStoreUnavailable)
		mustCall(t, f, f.caches[1])
		atMost(t, "creations", f.tokens-created, 2)
	})
}

// A process that died in the middle of its renewals does not keep others from
// renewing other users' tokens.
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

// The provider has answered success without a usable token, or its answers were lost:
// other processes learn what that means for the token before.
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

// A token that another process is about to kill is not adopted.
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

// A store that falls back to the state before the lease takes the new token all the
// same.
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

// A process whose clock is behind gives a token no longer life than it had.
func TestShare_slowClock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		mustCall(t, f, f.caches[0])
		behind := new(atomic.Int64)
		behind.Store(int64(-24 * time.Hour))
		c := f.join(t, tokencache.Exclusive, func(cfg *config) { cfg.Sharing = sharing(f.store, testCodec{behind}) })
		mustGet(t, c, "")
		atMost(t, "minutes left", int(c.Left("p").Minutes()), 60)
	})
}

// A store that comes back after a long outage is used at once.
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

// A flight that loses its lease again and again ends.
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

// The limiter of a key is that of the record: a process that has not drawn a permit
// does not ask the store for every rejection.
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

// A token whose saving took so long that another process took over is not used any
// longer than until the store says so.
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

// A lease whose answer came late is not long enough for an attempt.
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

// deaf is a store whose Watch always fails at once.
type deaf struct {
	*storetest.Memory
	watches atomic.Int64
}

func (d *deaf) Watch(context.Context, func([]byte)) error {
	d.watches.Add(1)
	return errStore
}

// A store that permits no Watch is asked for it less and less often, and not read
// again and again.
func TestShare_storeWithoutWatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		d := &deaf{Memory: f.store}
		mustCall(t, f, f.join(t, tokencache.Exclusive, through(d)))
		loads := f.store.Loads()
		time.Sleep(10 * time.Minute)
		equal(t, "loads", f.store.Loads()-loads, 0)
		atMost(t, "calls of Watch in ten minutes", int(d.watches.Load()), 100)
	})
}

// A value that does not open is not overwritten by what is written back.
func TestShare_writeBackOverUnreadable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		mustCall(t, f, f.caches[0])
		f.store.Wipe()
		other := f.join(t, tokencache.Exclusive, func(cfg *config) {
			cfg.Sharing = sharing(f.store, testCodec{}, "another key of 32 characters....")
		})
		mustGet(t, other, "")
		time.Sleep(time.Second)
		f.store.Disconnect()
		loads := f.store.Loads()
		time.Sleep(time.Minute)
		equal(t, "restored", f.stats().Restored, 0)
		atMost(t, "loads", f.store.Loads()-loads, 4)
	})
}

// A use of the grant that the record does not know of counts all the same.
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

// A token of a process that remembers nothing is newer than what others remember from
// before the loss.
func TestShare_generationAfterALoss(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		for range 30 {
			if _, err := f.caches[0].Replace(t.Context(), "p", "", fetch(f.create)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		f.store.Wipe()
		newcomer := f.join(t, tokencache.Exclusive)
		mustCall(t, f, newcomer)
		f.store.Disconnect()
		time.Sleep(2 * time.Second)
		mustCall(t, f, f.join(t, tokencache.Exclusive))
		mustCall(t, f, f.caches[0])
		mustCall(t, f, newcomer)
		equal(t, "creations", f.tokens, 31)
	})
}

// A process that was stopped during an attempt, or lost the store, tells nobody that
// the provider is out of order.
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
