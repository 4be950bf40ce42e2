package tokencache

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/puzpuzpuz/xsync/v4"

	"github.com/providerauth/providerauth-go/internal/testkit"
)

type player struct{ merchant, name string }

type entry struct {
	of        player
	token     string
	expiresAt int64
}

const never = int64(1) << 62

func (v *entry) expired(t time.Time) bool { return t.UnixNano() >= v.expiresAt }

// small is a map of numbered entries and a list of those it has evicted.
type small struct {
	*entries[int, entry]
	gone []int
}

func newSmall(bound int) *small {
	s := &small{}
	s.entries = newEntries(bound, (*entry).expired, func(k int, _ *entry) { s.gone = append(s.gone, k) })
	return s
}

func (s *small) put(k int, expiresAt int64) { s.store(k, &entry{expiresAt: expiresAt}) }

func (s *small) keys() []int {
	var keys []int
	s.each(func(k int, _ *entry) {
		keys = append(keys, k)
	})
	slices.Sort(keys)
	return keys
}

func diff[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestEntryIsWhatWasStoredLast(t *testing.T) {
	s := newSmall(10)
	if s.load(1, 0) != nil {
		t.Error("something is there before the first store")
	}
	old, v := &entry{}, &entry{}
	s.store(1, old)
	s.store(1, v)
	if s.load(1, 0) != v {
		t.Error("not what was stored last")
	}
	diff(t, "length", s.len(), 1)
}

func TestBoundOfOneHoldsTheLastStored(t *testing.T) {
	s := newSmall(1)
	for k := range 4 {
		s.put(k, never)
		s.load(k, 0)
		diff(t, "keys", s.keys(), []int{k})
	}
	diff(t, "evicted", s.gone, []int{0, 1, 2})
}

// The steps of these tables: "3" stores key 3, "3!" stores it as expired, "?3"
// loads it, "-3" deletes it, "+" is a second later and "<" an hour earlier.
func TestEvictionTakesExpiredEntriesAndThenTheLeastRecentlyUsed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bound int
		steps string
		want  []int
	}{
		{"room for all", 3, "1 2 3", nil},
		{"in order of insertion", 3, "1 2 3 4 5", []int{1, 2}},
		{"a use in the same instant counts", 3, "1 2 3 ?1 4 5", []int{2, 3}},
		{"and again after the next store", 3, "1 2 3 ?1 4 ?1 5 ?1 6", []int{2, 3, 4}},
		{"the one stored last is used like any other", 3, "1 ?1 2 3 ?1 ?2 ?3 4 5", []int{1, 2}},
		{"a replacement is a use", 3, "1 2 3 1 4 5", []int{2, 3}},
		{"uses in the order of their seconds", 3, "1 2 3 ?1 ?2 ?3 + ?3 + ?2 + ?1 4 5 6", []int{3, 2, 1}},
		{"a clock set back spoils nothing", 3, "1 2 3 ?1 ?2 ?3 < ?3 < ?2 < ?1 4 5 6", []int{3, 2, 1}},
		{"the expired one goes before one used longer ago", 3, "1 2! 3 4", []int{2}},
		{"even if it was used last", 3, "1 2! 3 ?2 4", []int{2}},
		{"all expired ones go at once", 4, "1! 2 3! 4 5", []int{1, 3}},
		{"an expired one stays while there is room", 3, "1! 2", nil},
		{"a replaced one is not expired any more", 3, "1! 2 1 3 4", []int{2}},
		{"deleting makes room", 3, "1 2 3 -2 4", nil},
		{"replacing needs none", 2, "1 2 1 2 1", nil},
		{"the stored one stays though it is expired", 2, "1 2 3!", []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSmall(tt.bound)
			now := int64(1000 * time.Hour)
			for _, step := range strings.Fields(tt.steps) {
				var k int
				_, _ = fmt.Sscan(strings.Trim(step, "?-!"), &k)
				before := len(s.gone)
				switch {
				case step == "+":
					now += int64(time.Second)
				case step == "<":
					now -= int64(time.Hour)
				case step[0] == '?':
					s.load(k, now)
				case step[0] == '-':
					s.delete(k)
				case step[len(step)-1] == '!':
					s.put(k, 0)
				default:
					s.put(k, never)
				}
				slices.Sort(s.gone[before:])
			}
			diff(t, "evicted", s.gone, tt.want)
		})
	}
}

