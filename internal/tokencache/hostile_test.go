package tokencache_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/seal"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// lying is a store whose Swap answers what the test says.
type lying struct {
	*storetest.Memory
	swap func() ([]byte, error)
}

func (l lying) Swap(context.Context, string, []byte, []byte, time.Duration) ([]byte, error) {
	return l.swap()
}

// deafNotifier is a store whose Notify is as the test says.
type deafNotifier struct {
	*storetest.Memory
	notify func() error
}

func (d deafNotifier) Notify(context.Context, []byte) error { return d.notify() }

func (deafNotifier) Watch(ctx context.Context, _ func([]byte)) error {
	<-ctx.Done()
	return ctx.Err()
}

// foreignValue is a value for a key that only another secret opens.
func foreignValue(t *testing.T, key string) []byte {
	t.Helper()
	k, err := seal.NewKeys([]string{"another key of 32 characters...."})
	if err != nil {
		t.Fatal(err)
	}
	value, err := k.Seal(1, testCodec{}.Register(key), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// overwrite puts a value into the register of p, whatever is there.
func (f *fleet) overwrite(t *testing.T, value []byte) {
	name := testCodec{}.Register("p")
	prev, _ := f.store.Load(t.Context(), name)
	if _, err := f.store.Swap(t.Context(), name, prev, value, time.Hour); err != nil {
		t.Error(err)
	}
}

func (f *fleet) holds(t *testing.T, value []byte) bool {
	now, err := f.store.Load(t.Context(), testCodec{}.Register("p"))
	return err == nil && string(now) == string(value)
}

// closes reports whether Close returns within 20 s.
func closes(c *cache) bool {
	done := make(chan struct{})
	go func() {
		c.Close()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(20 * time.Second):
		return false
	}
}

// Keys that never come hold no caller and no Close.
func TestHostile_keysThatNeverCome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		c := f.join(t, tokencache.Exclusive, func(cfg *config) {
			cfg.Sharing = tokencache.Share(tokencache.StoreOptions{
				Store: f.store, Timeout: 500 * time.Millisecond,
				Keys: func(ctx context.Context) ([]string, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				},
			}, testCodec{})
		})
		begun := time.Now()
		_, err := c.Get(t.Context(), "p", "")
		errorIs(t, err, providerauth.ErrStoreUnavailable)
		atMost(t, "milliseconds", int(time.Since(begun).Milliseconds()), 2000)
		equal(t, "Close returns", closes(c), true)
	})
}

// A Swap that always answers another value ends.
func TestHostile_swapThatNeverHolds(t *testing.T) {
	for name, answer := range map[string][]byte{"nil": nil, "empty": {}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
				swaps := 0
				c := f.join(t, tokencache.Exclusive, through(lying{f.store, func() ([]byte, error) {
					swaps++
					return answer, nil
				}}))
				_, err := c.Get(t.Context(), "p", "")
				errorIs(t, err, providerauth.ErrStoreUnavailable)
				atMost(t, "swaps", swaps, 20)
				equal(t, "Close returns", closes(c), true)
			})
		})
	}
}

// A value that does not open is not overwritten by a flight that meets it late.
func TestHostile_foreignValueDuringAFlight(t *testing.T) {
	for name, lost := range map[string]bool{"at the save": false, "between two attempts": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
				f.lose = func() bool { return lost }
				foreign := foreignValue(t, "p")
				time.AfterFunc(20*time.Millisecond, func() { f.overwrite(t, foreign) })
				_, _ = f.caches[0].Get(t.Context(), "p", "")
				equal(t, "the foreign value is still there", f.holds(t, foreign), true)
			})
		})
	}
}

