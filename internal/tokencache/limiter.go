package tokencache

import (
	"sync"
	"time"
)

// A Rate is the rate of a limiter: Burst replacements at once, then another
// every Refill.
type Rate struct {
	Burst  int
	Refill time.Duration
}

// keyRate limits the replacements of the tokens of a key.
var keyRate = Rate{Burst: 5, Refill: 5 * time.Second}

// A limiter limits the creations caused by rejections: each takes a permit. The
// zero limiter is full. Its owner guards it.
type limiter struct {
	fullAt int64 // Unix ns
}

// wait returns how long until there is a permit; 0: a permit is free now.
func (l *limiter) wait(r Rate, now int64) time.Duration {
	return max(0, time.Duration(l.full(r, now)-now)-time.Duration(r.Burst-1)*r.Refill)
}

// take takes a permit, also if there is none.
func (l *limiter) take(r Rate, now int64) { l.fullAt = l.full(r, now) + int64(r.Refill) }

// giveBack returns a permit.
func (l *limiter) giveBack(r Rate) { l.fullAt -= int64(r.Refill) }

// full returns when the limiter is full, now at the earliest.
func (l *limiter) full(r Rate, now int64) int64 {
	if l.fullAt-now > int64(r.Burst)*int64(r.Refill) {
		return now // the wall clock was set back
	}
	return max(l.fullAt, now)
}

// A sharedLimiter is the limiter of all keys of a cache. A Rate without a Burst
// limits nothing. Safe for concurrent use.
type sharedLimiter struct {
	rate Rate
	mu   sync.Mutex
	limiter
}

func (l *sharedLimiter) wait(now int64) time.Duration {
	if l.rate.Burst == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limiter.wait(l.rate, now)
}

// take takes a free permit, else it returns the time until a permit is free.
func (l *sharedLimiter) take(now int64) (wait time.Duration) {
	if l.rate.Burst == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	wait = l.limiter.wait(l.rate, now)
	if wait == 0 {
		l.limiter.take(l.rate, now)
	}
	return wait
}

func (l *sharedLimiter) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limiter.giveBack(l.rate)
}

// permits records the limiters from which a flight took a permit.
type permits struct{ key, shared bool }

// limitedLocked reports whether the flight needs a permit: after a rejection, for
// a switch of the scope of an exclusive token, and for another scope than the
// scope just refused permanently. Callers can cause each of these
// without end.
func (f *flight[K, S, T]) limitedLocked() bool {
	s, now := f.before, f.startedAt
	if f.slot.rejectedAt != 0 || s != nil && s.state == tombstone {
		return true
	}
	if f.cache.cfg.Mode.killsPrevious() && s != nil && !f.cache.serves(s.scope, f.scope) && now < s.expiresAt() {
		return true
	}
	failure := f.slot.failure
	return failure != nil && failure.permanent && failure.scope != f.scope && now < failure.retryAt
}

// takePermitsLocked takes a permit from the key's limiter and, if the flight
// replaces a dropped token, from the shared limiter: a renewal must be
// possible at any time, whatever other keys do. If there is no permit, it takes none and
// returns how long until there is.
func (f *flight[K, S, T]) takePermitsLocked() (wait time.Duration) {
	c, s, now := f.cache, f.before, f.startedAt
	wait = f.slot.limiter.wait(keyRate, now)
	if wait > 0 {
		return wait
	}
	replaces := s != nil && s.state == tombstone || s == nil && f.slot.rejectedAt != 0
	if replaces && usesShared(s) {
		wait = c.shared.take(now)
		if wait > 0 {
			return wait
		}
		f.permits.shared = c.shared.rate.Burst > 0
	}
	f.slot.limiter.take(keyRate, now)
	f.permits.key = true
	return 0
}

// giveBackLocked returns the permits after a flight without a creation.
func (f *flight[K, S, T]) giveBackLocked() {
	if f.permits.key {
		f.slot.limiter.giveBack(keyRate)
	}
	if f.permits.shared {
		f.cache.shared.giveBack()
	}
}

// limiterWaitLocked returns how long until the limiters allow the replacement of
// s after a rejection; 0: they allow it now.
func (c *Cache[K, S, T]) limiterWaitLocked(sl *slot[K, S, T], s *snapshot[S, T], now int64) time.Duration {
	wait := sl.limiter.wait(keyRate, now)
	if usesShared(s) {
		wait = max(wait, c.shared.wait(now))
	}
	return wait
}

// usesShared reports whether a replacement of s takes a permit of the shared
// limiter. A token with enough rejections is dead, and its user has no other.
func usesShared[S comparable, T any](s *snapshot[S, T]) bool {
	if s == nil {
		return true
	}
	live := s.alive()
	return live != nil && live.rejections() < deadAfter
}