func TestLargeMapEvictsSomeOfTheOldestOfAPart(t *testing.T) {
	const bound = 6400
	visited := 0
	var gone []int
	s := newEntries(bound, func(*entry, time.Time) bool { visited++; return false }, func(k int, _ *entry) { gone = append(gone, k) })
	put := func(k int) { s.store(k, &entry{}) }
	for _, k := range rand.Perm(bound) {
		put(k)
	}
	for k := range bound { // now they are as old as they are numbered
		put(k)
	}
	for n := range bound { // each makes room if there is none
		before := len(gone)
		visited = 0
		put(bound + n)
		if visited > 1000 {
			t.Fatalf("an insertion visited %d keys", visited)
		}
		if n < 10 {
			for _, k := range gone[before:] { // the oldest 64th of a part, and some by chance
				if k > bound/8 {
					t.Errorf("evicted %d, which is younger than an eighth of all", k)
				}
			}
		}
	}
	if s.len() > bound || len(gone) < bound || len(gone) > bound+bound/32 {
		t.Errorf("%d entries, %d evicted", s.len(), len(gone))
	}
}

func TestEntryInUseIsNeverEvicted(t *testing.T) {
	for _, bound := range []int{2, 3, 100, 1000} {
		t.Run(fmt.Sprint(bound), func(t *testing.T) {
			s := newSmall(bound)
			hot := &entry{expiresAt: never}
			s.store(0, hot)
			for k := range 5 * bound {
				s.put(k+1, never)
				if s.load(0, 0) != hot {
					t.Fatalf("gone after %d other keys", k+1)
				}
			}
		})
	}
}

func TestUseIsWrittenDownOncePerTick(t *testing.T) {
	s := newSmall(6400)
	for k := range 10 {
		s.put(k, never)
	}
	s.load(0, never) // a tick
	before := s.uses.Load()
	for range 1000 {
		for k := range 10 {
			s.load(k, never+int64(time.Second)-1)
		}
	}
	diff(t, "uses written down", s.uses.Load()-before, 9)
}

func TestEntryReplacedDuringAnEvictionStays(t *testing.T) {
	v := &entry{expiresAt: never}
	var s *entries[int, entry]
	var gone []int
	s = newEntries(2, func(w *entry, _ time.Time) bool {
		if w.expiresAt == 0 { // the first value of key 0, which has been used least recently
			s.store(0, v)
		}
		return false
	}, func(k int, _ *entry) { gone = append(gone, k) })
	s.store(0, &entry{})
	s.store(1, &entry{expiresAt: never})
	s.store(2, &entry{expiresAt: never})
	if s.load(0, 0) != v {
		t.Error("the new value is lost")
	}
	diff(t, "evicted", gone, []int{1})
}

func TestEvictedMayUseTheMap(t *testing.T) {
	var s *entries[int, entry]
	var gone []int
	s = newEntries(2, (*entry).expired, func(k int, _ *entry) {
		gone = append(gone, k)
		if s.load(k, 0) != nil {
			t.Errorf("%d is evicted and still there", k)
		}
		s.each(func(int, *entry) {})
		if k == 0 {
			s.store(3, &entry{expiresAt: never}) // evicts in turn
			s.delete(2)
		}
	})
	for k := range 3 {
		s.store(k, &entry{expiresAt: never})
	}
	diff(t, "evicted", gone, []int{0, 1})
	diff(t, "length", s.len(), 1)
}

func TestConcurrentStoresNeverExceedTheBoundAndEvictEachOnce(t *testing.T) {
	const writers, each = 8, 1500
	for _, bound := range []int{1, 2, 7, 500} {
		t.Run(fmt.Sprint(bound), func(t *testing.T) {
			var gone [writers * each]atomic.Int32
			s := newEntries(bound, (*entry).expired, func(k int, _ *entry) { gone[k].Add(1) })
			testkit.Crowd(writers, func(w int) {
				for i := range each {
					k := w*each + i
					s.store(k, &entry{expiresAt: never})
					s.load(k, 0)
					if n := s.len(); n > bound {
						t.Errorf("%d entries", n)
						return
					}
				}
			})
			left := 0
			s.each(func(k int, _ *entry) {
				gone[k].Add(1)
				left++
			})
			diff(t, "left", left, s.len())
			for k := range gone {
				if n := gone[k].Load(); n != 1 {
					t.Fatalf("key %d was evicted or left %d times", k, n)
				}
			}
		})
	}
}

func TestRoomThatADeleteMakesIsTakenOnce(t *testing.T) {
	for _, bound := range []int{1, 2, 3} {
		s := newEntries(bound, (*entry).expired, func(int, *entry) {})
		testkit.Crowd(8, func(w int) {
			for range 3000 {
				s.store(w, &entry{expiresAt: never})
				if n := s.len(); n > bound {
					t.Errorf("%d entries, bound %d", n, bound)
					return
				}
				s.delete(w)
			}
		})
		diff(t, "length", s.len(), 0)
	}
}

func TestReplacedAndDeletedEntriesAreNotReportedAsEvicted(t *testing.T) {
	s := newSmall(100)
	for i := range 1000 {
		s.put(i%50, never)
		s.delete(i % 7)
	}
	diff(t, "evicted", s.gone, nil)
}

