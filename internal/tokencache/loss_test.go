package tokencache_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

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

type deaf struct {
	*storetest.Memory
	watches atomic.Int64
}

func (d *deaf) Watch(context.Context, func([]byte)) error {
	d.watches.Add(1)
	return errStore
}

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