// A back-off written by a process whose clock is ahead does not bind the others for
// that long.
func TestHostile_backOffOfAWrongClock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(10*time.Minute))
		ahead := new(atomic.Int64)
		ahead.Store(int64(50 * time.Minute))
		wrong := f.join(t, tokencache.Exclusive, func(cfg *config) {
			cfg.Sharing = sharing(f.store, testCodec{ahead})
			cfg.Retriever = fetch(func(context.Context, ask) (issued, error) { return issued{}, errLost })
		})
		_, _ = wrong.Get(t.Context(), "p", "")
		time.Sleep(time.Second)
		mustGet(t, f.caches[0], "")
	})
}

// A failing store does not shorten the back-off that the provider has asked for.
func TestHostile_lookWithoutStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
		requests := 0
		c := f.join(t, tokencache.Exclusive, func(cfg *config) {
			cfg.Retriever = fetch(func(context.Context, ask) (issued, error) {
				requests++
				return issued{}, &failure{permanent: true, after: 10 * time.Minute}
			})
		})
		stop := f.every(7*time.Second, func() {
			f.store.FailNext(1 << 30)
			time.Sleep(1500 * time.Millisecond)
			f.store.FailNext(0)
		})
		for begun := time.Now(); time.Since(begun) < 10*time.Minute-time.Second; time.Sleep(100 * time.Millisecond) {
			_, _ = c.Get(t.Context(), "p", "")
		}
		stop()
		equal(t, "requests", requests, 1)
	})
}

// The saving of a former flight leaves the lease of the next flight alone.
func TestHostile_savingBesideTheNextFlight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		f.latency = func() time.Duration { return 800 * time.Millisecond }
		h := &hooked{Memory: f.store}
		var failing atomic.Bool
		failing.Store(true)
		h.swap = func(n int64) (bool, error) {
			if n >= 2 && failing.Load() {
				return false, errStore
			}
			return true, nil
		}
		a := f.join(t, tokencache.Exclusive, through(h))
		if _, err := a.Replace(t.Context(), "p", "", fetch(f.create)); err != nil { // handed out, not saved
			t.Fatal(err)
		}
		failing.Store(false)
		go func() { _, _ = a.Replace(context.Background(), "p", "", fetch(f.create)) }()
		synctest.Wait()
		time.Sleep(200 * time.Millisecond)
		go func() { _, _ = f.caches[0].Replace(context.Background(), "p", "", fetch(f.create)) }()
		time.Sleep(5 * time.Second)
		f.change(func() { equal(t, "creations at once", f.most, 1) })
	})
}

// A token that could not be saved has the grant to spend, not the older record.
func TestHostile_grantOfAnUnsavedToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.SingleUse, newPlanet(10*time.Minute))
		h := &hooked{Memory: f.store}
		a := f.join(t, tokencache.SingleUse, through(h))
		mustGet(t, a, "")
		due(f.life)
		var down atomic.Bool
		down.Store(true)
		h.swap = func(n int64) (bool, error) {
			if n > 1 && down.Load() {
				return false, errStore
			}
			return true, nil
		}
		mustGet(t, a, "") // renews in the background, and the save fails
		time.Sleep(200 * time.Millisecond)
		renewed := mustGet(t, a, "")
		down.Store(false)
		a.Reject("p", id(renewed.value))
		mustGet(t, a, "")
		equal(t, "grants sent again", f.spentAgain, 0)
		equal(t, "logins", f.logins, 1)
	})
}

// A Notify that hangs or fails takes nothing else down.
func TestHostile_notify(t *testing.T) {
	for name, notify := range map[string]func() error{
		"hangs": func() error { time.Sleep(24 * time.Hour); return nil },
		"fails": func() error { return errStore },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, 0, tokencache.Exclusive, newPlanet(48*time.Hour))
				c := f.join(t, tokencache.Exclusive, through(deafNotifier{f.store, notify}))
				for i := range 150 {
					key := fmt.Sprint(i)
					if _, err := c.Get(t.Context(), key, ""); err != nil {
						t.Fatal(err)
					}
					if _, err := c.Replace(t.Context(), key, "", fetch(f.create)); err != nil {
						t.Fatal(err)
					}
				}
				equal(t, "failures of the store", c.Stats().StoreFailures, 0)
				time.Sleep(25 * time.Hour)
			})
		})
	}
}

