package tokencache

import (
	"errors"
	"time"
)

// settle publishes the outcome of the flight, and ends the flight for its slot.
func (f *flight[K, S, T]) settle() {
	sh := f.slot.shard
	sh.mu.Lock()
	oldest := f.settleLocked()
	sh.mu.Unlock()
	if oldest != nil {
		f.cache.forgetFailure(oldest)
	}
}

// settleLocked returns the slot whose failure had to make room; nil: none.
func (f *flight[K, S, T]) settleLocked() (oldest *slot[K, S, T]) {
	sl := f.slot
	sl.flight = nil
	sl.ambiguousUses = f.ambiguousUses
	s, now := f.cache.current(f.key)
	if f.outcome.err == nil {
		f.succeedLocked(s)
	} else {
		oldest = f.failLocked(s, now)
	}
	f.cache.tidyLocked(sl, now)
	return oldest
}

// succeedLocked publishes the token of the flight. s is the current snapshot.
func (f *flight[K, S, T]) succeedLocked(s *snapshot[S, T]) {
	c, sl, issued := f.cache, f.slot, &f.outcome.issued
	t := time.Now()
	p := planner{c.cfg.Mode, c.cfg.RefreshBefore, c.deadline}.plan(until(t, issued.ExpiresAt))
	f.issued = &snapshot[S, T]{token: issued.Token, id: issued.ID, scope: f.scope, life: lifeFrom(t, p)}
	if s != nil && s.rejected != nil {
		s = s.rejected
	}
	if s != nil && s.id == f.issued.id { // the same token again
		f.issued.rejections.Store(s.rejections.Load())
	}
	c.putLocked(f.key, f.issued)
	if sl.failure != nil {
		f.reportRecoveryLocked(t.UnixNano())
		sl.failure = nil
		c.timetable.recovered(sl)
	}
	sl.rejectedAt, sl.ambiguousUses, sl.dead = 0, 0, nil
	c.refreshes.Add(1)
	c.warmAtLocked(sl, p.refreshAt, 0)
}

// failLocked records the failure of the flight. s is the current snapshot. It
// returns the slot whose failure had to make room; nil: none.
func (f *flight[K, S, T]) failLocked(s *snapshot[S, T], now int64) (oldest *slot[K, S, T]) {
	c, sl := f.cache, f.slot
	f.err, f.ambiguous = f.outcome.err, f.outcome.ambiguous
	c.failures.Add(1)
	c.lastFailure.Store(now)
	s = f.keepLocked(s)
	if !errors.Is(f.outcome.last, ErrGrantRefused) { // after Renew the next flight needs no back-off: it does without the grant
		oldest = f.backOffLocked(now)
	}
	failure := sl.failure
	if failure != nil && failure.permanent && s != nil {
		s.rejections.Store(0) // only rejections from here on make the token dead
	}
	if !f.ambiguous && (failure == nil || !failure.permanent) {
		f.giveBackLocked() // nothing was created, and another flight may succeed
	}
	f.reportFailureLocked(s, now)
	switch {
	case s == nil, s.state == tombstone:
	case failure == nil:
		c.warmAtLocked(sl, s.refresh(), now)
	case now < s.expiresAt() || !failure.permanent:
		c.warmAtLocked(sl, failure.retryAt, now)
	}
	return oldest
}

// keepLocked decides about the previous token after a failed flight, and returns
// the current snapshot from then on. s is the current snapshot. A rejected
// token is used again. If the flight kills the previous token: the token is dead if
// the provider confirms its action, suspect if it may have acted, and as good as
// before after a refusal.
func (f *flight[K, S, T]) keepLocked(s *snapshot[S, T]) *snapshot[S, T] {
	c := f.cache
	if s == nil {
		s = f.shown // it was evicted in the meantime
	}
	live := s.alive()
	if live == nil {
		return s
	}
	unreplaced := live == f.shown || s == f.shown
	killed := c.cfg.Mode.killsPrevious() && unreplaced
	switch {
	case killed && f.outcome.acted:
		s = live.buried()
	case killed && f.outcome.ambiguous:
		s = live.as(stale, c.cfg.Suspect(live.token))
	case killed && live == f.shown && f.before.state != tombstone: // live is the rotating copy
		f.before.rejections.Store(live.rejections.Load())
		s = f.before
	case s.state == tombstone:
		s = live
	default:
		return s
	}
	s.dropped.Store(false)
	c.putLocked(f.key, s)
	return s
}
