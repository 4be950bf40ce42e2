package tokencache

import (
	"context"
	"errors"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// replaceTime is how long callers wait at most for the replacement of a rejected
// but possibly valid token. Minting locally takes up to a second.
const replaceTime = 2 * time.Second

// A choice is the answer to a caller without a fresh token: a token, an error,
// or a flight to wait for. A patience limits the wait; after it the caller gets the
// token.
type choice[K, S comparable, T any] struct {
	token    T
	flight   *flight[K, S, T]
	patience time.Duration
	err      error
}

// A view is the state of a key as a caller with a scope sees it.
type view[K, S comparable, T any] struct {
	key      K
	scope    S
	now      int64
	current  *snapshot[S, T] // may be a tombstone; nil: none
	slot     *slot[K, S, T]  // nil: none
	serves   bool            // current is a token and serves the scope
	usable   bool            // and is valid for longer than the margin
	rejected *snapshot[S, T] // the rejected token of a tombstone, if it serves the scope and has not expired; else nil
}

func (c *Cache[K, S, T]) viewLocked(sh *shard[K, S, T], key K, scope S) view[K, S, T] {
	s, now := c.current(key)
	v := view[K, S, T]{key: key, scope: scope, now: now, current: s, slot: sh.slots[key]}
	if s == nil {
		return v
	}
	v.serves = s.state != tombstone && c.serves(s.scope, scope)
	v.usable = v.serves && now < s.validUntil()
	if r := s.rejected; r != nil && now < r.validUntil() && c.serves(r.scope, scope) {
		v.rejected = r
	}
	return v
}

// chooseLocked answers a caller, and starts a flight for it if need be.
func (c *Cache[K, S, T]) chooseLocked(ctx context.Context, sh *shard[K, S, T], key K, scope S) choice[K, S, T] {
	v := c.viewLocked(sh, key, scope)
	mode := c.cfg.Mode
	switch {
	case v.serves && v.now < v.current.refresh():
		return choice[K, S, T]{token: v.current.token}
	case v.slot != nil && v.slot.flight != nil:
		if v.usable && mode.servesWhileRenewing() {
			return choice[K, S, T]{token: v.current.token}
		}
		return c.joinLocked(v, v.slot.flight)
	case c.backingOffLocked(v.slot, scope, v.now):
		return c.chooseInBackOffLocked(ctx, sh, v)
	case v.usable && mode.servesWhileRenewing():
		_ = c.newFlight(v).startInBackgroundLocked(ctx, sh) // the next caller tries again
		return choice[K, S, T]{token: v.current.token}
	}
	f := c.newFlight(v)
	err := f.createLocked(ctx, sh)
	switch {
	case err == nil:
		return c.joinLocked(v, f)
	case v.usable:
		return choice[K, S, T]{token: v.current.token}
	}
	if l := c.lookLocked(ctx, sh, v, err); l != nil {
		return c.joinLocked(v, l)
	}
	switch {
	case v.rejected != nil:
		return choice[K, S, T]{token: c.bringBackLocked(sh, v)}
	case errors.Is(err, providerauth.ErrContested):
		c.contested.Add(1)
	}
	return choice[K, S, T]{err: err}
}

// chooseInBackOffLocked answers a caller for which no flight may start before the
// back-off ends.
func (c *Cache[K, S, T]) chooseInBackOffLocked(ctx context.Context, sh *shard[K, S, T], v view[K, S, T]) choice[K, S, T] {
	c.Probe()
	sl := v.slot
	switch {
	case v.usable, v.serves && sl.failure.ambiguous && v.now < v.current.expiresAt():
		return choice[K, S, T]{token: v.current.token}
	}
	if l := c.lookLocked(ctx, sh, v, sl.failure.earlier(v.now)); l != nil {
		return c.joinLocked(v, l)
	}
	switch {
	case v.rejected != nil:
		return choice[K, S, T]{token: c.bringBackLocked(sh, v)}
	case c.mayTryDeadLocked(v):
		sl.deadTriedAt = v.now
		return choice[K, S, T]{token: sl.dead.token}
	}
	if err := c.open(); err != nil {
		return choice[K, S, T]{err: err}
	}
	return choice[K, S, T]{err: sl.failure.earlier(v.now)}
}

// lookEvery is how often a key that gets no token is looked up in the store: another
// process may have had one.
const lookEvery = 250 * time.Millisecond

// mayLook reports whether the key may be looked up in the store now.
func (c *Cache[K, S, T]) mayLook(sl *slot[K, S, T], now int64) bool {
	since := now - sl.lookedAt
	return c.sharing != nil && !c.sharing.failing() && (since < 0 || since >= int64(lookEvery))
}

// lookLocked starts a flight that only looks into the store. err is what its callers
// get if it finds no token. It returns nil if it is too early.
func (c *Cache[K, S, T]) lookLocked(ctx context.Context, sh *shard[K, S, T], v view[K, S, T], err error) *flight[K, S, T] {
	if c.sharing == nil {
		return nil
	}
	sl := c.slotLocked(sh, v.key)
	if !c.mayLook(sl, v.now) {
		c.tidyLocked(sl, v.now)
		return nil
	}
	sl.lookedAt = v.now
	f := c.newFlight(v)
	f.slot, f.kind, f.looked = sl, look, err
	if err := f.startLocked(ctx); err != nil {
		return nil
	}
	return f
}

// joinLocked lets a caller wait for the flight. A rejected token is used again if its replacement takes long, and at once if the last flight
// failed, unless the flight kills it.
func (c *Cache[K, S, T]) joinLocked(v view[K, S, T], f *flight[K, S, T]) choice[K, S, T] {
	if v.rejected == nil || c.cfg.Mode.killsPrevious() {
		return choice[K, S, T]{flight: f}
	}
	patience := replaceTime - max(0, time.Duration(v.now-f.startedAt))
	if f.slot.failure != nil || patience <= 0 {
		return choice[K, S, T]{token: v.rejected.token}
	}
	return choice[K, S, T]{token: v.rejected.token, flight: f, patience: patience}
}

// wait waits for the end of the flight, at most for patience; 0: without a limit. It
// reports whether the flight has ended. The error is ctx.Err().
func (f *flight[K, S, T]) wait(ctx context.Context, patience time.Duration) (ended bool, _ error) {
	f.cache.waits.Add(1)
	var late <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-f.done:
		return true, nil
	case <-late:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// resultLocked returns the result of an ended flight for a waiting caller. If it
// is not final, the caller has to choose anew.
func (f *flight[K, S, T]) resultLocked(sh *shard[K, S, T], scope S) (token T, final bool, _ error) {
	c := f.cache
	mode := c.cfg.Mode
	// Do not wait for a flight of another scope: two callers that alternate
	// between scopes would replace each other's token until the limiter stops
	// both.
	if sl := sh.slots[f.key]; sl != nil && sl.flight != nil && mode.killsPrevious() && (f.issued == nil || c.serves(sl.flight.scope, scope)) {
		return token, false, nil // the next flight is already killing the token of this flight
	}
	v := c.viewLocked(sh, f.key, scope)
	s := v.current
	switch {
	case v.usable:
		return s.token, true, nil
	case f.err == errLeased:
		return token, false, nil
	case f.issued != nil && f.issued.dropped():
		return token, false, nil // a caller has reported its token as rejected
	case f.issued != nil && mode.killsPrevious() && s != nil && s != f.issued:
		return token, false, nil // a later flight has killed its token, and has ended
	case f.issued != nil:
		return f.issued.token, true, nil // too short-lived to be kept, or already evicted
	case v.serves && f.ambiguous && v.now < s.expiresAt():
		return s.token, true, nil
	}
	return token, true, f.err
}
