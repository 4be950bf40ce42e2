package tokencache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// A fleet goes through random faults for twenty minutes: processes that die with a lease in
// their hands, a store that is wiped, falls back, fails and loses answers, lost answers
// of the provider, another system's creations. Whatever happens, calls fail only for
// want of the store, and each fault costs a bounded number of creations. When the
// faults are over, all is as it was before.
func TestFleet_model(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 13))
				f := newFleet(t, 5, tokencache.Exclusive, newPlanet(20*time.Second))
				var lost sync.Mutex
				losing := 0
				f.lose = func() bool {
					lost.Lock()
					defer lost.Unlock()
					losing--
					return losing >= 0
				}
				faults, struck := []func(){
					func() { f.store.Wipe() },
					func() { f.kill("p") },
					func() { f.store.LoseAnswers(random.IntN(5)) },
					func() { f.store.FailNext(random.IntN(20)) },
					func() { f.store.Disconnect() },
					func() {
						old := f.store.Snapshot()
						time.Sleep(time.Duration(random.IntN(15)) * time.Second)
						f.store.Restore(old)
					},
					func() {
						lost.Lock()
						defer lost.Unlock()
						losing = random.IntN(3)
					},
					func() { f.dieWithLease(t) },
				}, 0
				stop := f.every(25*time.Second, func() {
					faults[random.IntN(len(faults))]()
					struck++
				})
				y := f.drive(t.Context(), 20*time.Minute, f.call)
				stop()
				y.expect(t, y.calls/1000)
				atMost(t, "creations before they were due", f.early, struck)
				atMost(t, "unsaved", f.stats().Unsaved, 0)

				f.change(func() { f.lose = nil })
				f.store.ClearFaults()
				time.Sleep(time.Minute)
				early, created := f.early, f.tokens
				f.drive(t.Context(), time.Minute, f.call).expect(t, 0)
				equal(t, "creations before they were due, without faults", f.early, early)
				atMost(t, "creations a minute, without faults", f.tokens-created, 6)
			})
		})
	}
}

// dieWithLease has a process take the lease for a creation and be gone before it
// saves the token.
func (f *fleet) dieWithLease(t *testing.T) {
	h := &hooked{Memory: f.store}
	h.swap = func(n int64) (bool, error) {
		h.stuck.Store(true)
		return n == 1, nil
	}
	cfg := f.config(tokencache.Exclusive)
	through(h)(&cfg)
	c := tokencache.New(cfg)
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = c.Replace(ctx, "p", "", fetch(f.create))
}
