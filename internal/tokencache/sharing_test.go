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

// A holder that sends again takes a new lease, and others count it anew.

// A lease whose answer was lost is the process's own: it does not wait for it.

// A process whose secret is refused lives on the tokens of those with the new secret.

// A rejection that ends with another process's token costs no permit.

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

// Replicas that keep their tokens warm all know the same refresh-at.

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

// A store that comes back empty, or with an older state, gets back what processes

// remember.

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

// The provider has answered success without a usable token, or its answers were lost:

// other processes learn what that means for the token before.

// A token that another process is about to kill is not adopted.

// A store that falls back to the state before the lease takes the new token all the

// same.

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

// A flight that loses its lease again and again ends.

// The limiter of a key is that of the record: a process that has not drawn a permit

// does not ask the store for every rejection.

// A token whose saving took so long that another process took over is not used any

// longer than until the store says so.

// A lease whose answer came late is not long enough for an attempt.

// deaf is a store whose Watch always fails at once.

// A store that permits no Watch is asked for it less and less often, and not read

// again and again.

// A value that does not open is not overwritten by what is written back.

// A use of the grant that the record does not know of counts all the same.

// A token of a process that remembers nothing is newer than what others remember from

// before the loss.

// A process that was stopped during an attempt, or lost the store, tells nobody that

// the provider is out of order.
