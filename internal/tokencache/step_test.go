//go:build wallclock

package tokencache_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// .ci/clock runs these tests with a package time whose wall clock can be set.

// A receipt is a token of these tests: the time when it was received.
type receipt struct{ at time.Time }

// short lets a test see several lives in a second of real time.
const short = 200 * time.Millisecond

// over reports whether a token has reached its end by either clock.
func (r receipt) over(now time.Time) bool {
	return now.Sub(r.at) >= short || now.Round(0).Sub(r.at.Round(0)) >= short
}

func receipts(mode tokencache.Mode, warm bool, took time.Duration) *tokencache.Cache[int, string, receipt] {
	var n atomic.Uint64
	return tokencache.New(tokencache.Config[int, string, receipt]{
		Mode: mode, AttemptTimeout: time.Second, MaxEntries: 100, KeepWarm: warm,
		Renewable: func(receipt) bool { return false }, Suspect: func(r receipt) receipt { return r },
		Retriever: tokencache.RetrieverFunc[int, string, receipt](func(context.Context, tokencache.Ask[int, string, receipt]) (tokencache.Issued[receipt], error) {
			time.Sleep(took)
			now, id := time.Now(), n.Add(1)
			issued := tokencache.Issued[receipt]{Token: receipt{now}, ExpiresAt: now.Add(short)}
			issued.ID[0], issued.ID[1], issued.ID[2] = byte(id), byte(id>>8), byte(id>>16)
			return issued, nil
		}),
	})
}

var steps = []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour}

func TestWallClock_Get(t *testing.T) {
	t.Run("a token ends with its life, whatever the wall clock says", func(t *testing.T) {
		for _, step := range steps {
			c := receipts(tokencache.Overlap, false, 0)
			first, err := c.Get(t.Context(), 1, "")
			if err != nil {
				t.Fatal(err)
			}
			time.StepWallClock(step)
			time.Sleep(short)
			next, err := c.Get(t.Context(), 1, "")
			if err != nil || next == first {
				t.Errorf("step %v: the token is handed out after its end, or %v", step, err)
			}
			c.Close()
		}
	})
	t.Run("a token that was kept over a step forward is over", func(t *testing.T) {
		c := receipts(tokencache.Overlap, false, 0)
		defer c.Close()
		first, _ := c.Get(t.Context(), 1, "")
		time.StepWallClock(time.Hour)
		if next, err := c.Get(t.Context(), 1, ""); err != nil || next == first {
			t.Errorf("the token is handed out after its end by the wall clock, or %v", err)
		}
	})
	t.Run("KeepWarm goes on", func(t *testing.T) {
		for _, step := range steps {
			c := receipts(tokencache.Overlap, true, 0)
			_, _ = c.Get(t.Context(), 1, "")
			time.StepWallClock(step)
			time.Sleep(2 * short)
			if n := c.Stats().Refreshes; n < 2 {
				t.Errorf("step %v: %d refreshes in two lives", step, n)
			}
			c.Close()
		}
	})
}

func TestWallClock_anyMoment(t *testing.T) {
	for _, mode := range []tokencache.Mode{tokencache.Overlap, tokencache.SingleUse, tokencache.Exclusive} {
		for _, warm := range []bool{false, true} {
			var stepped atomic.Int64
			c := receipts(mode, warm, 2*time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			var checked atomic.Int64
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() {
					for ctx.Err() == nil {
						before, start := stepped.Load(), time.Now()
						token, err := c.Get(context.Background(), rand.IntN(3), "")
						took := time.Since(start)
						if stepped.Load() != before {
							continue // Get may have looked at another wall clock
						}
						checked.Add(1)
						if err != nil || took > time.Second {
							t.Errorf("mode %v: %v after %v", mode, err, took)
							return
						}
						if token.over(start) {
							t.Errorf("mode %v: a token was handed out after its end", mode)
							return
						}
						time.Sleep(rand.N(time.Millisecond))
					}
				})
			}
			for ctx.Err() == nil {
				time.Sleep(rand.N(50 * time.Millisecond))
				stepped.Add(1)
				time.StepWallClock(steps[rand.IntN(len(steps))])
				stepped.Add(1)
			}
			callers.Wait()
			cancel()
			c.Close()
			if checked.Load() < 1000 {
				t.Errorf("mode %v: only %d tokens were checked", mode, checked.Load())
			}
		}
	}
}
