package tokencache

import (
	"math/rand/v2"
	"time"
)

// warmAt has the key looked at again at the given time, if the cache keeps
// its tokens warm. The shard's mutex is held.
func (c *Cache[K, F, T]) warmAt(sl *slot[K, F, T], at, now int64) {
	if !c.cfg.KeepWarm || !c.begin() {
		return
	}
	defer c.running.Done()
	if sl.warm != nil {
		sl.warm.Stop()
	}
	key := sl.key
	sl.warm = time.AfterFunc(time.Duration(max(at-now, 0)), func() { c.warmUp(key) })
}

// warmUp renews the key's token as a caller would make it be renewed. A token
// that was rejected or evicted waits for somebody to want one.
func (c *Cache[K, F, T]) warmUp(key K) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.slots[key]
	if sl == nil {
		return
	}
	sl.warm = nil
	s, now := c.current(key)
	defer c.tidyLocked(sh, sl, now)
	switch {
	case sl.flight != nil: // it sets the next time when it ends
	case s == nil, s.gone:
	case now < s.refreshAt: // the wall clock was set back
		c.warmAt(sl, s.refreshAt, now)
	case c.backingOff(sl, s.issuedFor, now):
		c.Probe()
		c.warmAt(sl, max(sl.failure.retryAt, now+int64(probeEvery)), now)
	case !c.background.TryAcquire(1):
		c.warmAt(sl, now+rand.Int64N(int64(probeEvery)), now)
	default:
		fl := &flight[F, T]{want: s.issuedFor, before: s, startedAt: now, unwaited: true}
		if err := c.createLocked(sh, key, fl); err != nil {
			c.background.Release(1)
			c.warmAt(sl, now+int64(probeEvery), now)
		}
	}
}

// cool stops the timer of a key that was evicted.
func (c *Cache[K, F, T]) cool(key K) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.slots[key]
	if sl == nil || sl.warm == nil || c.peek(key) != nil {
		return
	}
	sl.warm.Stop()
	sl.warm = nil
	c.tidyLocked(sh, sl, time.Now().UnixNano())
}
