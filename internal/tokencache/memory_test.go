package tokencache

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// million is how many keys there are, if tests run whole.
func million() int {
	if testkit.Long() {
		return 1_000_000
	}
	return 40_000
}

func (c *Cache[K, S, T]) counted() (slots, failures, timed int) {
	c.timetable.mu.Lock()
	defer c.timetable.mu.Unlock()
	return c.Slots(), c.timetable.failures.Len(), len(c.timetable.byTime)
}

func TestCache_failingKeys(t *testing.T) {
	t.Run("16,384 failures are remembered, the oldest go first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, requests := users(2_000_000, all)
			defer c.Close()
			n := million()
			for key := range n {
				_, _ = c.Get(t.Context(), key, "")
				if slots, _, _ := c.counted(); slots > maxFailures+1 {
					t.Fatalf("%d slots after %d keys", slots, key+1)
				}
			}
			synctest.Wait()
			if slots, failures, timed := c.counted(); slots != maxFailures || failures != maxFailures || timed != maxFailures {
				t.Errorf("%d slots, %d failures, %d timed, want %d each", slots, failures, timed, maxFailures)
			}
			for i, key := range []int{n - 1, n - maxFailures, n - maxFailures - 1} {
				*requests = 0
				_, _ = c.Get(t.Context(), key, "")
				if want := i / 2; *requests != want { // only the last is forgotten
					t.Errorf("key %d of %d: %d requests, want %d", key, n, *requests, want)
				}
			}
		})
	})
	t.Run("MaxEntries bounds them as well", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, requests := users(3, all)
			defer c.Close()
			for key := range 4 {
				_, _ = c.Get(t.Context(), key, "")
			}
			synctest.Wait()
			for key := 3; key >= 0; key-- {
				_, _ = c.Get(t.Context(), key, "")
			}
			if *requests != 4+1 {
				t.Errorf("%d requests, want one more for the oldest of four", *requests)
			}
		})
	})
	t.Run("they are forgotten in time, though no other key comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := users(100_000, all)
			defer c.Close()
			for key := range 5_000 {
				_, _ = c.Get(t.Context(), key, "")
			}
			time.Sleep(2*maxBackOff + forgetEvery)
			synctest.Wait()
			if slots, failures, timed := c.counted(); slots+failures+timed != 0 {
				t.Errorf("%d slots, %d failures, %d timed are left", slots, failures, timed)
			}
		})
	})
	t.Run("a replaced token leaves nothing behind either", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := users(100_000, nobody)
			defer c.Close()
			for key := range 5_000 {
				tok, _ := c.Get(t.Context(), key, "")
				c.Reject(key, credential.New(fmt.Sprint(tok)).ID())
				if key%2 == 0 {
					_, _ = c.Get(t.Context(), key, "")
				}
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if slots, failures, timed := c.counted(); slots+failures+timed != 0 {
				t.Errorf("%d slots, %d failures, %d timed are left", slots, failures, timed)
			}
		})
	})
	t.Run("a closed cache remembers nothing of new keys", func(t *testing.T) {
		c, _ := users(100, all)
		c.Close()
		for key := range 1000 {
			if _, err := c.Get(t.Context(), key, ""); !errors.Is(err, providerauth.ErrClosed) {
				t.Fatal(err)
			}
		}
		if slots, _, _ := c.counted(); slots != 0 {
			t.Errorf("%d slots", slots)
		}
	})
	t.Run("few slots are taken from the timetable at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := users(100_000, all)
			defer c.Close()
			for key := range 5_000 {
				_, _ = c.Get(t.Context(), key, "")
			}
			if n := len(c.timetable.take(time.Now().Add(time.Hour).UnixNano())); n > 1000 {
				t.Errorf("%d at once, want at most 1,000", n)
			}
		})
	})
}

func TestSnapshot_size(t *testing.T) {
	type token [10]uintptr // the largest of the providers has as much
	const most = 80
	if size := unsafe.Sizeof(snapshot[string, token]{}) - unsafe.Sizeof(token{}); size > most {
		t.Errorf("%d bytes beside the token, want at most %d: a hundred thousand players are kept", size, most)
	}
}

func TestStats_BackoffUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		c, _ := users(100, func(int) bool { return down })
		defer c.Close()
		_, _ = c.Get(t.Context(), 1, "")
		if !c.Stats().BackoffUntil.After(time.Now()) {
			t.Error("no back-off after a failure")
		}
		time.Sleep(maxBackOff)
		down = false
		_, _ = c.Get(t.Context(), 1, "")
		if at := c.Stats().BackoffUntil; !at.IsZero() {
			t.Errorf("a back-off until %v when all is well", at)
		}
	})
}

// BenchmarkMillionKeys states the longest time of an operation. Garbage
// collection is part of it.
func BenchmarkMillionKeys(b *testing.B) {
	const keys = 1_000_000
	longest := func(b *testing.B, n int, do func(i int)) {
		var worst time.Duration
		for i := range n {
			start := time.Now()
			do(i)
			worst = max(worst, time.Since(start))
		}
		b.ReportMetric(float64(worst)/1e6, "worst-ms")
		b.ReportMetric(float64(b.Elapsed())/float64(n), "ns/key")
	}
	b.Run("failing", func(b *testing.B) {
		for range b.N {
			c, _ := users(2_000_000, all)
			before := testkit.Heap()
			b.ResetTimer()
			longest(b, keys, func(i int) { _, _ = c.Get(b.Context(), i, "") })
			b.StopTimer()
			b.ReportMetric(float64(testkit.Heap()-before)/1e6, "MB")
			c.Close()
		}
	})
	b.Run("live", func(b *testing.B) {
		for range b.N {
			c, _ := users(2_000_000, nobody)
			longest(b, keys, func(i int) { _, _ = c.Get(b.Context(), i, "") })
			c.Close()
		}
	})
	b.Run("full", func(b *testing.B) {
		for range b.N {
			c, _ := users(keys/2, nobody)
			longest(b, keys, func(i int) { _, _ = c.Get(b.Context(), i, "") })
			c.Close()
		}
	})
	b.Run("stats", func(b *testing.B) {
		c, _ := users(2_000_000, func(key int) bool { return key%2 == 0 })
		defer c.Close()
		testkit.Crowd(4, func(part int) {
			for key := part; key < keys; key += 4 {
				_, _ = c.Get(b.Context(), key, "")
			}
		})
		b.ResetTimer()
		longest(b, b.N, func(int) { c.Stats() })
	})
}
