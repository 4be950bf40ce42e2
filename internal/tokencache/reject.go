package tokencache

import (
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
)

const (
	// enough rejections in a row make a token dead whose replacement the
	// provider refuses for good: five strays in a row are too unlikely.
	enough = 5

	// replaceTime is how long callers wait at most for the replacement of a
	// rejected token that may be good. Minting locally takes up to a second.
	replaceTime = 2 * time.Second

	// tryDeadEvery is how often a dead token is handed to one caller: whatever
	// refused it and its replacement may be over.
	tryDeadEvery = 100 * time.Millisecond
)

// Current reports whether the key's token is the one named, was not dropped after
// a rejection, and is not about to be killed by a flight.
func (c *Cache[K, F, T]) Current(key K, id credential.ID) bool {
	s := c.peek(key)
	return s != nil && !s.gone && !s.rotating && s.id == id
}

// Invalidate drops the key's token if it is the one named, if the limiters allow
// another, and if no back-off is in force. It reports whether it dropped the
// token; if not, the token stays in use. It starts nothing: the next Get does.
func (c *Cache[K, F, T]) Invalidate(key K, id credential.ID) bool {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s, now := c.current(key)
	if s == nil || s.gone || s.id != id {
		return false
	}
	s.strikes.Add(1)
	return c.rejectLocked(sh, key, s, now)
}

// Reject is Invalidate for a request that was rejected and may be repeated.
// Thereafter Get returns another token, or the same if no other is to be had
// now. first reports whether the rejection was the first of this token in a
// row, so that it may well be a mistake.
func (c *Cache[K, F, T]) Reject(key K, id credential.ID) (first bool) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s, now := c.current(key)
	switch {
	case s == nil, s.id != id, s.gone && s.old == nil:
		return false
	case s.gone: // somebody else's rejection has dropped it
		return s.old.strikes.Add(1) == 1
	}
	first = s.strikes.Add(1) == 1
	c.rejectLocked(sh, key, s, now)
	return first
}

// Accept notes that a request with the token was accepted.
func (c *Cache[K, F, T]) Accept(key K, token *credential.Secret) {
	s := c.peek(key)
	if s != nil && s.gone {
		s = s.old
	}
	switch {
	case s == nil:
		c.revive(key, token.ID())
	case s.strikes.Load() != 0 && s.id == token.ID():
		s.strikes.Store(0)
	}
}

// revive makes the dead token of the key current again, if it is the one named.
// A flight that is under way decides by itself.
func (c *Cache[K, F, T]) revive(key K, id credential.ID) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.slots[key]
	if sl == nil || sl.flight != nil || sl.dead == nil || sl.dead.id != id {
		return
	}
	s, now := sl.dead, time.Now().UnixNano()
	s.strikes.Store(0)
	c.restoreLocked(sl, s, now)
	c.tidyLocked(sh, sl, now)
}

// tryDeadLocked reports whether the slot's dead token may be tried now.
func (c *Cache[K, F, T]) tryDeadLocked(sl *slot[K, F, T], want F, now int64) bool {
	s := sl.dead
	if s == nil || now >= s.validUntil || !c.serves(s.issuedFor, want) || now >= sl.tried && now-sl.tried < int64(tryDeadEvery) {
		return false
	}
	sl.tried = now
	return true
}

// Contested counts a request whose rejection stands because the key's token was
// not replaced. It returns how long it takes until it can be; 0 if it can be
// now.
func (c *Cache[K, F, T]) Contested(key K) (wait time.Duration) {
	c.contested.Add(1)
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.slots[key]
	if sl == nil {
		return c.shared.wait(time.Now().UnixNano())
	}
	s, now := c.current(key)
	wait = c.waitForDraw(sl, s, now)
	if s != nil && c.backingOff(sl, s.issuedFor, now) {
		wait = max(wait, time.Duration(sl.failure.retryAt-now))
	}
	return wait
}

