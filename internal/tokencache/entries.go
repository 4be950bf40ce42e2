package tokencache

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/puzpuzpuz/xsync/v4"
)

// entries is a bounded map of finished snapshots. Anybody may read it at any
// time, without a lock; writers of one key must take turns. When it is full,
// the expired entries make room, and then the least recently used ones.
//
// The map underneath is xsync's because none that can be put together from the
// standard library is near it where several cores want one key or 100,000: a
// sync.Map takes at least twice the time for either, and 256 maps with a RWMutex
// each, whose readers all write to the lock, fourteen times for the one key.
// BenchmarkEntries compares this type with the bare map.
//
// Uses are ordered by a counter and not by time, so that neither a clock that
// is set back nor uses within one instant spoil the order. A use is written
// down only if there has been a tick since the entry's last one, or else all
// readers of a busy key would write to one cache line. There is a tick every
// second, and whenever a 64th of the bound has been stored; below a bound of
// 128 that is after every store.
type entries[K comparable, V any] struct {
	m       *xsync.Map[K, held[V]]
	max     int
	slack   int // how many entries one eviction removes, so that the next inserts need none
	expired func(v *V, now int64) bool
	evicted func(K, *V)
	ticked  atomic.Int64  // when, in Unix ns
	mark    atomic.Uint64 // the order of uses at that tick

	_ [64]byte // what readers look at is above, what writers write is below

	uses   atomic.Uint64
	stores atomic.Uint64
	size   atomic.Int64 // at least the entries in m, at most max

	// inserting is held for reading to insert, so that its holder for writing
	// finds all that counts in size in the map, and nothing new comes in.
	inserting sync.RWMutex
}

// held is what the map holds for a key. The use stands apart from the snapshot
// and outlives it when that is replaced, so that a lookup need not go through
// the one to find the other.
type held[V any] struct {
	v    *V
	used *atomic.Uint64 // no two entries have the same
}

type victim[K comparable, V any] struct {
	key  K
	v    *V
	used uint64
}

const tickEvery = int64(time.Second)

// newEntries returns a map that never has more than bound entries, bound being
// at least 1. evicted is called, with no lock of the map held, for an entry that
// had to make room; it is not called for one that was replaced.
func newEntries[K comparable, V any](bound int, expired func(v *V, now int64) bool, evicted func(K, *V)) *entries[K, V] {
	return &entries[K, V]{
		m:       xsync.NewMap[K, held[V]](),
		max:     bound,
		slack:   max(bound/64, 1),
		expired: expired,
		evicted: evicted,
	}
}

// load returns what is stored for the key, expired or not, or nil. Its now,
// like that of store, is in Unix ns.
func (e *entries[K, V]) load(key K, now int64) *V {
	h, ok := e.m.Load(key)
	if !ok {
		return nil
	}
	if d := now - e.ticked.Load(); d >= tickEvery || d <= -tickEvery {
		e.ticked.Store(now)
		e.mark.Store(e.uses.Load())
	}
	if h.used.Load() <= e.mark.Load() {
		h.used.Store(e.uses.Add(1))
	}
	return h.v
}

// store keeps v for the key. If the key is new and the map is full, others are
// evicted first. The map is gone through for that while readers and replacements
// go on and other insertions wait: some ten milliseconds for 100,000 entries,
// once in 1562 insertions.
func (e *entries[K, V]) store(key K, v *V, now int64) {
	if e.replace(key, v) {
		return
	}
	e.inserting.RLock()
	ok := e.insert(key, v)
	e.inserting.RUnlock()
	if ok {
		return
	}
	for _, g := range e.insertIntoFull(key, v, now) {
		e.evicted(g.key, g.v)
	}
}

// has reports whether something is stored for the key, which is no use of it.
func (e *entries[K, V]) has(key K) bool {
	_, ok := e.m.Load(key)
	return ok
}

func (e *entries[K, V]) len() int { return int(e.size.Load()) }

func (e *entries[K, V]) replace(key K, v *V) bool {
	_, ok := e.m.Compute(key, func(h held[V], ok bool) (held[V], xsync.ComputeOp) {
		if !ok {
			return h, xsync.CancelOp
		}
		h.used.Store(e.use())
		return held[V]{v, h.used}, xsync.UpdateOp
	})
	return ok
}

// insert adds a key that is not in the map, unless the map is full.
func (e *entries[K, V]) insert(key K, v *V) bool {
	for {
		n := e.size.Load()
		if n >= int64(e.max) {
			return false
		}
		if e.size.CompareAndSwap(n, n+1) {
			break
		}
	}
	h := held[V]{v, new(atomic.Uint64)}
	h.used.Store(e.use())
	e.m.Store(key, h)
	return true
}

func (e *entries[K, V]) insertIntoFull(key K, v *V, now int64) (gone []victim[K, V]) {
	e.inserting.Lock()
	defer e.inserting.Unlock()
	for !e.insert(key, v) {
		for _, c := range e.candidates(now) {
			if e.remove(c) {
				gone = append(gone, c)
			}
		}
	}
	return gone
}

// candidates returns what has to go: everything expired, and if that is less
// than the slack, the least recently used up to the slack.
func (e *entries[K, V]) candidates(now int64) []victim[K, V] {
	var dead, old []victim[K, V]
	limit := uint64(math.MaxUint64)
	oldest := func() {
		slices.SortFunc(old, func(a, b victim[K, V]) int { return cmp.Compare(a.used, b.used) })
		old = old[:min(len(old), e.slack)]
	}
	e.m.RangeRelaxed(func(key K, h held[V]) bool { // nothing is inserted, so no key comes twice
		c := victim[K, V]{key, h.v, h.used.Load()}
		switch {
		case e.expired(c.v, now):
			dead = append(dead, c)
		case c.used < limit:
			old = append(old, c)
			if len(old) == 2*e.slack {
				oldest()
				limit = old[len(old)-1].used
			}
		}
		return true
	})
	if more := e.slack - len(dead); more > 0 {
		oldest()
		dead = append(dead, old[:min(len(old), more)]...)
	}
	return dead
}

// remove deletes an entry that has been neither used nor replaced since it was
// chosen.
func (e *entries[K, V]) remove(c victim[K, V]) (ok bool) {
	e.m.Compute(c.key, func(h held[V], found bool) (held[V], xsync.ComputeOp) {
		if ok = found && h.used.Load() == c.used; ok {
			return h, xsync.DeleteOp
		}
		return h, xsync.CancelOp
	})
	if ok {
		e.size.Add(-1)
	}
	return ok
}

// use returns the place of a store in the order of uses. The tick comes after
// it, so that uses after a store are told from it.
func (e *entries[K, V]) use() uint64 {
	n := e.uses.Add(1)
	if e.stores.Add(1)%uint64(e.slack) == 0 {
		e.mark.Store(n)
	}
	return n
}
