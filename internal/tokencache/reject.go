package tokencache

import (
	"errors"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
)

const (
	// deadAfter rejections in a row make a token dead whose replacement the
	// provider refuses permanently: five mistakes in a row are too unlikely.
	deadAfter = 5

	// tryDeadEvery is how often a caller gets a dead token: the cause of its
	// rejections may be over.
	tryDeadEvery = 100 * time.Millisecond
)

// Current reports whether id names the key's token, and the token was not dropped
// after a rejection and is not being killed by a flight.
func (c *Cache[K, S, T]) Current(key K, id credential.ID) bool {
	s := c.peek(key)
	return s != nil && s.state != tombstone && s.state != rotating && s.id == id
}

// Invalidate drops the key's token if its ID is id, if the limiters allow another,
// and if no back-off is in force. It reports whether it dropped the token;
// if not, the token stays in use. It starts no flight: the next Get does.
func (c *Cache[K, S, T]) Invalidate(key K, id credential.ID) bool {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s, now := c.current(key)
	if s == nil || s.state == tombstone || s.id != id {
		return false
	}
	s.reject()
	return c.rejectLocked(c.slotLocked(sh, key), s, now)
}

// Reject is Invalidate for a rejected request, which may be repeated.
// Thereafter Get returns another token, the same token if there is no other now, or
// an error if the token is dead or has expired. first reports whether this was the
// first rejection of the token since a request with the token was accepted: the
// rejection may well be a mistake.
func (c *Cache[K, S, T]) Reject(key K, id credential.ID) (first bool) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s, now := c.current(key)
	live := s.alive()
	if live == nil || live.id != id {
		return false
	}
	first = live.reject() == 1
	if s.state != tombstone { // else an earlier rejection has dropped it
		c.rejectLocked(c.slotLocked(sh, key), s, now)
	}
	return first
}

// Accept records the acceptance of a request with the token.
func (c *Cache[K, S, T]) Accept(key K, token *credential.Secret) {
	s := c.peek(key).alive()
	switch {
	case s == nil:
		c.revive(key, token.ID())
	case s.rejections() != 0 && s.id == token.ID():
		s.accept()
	}
}

// revive makes the dead token of the key current again, if its ID is id. A flight
// under way decides by itself.
func (c *Cache[K, S, T]) revive(key K, id credential.ID) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.slots[key]
	if sl == nil || sl.flight != nil || sl.dead == nil || sl.dead.id != id {
		return
	}
	s := sl.dead
	now := s.now(time.Now())
	s.accept()
	c.restoreLocked(sl, s, now)
	c.tidyLocked(sl, now)
}

// mayTryDeadLocked reports whether the caller may try the dead token of its slot.
func (c *Cache[K, S, T]) mayTryDeadLocked(v view[K, S, T]) bool {
	s := v.slot.dead
	if s == nil || s.now(time.Now()) >= s.validUntil() || !c.serves(s.scope, v.scope) {
		return false
	}
	since := v.now - v.slot.deadTriedAt
	return since < 0 || since >= int64(tryDeadEvery)
}

// Contested counts a request whose rejection stands because the key's token was
// not replaced. It returns how long until it can be replaced; 0: it can be now. why
// is set if the store is the reason: it matches providerauth.ErrStoreUnavailable.
func (c *Cache[K, S, T]) Contested(key K) (wait time.Duration, why error) {
	c.contested.Add(1)
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.slots[key]
	if sl == nil {
		return c.shared.wait(time.Now().UnixNano()), nil
	}
	s, now := c.current(key)
	wait = c.limiterWaitLocked(sl, s, now)
	backingOff := s != nil && c.backingOffLocked(sl, s.scope, now)
	if backingOff {
		wait = max(wait, time.Duration(sl.failure.retryAt-now))
	}
	failing := backingOff || c.sharing != nil && c.sharing.failing()
	if failing && sl.failure != nil && errors.Is(sl.failure.err, providerauth.ErrStoreUnavailable) {
		why = sl.failure.err
	}
	return wait, why
}

// rejectLocked drops the current token s after a rejection, and reports whether it
// did.
func (c *Cache[K, S, T]) rejectLocked(sl *slot[K, S, T], s *snapshot[S, T], now int64) (dropped bool) {
	defer c.tidyLocked(sl, now)
	sl.rejectedAt = now
	backingOff := c.backingOffLocked(sl, s.scope, now)
	rejected := s
	switch {
	case sl.flight != nil:
		// It brings another token, at no further cost.
	case backingOff && sl.failure.permanent && s.rejections() >= deadAfter:
		rejected = nil // no other token is to be had, and s is only tried from time to time
		sl.dead, sl.deadTriedAt = s, now
	case c.limiterWaitLocked(sl, s, now) > 0:
		if backingOff {
			c.Probe()
		}
		if !c.mayLook(sl, now) {
			return false
		}
	case backingOff && !c.endsBackOffLocked(sl.failure, s):
		c.Probe()
		if !c.mayLook(sl, now) {
			return false
		}
	case backingOff:
		c.endBackOffLocked(sl.failure, now)
	}
	s.drop()
	grave := s.buried()
	grave.rejected = rejected
	if c.cfg.Mode.spendsGrant() {
		grave.token = s.token
	}
	c.putLocked(sl.key, grave)
	c.invalidations.Add(1)
	return true
}

// bringBackLocked makes the rejected token current again and returns it.
func (c *Cache[K, S, T]) bringBackLocked(sh *shard[K, S, T], v view[K, S, T]) T {
	sl := c.slotLocked(sh, v.key)
	c.restoreLocked(sl, v.rejected, v.now)
	c.tidyLocked(sl, v.now)
	return v.rejected.token
}

// restoreLocked makes a dropped token current again.
func (c *Cache[K, S, T]) restoreLocked(sl *slot[K, S, T], s *snapshot[S, T], now int64) {
	s.bringBack()
	sl.dead = nil
	c.putLocked(sl.key, s)
	c.warmAtLocked(sl, s.refresh(), now)
}