// rejectLocked drops the key's token s, which was rejected, and reports whether
// it did.
func (c *Cache[K, F, T]) rejectLocked(sh *shard[K, F, T], key K, s *snapshot[F, T], now int64) (dropped bool) {
	sl := c.slotLocked(sh, key)
	defer c.tidyLocked(sh, sl, now)
	strikes := s.strikes.Load()
	old := s
	switch waits := c.backingOff(sl, s.issuedFor, now); {
	case sl.flight != nil:
		// It brings another token, at no further cost.
	case waits && sl.failure.permanent && strikes >= enough:
		old = nil // no other is to be had, and this one is only tried now and then
		sl.dead, sl.tried = s, now
	case c.waitForDraw(sl, s, now) > 0, waits && !c.endsBackOff(sl.failure, strikes == 1):
		sl.marked = now
		if waits {
			c.Probe()
		}
		return false
	case waits:
		sl.failure.retryAt = now
	}
	sl.marked = now
	s.dropped.Store(true)
	t := &snapshot[F, T]{id: s.id, issuedFor: s.issuedFor, gone: true, old: old}
	if c.cfg.Mode == SingleUse {
		t.token = s.token
	}
	c.put(key, t, now)
	c.invalidations.Add(1)
	return true
}

// bringBackLocked makes the rejected token of the tombstone s current again.
func (c *Cache[K, F, T]) bringBackLocked(sh *shard[K, F, T], key K, s *snapshot[F, T], now int64) T {
	sl := c.slotLocked(sh, key)
	c.restoreLocked(sl, s.old, now)
	c.tidyLocked(sh, sl, now)
	return s.old.token
}

// restoreLocked makes a token current again that was dropped.
func (c *Cache[K, F, T]) restoreLocked(sl *slot[K, F, T], s *snapshot[F, T], now int64) {
	s.dropped.Store(false)
	sl.dead = nil
	c.put(sl.key, s, now)
	c.warmAt(sl, s.refreshAt, now)
}

// usableOld returns the rejected token of the tombstone s, if it serves want and
// has not expired; else nil.
func (c *Cache[K, F, T]) usableOld(s *snapshot[F, T], want F, now int64) *snapshot[F, T] {
	if s == nil || s.old == nil || now >= s.old.validUntil || !c.serves(s.old.issuedFor, want) {
		return nil
	}
	return s.old
}

// waitForDraw is how long until the limiters allow a creation that a rejection
// causes; 0: they do now.
func (c *Cache[K, F, T]) waitForDraw(sl *slot[K, F, T], s *snapshot[F, T], now int64) time.Duration {
	wait := sl.limiter.wait(keyRate, now)
	if shares(s) {
		wait = max(wait, c.shared.wait(now))
	}
	return wait
}

// draws says which limiters a flight has drawn on.
type draws struct{ key, shared bool }

// draw takes a draw from the key's limiter and, for the replacement of a token
// that was dropped, from that of all keys: a renewal that is due has to be
// possible whatever other keys do. If there is none, it says how long until
// there is.
func (c *Cache[K, F, T]) draw(sl *slot[K, F, T], s *snapshot[F, T], now int64) (d draws, wait time.Duration) {
	if wait = sl.limiter.wait(keyRate, now); wait > 0 {
		return d, wait
	}
	if (s == nil && sl.marked != 0 || s != nil && s.gone) && shares(s) {
		if wait = c.shared.take(now); wait > 0 {
			return d, wait
		}
		d.shared = c.shared.rate.Burst > 0
	}
	sl.limiter.take(keyRate, now)
	d.key = true
	return d, 0
}

// giveBack returns the draws of a flight that created nothing.
func (c *Cache[K, F, T]) giveBack(sl *slot[K, F, T], d draws) {
	if d.key {
		sl.limiter.giveBack(keyRate)
	}
	if d.shared {
		c.shared.giveBack()
	}
}

// shares reports whether a replacement of s has to draw on the limiter of all
// keys. A token that was rejected often enough is dead, and its user has none.
func shares[F comparable, T any](s *snapshot[F, T]) bool {
	switch {
	case s == nil:
		return true
	case s.gone:
		return s.old != nil && s.old.strikes.Load() < enough
	}
	return s.strikes.Load() < enough
}
