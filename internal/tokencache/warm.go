package tokencache

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// warmAtLocked schedules the next renewal of the key by KeepWarm. at and now count
// from the same moment.
func (c *Cache[K, S, T]) warmAtLocked(sl *slot[K, S, T], at, now int64) {
	if !c.cfg.KeepWarm {
		return
	}
	if err := c.begin(); err != nil {
		return
	}
	defer c.running.Done()
	if sl.warm != nil {
		sl.warm.Stop()
	}
	d := time.Duration(max(at-now, 0))
	if c.sharing != nil {
		d += c.apart(sl.key, d)
	}
	key := sl.key
	sl.warm = time.AfterFunc(d, func() { c.warmUp(key) })
}

// apart spreads the renewals of the processes that share a token: its refresh-at is
// the same in all, and the first renewal serves them all. It returns how much later
// than in d this process's is.
func (c *Cache[K, S, T]) apart(key K, d time.Duration) time.Duration {
	s := c.peek(key).alive()
	if s == nil {
		return 0
	}
	left := time.Duration(s.validUntil()-s.now(time.Now())) - d
	return rand.N(max(left/4, 0) + 1)
}

// warmUp renews the key's token as for a caller. A rejected or evicted token
// waits for a caller.
func (c *Cache[K, S, T]) warmUp(key K) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.slots[key]
	if sl == nil {
		return
	}
	sl.warm = nil
	s, now := c.current(key)
	defer c.tidyLocked(sl, now)
	switch {
	case sl.flight != nil: // it sets the next time when it ends
	case s == nil, s.state == tombstone:
	case now < s.refresh():
		c.warmAtLocked(sl, s.refresh(), now)
	case c.backingOffLocked(sl, s.scope, now):
		c.Probe()
		c.warmAtLocked(sl, max(sl.failure.retryAt, now+int64(probeEvery)), now)
	default:
		c.renewUnaskedLocked(sl, s, now)
	}
}

// renewUnaskedLocked starts a flight without a waiting caller, or schedules it for
// later.
func (c *Cache[K, S, T]) renewUnaskedLocked(sl *slot[K, S, T], s *snapshot[S, T], now int64) {
	f := c.newFlight(view[K, S, T]{key: sl.key, scope: s.scope, current: s, now: now})
	f.unasked = true
	err := f.startInBackgroundLocked(context.Background(), sl.shard)
	switch {
	case errors.Is(err, errBackgroundFull):
		c.warmAtLocked(sl, now+rand.Int64N(int64(probeEvery)), now)
	case err != nil:
		c.warmAtLocked(sl, now+int64(probeEvery), now)
	}
}
