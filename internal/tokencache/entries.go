package tokencache

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/puzpuzpuz/xsync/v4"
)

// entries is a bounded map of finished snapshots. Anybody may read it at any
// time, without a lock; writers of one key must take turns. When it is full,
// expired entries make room, and then the least recently used ones.
//
// It consists of parts of some four hundred keys, and room is made in one part:
// no operation visits more than a part. So the oldest of one part go, which are
// among the oldest of all, since keys are spread over the parts by their hash.
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
	parts   []atomic.Pointer[part[K, V]] // made when they are needed
	seed    maphash.Seed
	max     int
	expired func(v *V, now int64) bool
	evicted func(K, *V)
	ticked  atomic.Int64  // when, in Unix ns
	mark    atomic.Uint64 // the order of uses at that tick

	_ [64]byte // what readers look at is above, what writers write is below

	uses   atomic.Uint64
	stores atomic.Uint64
	size   atomic.Int64 // at least the entries in all parts, at most max
}

// keysPerPart is how many keys a part has on average if the map is full. xsync's
// tables grow beyond 480 keys, and 400 rarely become as many by chance.
const keysPerPart = 400

// A part holds the keys with one hash.
type part[K comparable, V any] struct {
	m         *xsync.Map[K, held[V]]
	inserting sync.Mutex // held to insert, so that a map of one part is in agreement with its size
}

// held is what the map holds for a key. The use stands apart from the snapshot
// and outlives it when that is replaced, so that a lookup need not go through
// the one to find the other.
type held[V any] struct {
	v    *V
	used *atomic.Uint64 // no two entries have the same
}

type victim[K comparable, V any] struct {
	of   *part[K, V]
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
		parts:   make([]atomic.Pointer[part[K, V]], (bound+keysPerPart-1)/keysPerPart),
		seed:    maphash.MakeSeed(),
		max:     bound,
		expired: expired,
		evicted: evicted,
	}
}

// load returns what is stored for the key, expired or not, or nil. Its now,
// like that of store, is in Unix ns.
func (e *entries[K, V]) load(key K, now int64) *V {
	p := e.parts[e.index(key)].Load()
	if p == nil {
		return nil
	}
	h, ok := p.m.Load(key)
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

// peek is load that is no use of the entry.
func (e *entries[K, V]) peek(key K) *V {
	p := e.parts[e.index(key)].Load()
	if p == nil {
		return nil
	}
	h, _ := p.m.Load(key)
	return h.v
}

// store keeps v for the key. If the key is new and the map is full, others are
// evicted first.
func (e *entries[K, V]) store(key K, v *V, now int64) {
	p := e.part(key)
	if e.replace(p, key, v) {
		return
	}
	for _, g := range e.insert(p, key, v, now) {
		e.evicted(g.key, g.v)
	}
}

func (e *entries[K, V]) index(key K) int {
	if len(e.parts) == 1 {
		return 0
	}
	return int(maphash.Comparable(e.seed, key) % uint64(len(e.parts)))
}

// part returns the key's part, made if need be.
func (e *entries[K, V]) part(key K) *part[K, V] {
	at := &e.parts[e.index(key)]
	if p := at.Load(); p != nil {
		return p
	}
	at.CompareAndSwap(nil, &part[K, V]{m: xsync.NewMap[K, held[V]]()})
	return at.Load()
}

func (e *entries[K, V]) len() int { return int(e.size.Load()) }

func (e *entries[K, V]) replace(p *part[K, V], key K, v *V) bool {
	_, ok := p.m.Compute(key, func(h held[V], ok bool) (held[V], xsync.ComputeOp) {
		if !ok {
			return h, xsync.CancelOp
		}
		h.used.Store(e.use())
		return held[V]{v, h.used}, xsync.UpdateOp
	})
	return ok
}

// insert adds a key that is not in the map, and returns what it has evicted.
func (e *entries[K, V]) insert(p *part[K, V], key K, v *V, now int64) (gone []victim[K, V]) {
	p.inserting.Lock()
	defer p.inserting.Unlock()
	for !e.reserve() {
		for _, c := range e.candidates(p, now) {
			if e.remove(c) {
				gone = append(gone, c)
			}
		}
	}
	h := held[V]{v, new(atomic.Uint64)}
	h.used.Store(e.use())
	p.m.Store(key, h)
	return gone
}

// reserve counts one more entry, unless the map is full.
func (e *entries[K, V]) reserve() bool {
	for {
		n := e.size.Load()
		if n >= int64(e.max) {
			return false
		}
		if e.size.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// candidates returns entries that have to go, of p, or of the next part that has
// any: others may be about to insert what counts in size.
func (e *entries[K, V]) candidates(p *part[K, V], now int64) []victim[K, V] {
	if all := e.oldest(p, now); len(all) > 0 {
		return all
	}
	for i := range e.parts {
		if other := e.parts[i].Load(); other != nil && other != p {
			if all := e.oldest(other, now); len(all) > 0 {
				return all
			}
		}
	}
	return nil
}

// oldest returns the expired entries of a part, and if they are fewer than a
// 64th of it, the least recently used up to that number.
func (e *entries[K, V]) oldest(p *part[K, V], now int64) (gone []victim[K, V]) {
	var live []victim[K, V]
	p.m.RangeRelaxed(func(key K, h held[V]) bool {
		c := victim[K, V]{p, key, h.v, h.used.Load()}
		if e.expired(c.v, now) {
			gone = append(gone, c)
		} else {
			live = append(live, c)
		}
		return true
	})
	if more := max((len(gone)+len(live))/64, 1) - len(gone); more > 0 && len(live) > 0 {
		slices.SortFunc(live, func(a, b victim[K, V]) int { return cmp.Compare(a.used, b.used) })
		gone = append(gone, live[:min(len(live), more)]...)
	}
	return gone
}

// remove deletes an entry that has been neither used nor replaced since it was
// chosen.
func (e *entries[K, V]) remove(c victim[K, V]) (ok bool) {
	c.of.m.Compute(c.key, func(h held[V], found bool) (held[V], xsync.ComputeOp) {
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
	if e.stores.Add(1)%uint64(max(e.max/64, 1)) == 0 {
		e.mark.Store(n)
	}
	return n
}
