package tokencache

import (
	"sync"
	"time"
)

// coldKeys are evicted keys, some with a timer of KeepWarm.
type coldKeys[K comparable] struct {
	mu   sync.Mutex
	keys []K
}

// evicted is called by the map for a key it evicts to make room. The mutex of a
// shard may be held.
func (c *Cache[K, S, T]) evicted(key K, s *snapshot[S, T]) {
	c.evictions.Add(1)
	if c.cfg.Mode.killsPrevious() && c.sharing == nil && !expired(s, time.Now()) { // a store keeps it
		c.evictedLive.Add(1)
	}
	if c.cfg.KeepWarm {
		c.cold.mu.Lock()
		defer c.cold.mu.Unlock()
		c.cold.keys = append(c.cold.keys, key)
	}
}

// afterEvictions stops the timers of evicted keys, and logs once if live tokens
// are being evicted. The caller holds no lock.
func (c *Cache[K, S, T]) afterEvictions() {
	c.cold.mu.Lock()
	cold := c.cold.keys
	c.cold.keys = nil
	c.cold.mu.Unlock()
	for _, key := range cold {
		c.cool(key)
	}
	if c.evictedLive.Load() > 0 {
		c.warnOnce.Do(c.warnOfEvictions)
	}
}

func (c *Cache[K, S, T]) warnOfEvictions() {
	defer func() { _ = recover() }() // of a logger
	c.cfg.Logger.Warn("a live token was evicted: its calls in flight may fail when a new one is created; raise MaxEntries",
		"max_entries", c.cfg.MaxEntries)
}

// cool stops the timer of an evicted key.
func (c *Cache[K, S, T]) cool(key K) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.slots[key]
	if sl == nil || sl.warm == nil || c.peek(key) != nil {
		return
	}
	sl.warm.Stop()
	sl.warm = nil
	c.tidyLocked(sl, time.Now().UnixNano())
}
