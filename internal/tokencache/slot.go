package tokencache

import (
	"container/list"
	"sync"
	"time"
)

// A shard is a part of the table of slots. Its mutex is never held across a
// request, a timer or a wait for a channel. Methods whose names end in Locked need
// the mutex of their key's shard, apart from those of timetable.
type shard[K, S comparable, T any] struct {
	mu    sync.Mutex
	slots map[K]*slot[K, S, T]
}

// slot holds a key's transient state: its flight, back-off and limiter. Idle slots
// are removed. The shard's mutex guards all fields but the last three.
type slot[K, S comparable, T any] struct {
	key           K
	shard         *shard[K, S, T]
	flight        *flight[K, S, T]
	failure       *failure[S] // of the last flight; nil if it succeeded
	limiter       limiter
	rejectedAt    int64           // Unix ns: the last rejection, for which the next creation takes a permit; 0: none
	ambiguousUses int             // of the grant; at maxAmbiguousUses no flight spends it again
	dead          *snapshot[S, T] // rejected again and again, and its replacement was refused permanently
	deadTriedAt   int64           // Unix ns: when a caller last got the dead token
	lookedAt      int64           // Unix ns: when a flight last looked into the store, instead of a creation
	warm          *time.Timer

	// Of the timetable, whose mutex guards them.
	due   int64 // Unix ns
	place int   // in byTime
	age   *list.Element
}

// slotLocked returns the key's slot, and makes it if it is missing. The caller
// starts a flight or calls tidyLocked.
func (c *Cache[K, S, T]) slotLocked(sh *shard[K, S, T], key K) *slot[K, S, T] {
	sl := sh.slots[key]
	if sl == nil {
		sl = &slot[K, S, T]{key: key, shard: sh, place: -1}
		sh.slots[key] = sl
	}
	return sl
}

// tidyLocked forgets past events, removes the slot if it is idle, and else
// enters it in the timetable.
func (c *Cache[K, S, T]) tidyLocked(sl *slot[K, S, T], now int64) {
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
	if sl.rejectedAt != 0 {
		// Nobody gains a permit by the wait: the key's limiter has refilled it by then,
		// and the replacement of a dropped token takes a permit at any time.
		end := sl.rejectedAt + int64(keyRate.Refill)
		if now >= sl.rejectedAt && now < end {
			due = max(due, end)
		} else {
			sl.rejectedAt = 0
		}
	}
	if due == 0 && sl.warm == nil && sl.ambiguousUses == 0 {
		delete(sl.shard.slots, sl.key)
	}
	c.timetable.set(sl, due, now)
}

// forgetDue tidies the due slots. The timetable's timer calls it. It
// holds no lock for longer than a slot takes.
func (c *Cache[K, S, T]) forgetDue() {
	if err := c.begin(); err != nil {
		return
	}
	defer c.running.Done()
	now := time.Now().UnixNano()
	for due := c.timetable.take(now); len(due) > 0; due = c.timetable.take(now) {
		for _, sl := range due {
			sl.shard.mu.Lock()
			if sl.shard.slots[sl.key] == sl {
				c.tidyLocked(sl, now)
			}
			sl.shard.mu.Unlock()
		}
	}
	c.timetable.arm(now)
}

// forgetFailure forgets the failure of a slot, to make room for another. The
// caller holds no lock. If the key has failed again in the meantime, its new
// failure stays.
func (c *Cache[K, S, T]) forgetFailure(sl *slot[K, S, T]) {
	sl.shard.mu.Lock()
	defer sl.shard.mu.Unlock()
	if sl.shard.slots[sl.key] == sl && !c.timetable.lists(sl) {
		sl.failure, sl.dead = nil, nil
		c.tidyLocked(sl, time.Now().UnixNano())
	}
}
