package tokencache

import (
	"container/list"
	"sync"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
)

// A shard is one part of the table of slots. Its mutex is never held across a
// request, a timer or a wait for a channel.
type shard[K, F comparable, T any] struct {
	mu    sync.Mutex
	slots map[K]*slot[K, F, T]
}

// A slot holds what a key needs beside its token: its flight, its last failure,
// its limiter. Idle slots are removed. The shard's mutex guards all but the last
// three fields.
type slot[K, F comparable, T any] struct {
	key     K
	flight  *flight[F, T]
	failure *failure[F] // of the last flight; nil if it succeeded
	limiter limiter
	marked  int64           // Unix ns: when a rejection marked the key; its next creation draws on the limiters; 0: not marked
	unclear int             // how often the grant has been spent with an unclear outcome
	dead    *snapshot[F, T] // the token that was declared dead after its replacement was refused for good
	tried   int64           // Unix ns: when dead was last handed out
	warm    *time.Timer

	// Of the timetable, and guarded by its mutex.
	due   int64 // Unix ns
	place int   // in byTime
	age   *list.Element
}

// slotLocked returns the key's slot, made if need be. Whoever calls it either
// starts a flight or calls tidyLocked.
func (c *Cache[K, F, T]) slotLocked(sh *shard[K, F, T], key K) *slot[K, F, T] {
	sl := sh.slots[key]
	if sl == nil {
		sl = &slot[K, F, T]{key: key, place: -1}
		sh.slots[key] = sl
	}
	return sl
}

// tidyLocked forgets what time has ended, removes the slot if nothing is left,
// and else has it looked at again in time.
func (c *Cache[K, F, T]) tidyLocked(sh *shard[K, F, T], sl *slot[K, F, T], now int64) {
	if sl.flight != nil {
		return // settle calls again
	}
	var due int64
	if f := sl.failure; f != nil {
		if f.over(now) {
			sl.failure, sl.dead = nil, nil
			c.timetable.recovered(sl)
		} else {
			due = max(due, f.retryAt+int64(maxBackOff))
		}
	}
	if full := sl.limiter.full(keyRate, now); full > now {
		due = max(due, full)
	}
	if sl.marked != 0 {
		// Forgotten, it costs no draw where the token stayed: the key's limiter
		// has one more by then. A token that was dropped costs one at any time.
		if end := sl.marked + int64(keyRate.Refill); now >= sl.marked && now < end {
			due = max(due, end)
		} else {
			sl.marked = 0
		}
	}
	if due == 0 && sl.warm == nil && sl.unclear == 0 {
		delete(sh.slots, sl.key)
	}
	c.timetable.set(sl, due, now)
}

// forgetDue tidies the slots that are due. It is what the timetable's timer
// calls, and holds no lock for longer than one slot takes.
func (c *Cache[K, F, T]) forgetDue() {
	if !c.begin() {
		return
	}
	defer c.running.Done()
	now := time.Now().UnixNano()
	for {
		due := c.timetable.take(now)
		if len(due) == 0 {
			break
		}
		for _, sl := range due {
			sh := c.shard(sl.key)
			sh.mu.Lock()
			if sh.slots[sl.key] == sl {
				c.tidyLocked(sh, sl, now)
			}
			sh.mu.Unlock()
		}
	}
	c.timetable.arm(now)
}

// forgetFailure drops the failure of a slot that had to make room. No lock is
// held. If the key has failed again meanwhile, its new failure stays.
func (c *Cache[K, F, T]) forgetFailure(sl *slot[K, F, T]) {
	sh := c.shard(sl.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.slots[sl.key] == sl && !c.timetable.lists(sl) {
		sl.failure, sl.dead = nil, nil
		c.tidyLocked(sh, sl, time.Now().UnixNano())
	}
}

// A Key is one key of a Cache, for callers that make requests with its tokens.
type Key[K, F comparable, T any] struct {
	cache *Cache[K, F, T]
	key   K
}

// Of returns a key.
func (c *Cache[K, F, T]) Of(key K) Key[K, F, T] { return Key[K, F, T]{c, key} }

// Current is [Cache.Current] of the key.
func (k Key[K, F, T]) Current(id credential.ID) bool { return k.cache.Current(k.key, id) }

// Reject is [Cache.Reject] of the key.
func (k Key[K, F, T]) Reject(id credential.ID) (first bool) { return k.cache.Reject(k.key, id) }

// Accept is [Cache.Accept] of the key.
func (k Key[K, F, T]) Accept(s *credential.Secret) { k.cache.Accept(k.key, s) }

// Contested is [Cache.Contested] of the key.
func (k Key[K, F, T]) Contested() (wait time.Duration) { return k.cache.Contested(k.key) }

// Probe is [Cache.Probe].
func (k Key[K, F, T]) Probe() uint64 { return k.cache.Probe() }
