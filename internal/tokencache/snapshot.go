package tokencache

import (
	"math"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
)

// A snapshot is a finished token, or the tombstone of a rejected token. After its
// publication only its marks change.
type snapshot[S comparable, T any] struct {
	token T // of a tombstone: for its grant; SingleUse only
	id    credential.ID
	scope S
	life
	rejected *snapshot[S, T] // of a tombstone: the token, used again if there is no other; nil if it is dead
	marks
	generation uint32 // of the store's record; 0: there is no store
}

// A state is the kind of a snapshot.
type state uint8

const (
	lasting   state = iota // a token, fresh until its refreshAt
	stale                  // a token past its refreshAt
	rotating               // a stale token, about to be killed by a running flight; Exclusive only
	tombstone              // the tombstone of a rejected token
)

// A life is the state of a token and the plan of its ends. Each end is reached as
// soon as either clock says so: the wall clock may be set back, and the monotonic
// clock stands still while the machine is suspended.
type life struct {
	// refreshAt has the readings of both clocks: those at the receipt, and the
	// time from there.
	refreshAt time.Time
	// expiresFor is how long after refreshAt the token expires, at most 49
	// days, and margin how long before its expiry it is no longer handed out,
	// at most 10 s. Both are in ms: a hundred thousand tokens are smaller with
	// it.
	expiresFor uint32
	margin     uint16
	state      state
}

// lifeFrom returns the life of a token with the given plan, received at t.
func lifeFrom(t time.Time, p plan) life {
	const ms = int64(time.Millisecond)
	return life{
		refreshAt:  t.Add(time.Duration(p.refreshAt)),
		expiresFor: uint32(min((p.expiresAt-p.refreshAt)/ms, math.MaxUint32)),
		margin:     uint16((p.expiresAt - p.validUntil) / ms),
	}
}

// now returns the time t in Unix ns, for comparisons with the ends of the life: by
// the wall clock or, if that is later, by the monotonic clock since the receipt.
func (l *life) now(t time.Time) int64 {
	return max(t.UnixNano(), l.refreshAt.UnixNano()-int64(l.refreshAt.Sub(t)))
}

// refresh returns refreshAt in Unix ns; 0: the token is not fresh any more.
func (l *life) refresh() int64 {
	if l.state != lasting {
		return 0
	}
	return l.refreshAt.UnixNano()
}

// expiresAt returns when the token expires, in Unix ns.
func (l *life) expiresAt() int64 {
	return l.refreshAt.UnixNano() + int64(l.expiresFor)*int64(time.Millisecond)
}

// validUntil returns until when the token is handed out, in Unix ns.
func (l *life) validUntil() int64 { return l.expiresAt() - int64(l.margin)*int64(time.Millisecond) }

// planAt returns the plan of a token with this life as from t.
func (l *life) planAt(t time.Time) plan {
	now := l.now(t)
	return plan{refreshAt: l.refreshAt.UnixNano() - now, validUntil: l.validUntil() - now, expiresAt: l.expiresAt() - now}
}

// until returns how long after t the end is, by the clock by which it is sooner.
func until(t, end time.Time) time.Duration {
	return min(end.Sub(t), end.Round(0).Sub(t.Round(0)))
}

// as returns a copy in the given state, with the given token.
func (s *snapshot[S, T]) as(st state, token T) *snapshot[S, T] {
	other := &snapshot[S, T]{token: token, id: s.id, scope: s.scope, generation: s.generation, life: s.life}
	other.state = st
	other.continues(&s.marks)
	return other
}

// buried returns the tombstone of s.
func (s *snapshot[S, T]) buried() *snapshot[S, T] {
	var none T
	return s.as(tombstone, none)
}

// alive returns the snapshot of a token in s: s, the rejected token of a
// tombstone, or nil if the token is dead.
func (s *snapshot[S, T]) alive() *snapshot[S, T] {
	if s != nil && s.state == tombstone {
		return s.rejected
	}
	return s
}

// now returns the time t in Unix ns, as s counts it; see life.now.
func (s *snapshot[S, T]) now(t time.Time) int64 {
	if s == nil {
		return t.UnixNano()
	}
	return s.life.now(t)
}

// expired reports whether s holds no token with any life left.
func expired[S comparable, T any](s *snapshot[S, T], t time.Time) bool {
	live := s.alive()
	return live == nil || live.now(t) >= live.expiresAt()
}