// A process with a fast clock that is refused a token leaves the record of the live
// token in the store.
func TestHostile_fastClockKeepsTheRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 1, tokencache.Exclusive, newPlanet(time.Hour))
		mustCall(t, f, f.caches[0])
		ahead := new(atomic.Int64)
		ahead.Store(int64(72 * time.Hour))
		_, err := f.join(t, tokencache.Exclusive, func(cfg *config) {
			cfg.Sharing = sharing(f.store, testCodec{ahead})
			cfg.Retriever = fetch(func(context.Context, ask) (issued, error) { return issued{}, errPermanent })
		}).Get(t.Context(), "p", "")
		errorIs(t, err, errPermanent)
		time.Sleep(10 * time.Second)
		mustCall(t, f, f.join(t, tokencache.Exclusive))
		equal(t, "creations", f.tokens, 1)
	})
}

// Processes with scopes of their own do not make each other create in turn, where old
// tokens stay valid.
func TestHostile_scopesInTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 2, tokencache.Overlap, newPlanet(time.Hour))
		for range 300 {
			mustGet(t, f.caches[0], "X")
			mustGet(t, f.caches[1], "Y")
			time.Sleep(time.Second)
		}
		equal(t, "creations", f.tokens, 2)
	})
}

// flapping is a store whose connection of Watch breaks every second.
type flapping struct{ *storetest.Memory }

func (flapping) Watch(ctx context.Context, _ func([]byte)) error {
	select {
	case <-ctx.Done():
	case <-time.After(1100 * time.Millisecond):
	}
	return errStore
}

// A connection that breaks again and again, without a loss, has few tokens read.
func TestHostile_flappingWatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(24*time.Hour))
		f.latency = func() time.Duration { return 0 }
		c := f.join(t, tokencache.Exclusive, through(flapping{f.store}))
		for i := range 1000 {
			_, _ = c.Get(t.Context(), fmt.Sprint(i), "")
		}
		loads := f.store.Loads()
		time.Sleep(time.Minute)
		atMost(t, "loads in a minute", f.store.Loads()-loads, 60*16)
	})
}

// Tokens that a store never saves keep goroutines for those that are kept only.
func TestHostile_savingIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 0, tokencache.Exclusive, newPlanet(24*time.Hour))
		c := f.join(t, tokencache.Exclusive, through(stingy{f.store}), func(cfg *config) { cfg.MaxEntries = 10 })
		for i := range 200 {
			_, _ = c.Get(t.Context(), fmt.Sprint(i), "")
		}
		time.Sleep(5 * time.Second)
		atMost(t, "unsaved", c.Stats().Unsaved, 10)
	})
}

// stingy refuses values as long as a token's record.
type stingy struct{ *storetest.Memory }

func (s stingy) Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
	if len(next) > 160 {
		return nil, errStore
	}
	return s.Memory.Swap(ctx, key, prev, next, ttl)
}

// An abandoned Swap reads nothing that the flight still changes: the race detector
// watches.
func TestHostile_abandonedSwap(t *testing.T) {
	f := newFleet(t, 0, tokencache.Exclusive, newPlanet(time.Hour))
	h := &hooked{Memory: f.store}
	h.swap = func(n int64) (bool, error) {
		if n == 1 {
			time.Sleep(120 * time.Millisecond)
		}
		return true, nil
	}
	o := tokencache.StoreOptions{Store: h, Keys: providerauth.StaticSecrets(testStoreKey), Timeout: 200 * time.Millisecond}
	c := f.join(t, tokencache.Exclusive, func(cfg *config) { cfg.Sharing = tokencache.Share(o, testCodec{}) })
	mustGet(t, c, "")
}