func TestReadersAndWritersOfAllKindsRunTogether(t *testing.T) {
	const keys, rounds = 400, 4000
	key := func(i int) player { return player{fmt.Sprint(i % 3), fmt.Sprint(i)} }
	var evicted atomic.Int64
	s := newEntries(keys/2, (*entry).expired, func(k player, v *entry) {
		evicted.Add(1)
		if v.of != k {
			t.Errorf("evicted %v as %v", v.of, k)
		}
	})
	var mu [keys]sync.Mutex // one writer for a key
	testkit.Crowd(8, func(w int) {
		r := rand.New(rand.NewPCG(1, uint64(w)))
		for i := range rounds {
			n, now := r.IntN(keys), int64(i)*int64(time.Millisecond)
			k := key(n)
			switch r.IntN(8) {
			case 0, 1:
				mu[n].Lock()
				v := &entry{of: k, expiresAt: never * int64(r.IntN(2))}
				s.store(k, v)
				if got := s.load(k, now); got != nil && got != v {
					t.Errorf("%v: somebody else's value", k)
				}
				mu[n].Unlock()
			case 2:
				mu[n].Lock()
				s.delete(k)
				mu[n].Unlock()
			default:
				if v := s.load(k, now); v != nil && v.of != k {
					t.Errorf("loaded %v as %v", v.of, k)
				}
			}
		}
	})
	n := 0
	s.each(func(player, *entry) { n++ })
	diff(t, "length", s.len(), n)
	if evicted.Load() == 0 {
		t.Error("nothing was evicted")
	}
}

const players = 100_000

func playerKey(i int) player {
	return player{fmt.Sprintf("merchant-%02d", i%17), fmt.Sprintf("player-%018d", i)}
}

func newEntry(k player) *entry {
	return &entry{of: k, token: strings.Repeat("x", 450), expiresAt: never}
}

// BenchmarkEntries looks keys up beside the bare map: 100,000 keys in random
// order, each a copy so that comparing it cannot stop at equal pointers, and
// one key again and again. B/entry is the heap for an entry without its value
// and the text of its key.
func BenchmarkEntries(b *testing.B) {
	lookups := make([]player, players)
	for i, j := range rand.Perm(players) {
		lookups[i] = playerKey(j)
	}
	for _, m := range []struct {
		name string
		make func() (load func(player, int64) *entry, store func(player, *entry))
	}{
		{"bare", func() (func(player, int64) *entry, func(player, *entry)) {
			m := xsync.NewMap[player, *entry]()
			return func(k player, _ int64) *entry { v, _ := m.Load(k); return v }, m.Store
		}},
		{"entries", func() (func(player, int64) *entry, func(player, *entry)) {
			e := newEntries(players, (*entry).expired, func(player, *entry) { b.Error("evicted") })
			return e.load, func(k player, v *entry) { e.store(k, v) }
		}},
	} {
		b.Run(m.name, func(b *testing.B) {
			keys, values := make([]player, players), make([]*entry, players)
			for i := range players {
				keys[i] = playerKey(i)
				values[i] = newEntry(keys[i])
			}
			before := heapInUse()
			load, store := m.make()
			for i, k := range keys {
				store(k, values[i])
			}
			size := float64(heapInUse()-before) / players
			for _, hot := range []bool{false, true} {
				name := "spread"
				if hot {
					name = "hot"
				}
				var offset atomic.Int64
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					b.RunParallel(func(pb *testing.PB) {
						i := int(offset.Add(players*2/3)) % players
						var now int64
						for n := 0; pb.Next(); n++ {
							if n%1024 == 0 { // the clock is no part of the map
								now = time.Now().UnixNano()
							}
							if !hot {
								if i++; i == players {
									i = 0
								}
							}
							if v := load(lookups[i], now); v == nil || now >= v.expiresAt {
								b.Error("missing")
								return
							}
						}
					})
					b.ReportMetric(size, "B/entry")
				})
			}
			runtime.KeepAlive(keys)
			runtime.KeepAlive(values)
		})
	}
}

// BenchmarkEntriesFull stores new keys in a map that is full of live ones.
func BenchmarkEntriesFull(b *testing.B) {
	for _, bound := range []int{10, 1000, players} {
		b.Run(fmt.Sprint(bound), func(b *testing.B) {
			e := newEntries(bound, (*entry).expired, func(player, *entry) {})
			var i atomic.Int64
			put := func() time.Duration {
				k := playerKey(int(i.Add(1)))
				v := &entry{of: k, expiresAt: never}
				start := time.Now()
				e.store(k, v)
				return time.Since(start)
			}
			for range bound {
				put()
			}
			var worst atomic.Int64
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					d := int64(put())
					for w := worst.Load(); d > w && !worst.CompareAndSwap(w, d); w = worst.Load() {
					}
				}
			})
			b.ReportMetric(float64(worst.Load())/1e6, "worst-ms")
		})
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
