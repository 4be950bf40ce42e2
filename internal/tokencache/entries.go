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

// entries is a bounded map of finished snapshots. Reads take no lock and may happen
// at any time; writers of the same key must take turns. When it is full, expired
// entries make room, and then the least recently used entries.
//
// It consists of parts of some four hundred keys, and room is made in a single
// part: no operation visits more keys. The oldest entries of a part are among the
// oldest of all, since keys are spread over the parts by their hash.
//
// The map underneath is xsync's, because no construction from the standard library
// is near it where several cores read the same key or 100,000 keys: a sync.Map
// takes at least twice the time for either, and 256 maps with a RWMutex each, whose
// readers all write to the lock, fourteen times for the same key. BenchmarkEntries
// compares this type with the bare map.
//
// Uses are ordered by a counter and not by time: neither a clock that is set
// back nor uses within the same instant spoil the order. A use is recorded only
// if there has been a tick since the entry's last use. Otherwise all readers of
// a busy key would write to the same cache line. There is a tick every second,
// and whenever a 64th of the bound has been stored; below a bound of 128 every
// store is a tick.
type entries[K comparable, V any] struct {
	parts   []atomic.Pointer[part[K, V]] // made when they are needed
	seed    maphash.Seed
	max     int
	expired func(v *V, t time.Time) bool
	evicted func(K, *V)
	ticked  atomic.Int64  // when, in Unix ns
	mark    atomic.Uint64 // the order of uses at the tick

	_ [64]byte // readers use the fields above, writers the fields below

	uses   atomic.Uint64
	stores atomic.Uint64
	size   atomic.Int64 // at least the entries in all parts, at most max
}

// keysPerPart is the average number of keys of a part if the map is full. xsync's
// tables grow beyond 480 keys, which a part with an average of 400 rarely has.
const keysPerPart = 400

// A part holds the keys with the same hash.
type part[K comparable, V any] struct {
	m         *xsync.Map[K, held[V]]
	inserting sync.Mutex // held to insert: a map with a single part then agrees with its size
}

// held is the value of a key in the map. The use stands apart from the snapshot and
// outlives its replacement: a lookup then need not read the snapshot to find the
// use.
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

// newEntries returns a map of at most bound entries; bound is at least 1. evicted
// is called for each entry evicted to make room, not for replaced entries, and
// without a lock of the map.
func newEntries[K comparable, V any](bound int, expired func(v *V, t time.Time) bool, evicted func(K, *V)) *entries[K, V] {
	return &entries[K, V]{
		parts:   make([]atomic.Pointer[part[K, V]], (bound+keysPerPart-1)/keysPerPart),
		seed:    maphash.MakeSeed(),
		max:     bound,
		expired: expired,
		evicted: evicted,
	}
}

// load returns the key's snapshot, expired or not, or nil. now is in Unix ns.
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

// each calls f for the entries, in any order. Writers may go on.
func (e *entries[K, V]) each(f func(K, *V)) {
	for i := range e.parts {
		if p := e.parts[i].Load(); p != nil {
			for key, h := range p.m.All() {
				f(key, h.v)
			}
		}
	}
}

// peek is load, but does not count as a use.
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
func (e *entries[K, V]) store(key K, v *V) {
	p := e.part(key)
	replaced := e.replace(p, key, v)
	if replaced {
		return
	}
	for _, victim := range e.insert(p, key, v) {
		e.evicted(victim.key, victim.v)
	}
}

func (e *entries[K, V]) index(key K) int {
	if len(e.parts) == 1 {
		return 0
	}
	return int(maphash.Comparable(e.seed, key) % uint64(len(e.parts)))
}

// part returns the key's part, and makes it if it is missing.
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

// insert adds a key missing in the map, and returns the evicted entries.
func (e *entries[K, V]) insert(p *part[K, V], key K, v *V) (evicted []victim[K, V]) {
	p.inserting.Lock()
	defer p.inserting.Unlock()
	for reserved := e.reserve(); !reserved; reserved = e.reserve() {
		for _, c := range e.candidates(p) {
			removed := e.remove(c)
			if removed {
				evicted = append(evicted, c)
			}
		}
	}
	h := held[V]{v, new(atomic.Uint64)}
	h.used.Store(e.use())
	p.m.Store(key, h)
	return evicted
}

// reserve counts another entry, unless the map is full.
func (e *entries[K, V]) reserve() bool {
	for {
		n := e.size.Load()
		if n >= int64(e.max) {
			return false
		}
		counted := e.size.CompareAndSwap(n, n+1)
		if counted {
			return true
		}
	}
}

// candidates returns entries to evict, of p or else of the next part with any: other
// goroutines may be about to insert entries already counted in size.
func (e *entries[K, V]) candidates(p *part[K, V]) []victim[K, V] {
	if all := e.oldest(p); len(all) > 0 {
		return all
	}
	for i := range e.parts {
		if other := e.parts[i].Load(); other != nil && other != p {
			if all := e.oldest(other); len(all) > 0 {
				return all
			}
		}
	}
	return nil
}

// oldest returns the expired entries of a part, and if they are fewer than a
// 64th of it, the least recently used up to that number.
func (e *entries[K, V]) oldest(p *part[K, V]) (old []victim[K, V]) {
	t := time.Now()
	var live []victim[K, V]
	p.m.RangeRelaxed(func(key K, h held[V]) bool {
		c := victim[K, V]{p, key, h.v, h.used.Load()}
		if e.expired(c.v, t) {
			old = append(old, c)
		} else {
			live = append(live, c)
		}
		return true
	})
	if more := max((len(old)+len(live))/64, 1) - len(old); more > 0 && len(live) > 0 {
		slices.SortFunc(live, func(a, b victim[K, V]) int { return cmp.Compare(a.used, b.used) })
		old = append(old, live[:min(len(live), more)]...)
	}
	return old
}

// remove deletes an entry, unless it has been used or replaced since it was chosen.
func (e *entries[K, V]) remove(c victim[K, V]) (ok bool) {
	c.of.m.Compute(c.key, func(h held[V], found bool) (held[V], xsync.ComputeOp) {
		ok = found && h.used.Load() == c.used
		if ok {
			return h, xsync.DeleteOp
		}
		return h, xsync.CancelOp
	})
	if ok {
		e.size.Add(-1)
	}
	return ok
}

// use returns the place of a store in the order of uses. The tick comes after it:
// uses after a store then have a later place.
func (e *entries[K, V]) use() uint64 {
	n := e.uses.Add(1)
	stores := e.stores.Add(1)
	if stores%uint64(max(e.max/64, 1)) == 0 {
		e.mark.Store(n)
	}
	return n
}
