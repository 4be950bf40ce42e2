package tokencache

import (
	"errors"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
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
	t, p := f.receivedAt, f.plan
	if t.IsZero() {
		t = time.Now()
		p = c.planner().plan(until(t, issued.ExpiresAt))
	}
	scope := f.scope
	if f.adopted {
		scope = f.issuedFor
		f.giveBackLocked() // nothing was created
	}
	f.issued = &snapshot[S, T]{token: issued.Token, id: issued.ID, scope: scope, generation: f.generation, life: lifeFrom(t, p)}
	f.followFleetLocked()
	if s != nil && s.rejected != nil {
		s = s.rejected
	}
	if s != nil && s.id == f.issued.id { // the same token again
		f.issued.continues(&s.marks)
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
	if f.gaveUp {
		f.giveUpLocked(s, now)
		return nil
	}
	c.failures.Add(1)
	c.lastFailure.Store(now)
	s = f.keepLocked(s)
	if !errors.Is(f.outcome.last, ErrGrantRefused) { // after Renew the next flight needs no back-off: it does without the grant
		oldest = f.backOffLocked(now)
	}
	failure := sl.failure
	if failure != nil && failure.permanent && s != nil {
		s.accept() // only rejections from here on make the token dead
	}
	if !f.ambiguous && (failure == nil || !failure.permanent) {
		f.giveBackLocked() // nothing was created, and another flight may succeed
	}
	f.followFleetLocked()
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

// giveUpLocked ends a flight without a token that says nothing about the provider: no
// back-off starts.
func (f *flight[K, S, T]) giveUpLocked(s *snapshot[S, T], now int64) {
	c := f.cache
	s = f.keepLocked(s)
	f.giveBackLocked()
	f.followFleetLocked()
	if errors.Is(f.err, providerauth.ErrContested) {
		c.contested.Add(1)
	}
	if s != nil && s.state != tombstone {
		c.warmAtLocked(f.slot, max(s.refresh(), now+int64(jittered(calmPoll))), now)
	}
}

// followFleetLocked sets the key's limiter to the limiter of all processes, as the
// flight has seen it.
func (f *flight[K, S, T]) followFleetLocked() {
	if f.fleetFullAt != 0 {
		fullAt := f.cache.sharing.local(f.fleetFullAt).UnixNano()
		f.slot.limiter.fullAt = max(f.slot.limiter.fullAt, fullAt)
	}
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
		f.before.continues(&live.marks)
		s = f.before
	case s.state == tombstone:
		s = live
	default:
		return s
	}
	s.bringBack()
	c.putLocked(f.key, s)
	return s
}
