package tokencache

import "time"

// warmAt has the key looked at again at the given time, if the cache keeps
// its tokens warm. The shard's mutex is held.
func (c *Cache[K, F, T]) warmAt(sl *slot[F, T], key K, at, now int64) {
	if !c.cfg.KeepWarm || !c.begin() {
		return
	}
	defer c.running.Done()
	if sl.warm != nil {
		sl.warm.Stop()
	}
	sl.warm = time.AfterFunc(time.Duration(max(at-now, 0)), func() { c.warmUp(key) })
}

// warmUp renews the key's token as a caller would make it be renewed. A token
// that was invalidated or evicted waits for somebody to want one.
func (c *Cache[K, F, T]) warmUp(key K) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.slot(key)
	sl.warm = nil
	s, now := c.current(key)
	if s == nil || s.gone || sl.flight != nil {
		return // a flight sets the next time when it ends
	}
	if now < s.refreshAt { // the wall clock was set back
		c.warmAt(sl, key, s.refreshAt, now)
		return
	}
	_, _, _ = c.decide(sh, key, s.issuedFor)
	if sl.flight == nil { // it is within a back-off
		c.warmAt(sl, key, max(sl.retryAt, now+int64(probeEvery)), now)
	}
}
