package tokencache

import (
	"sync/atomic"

	"github.com/providerauth/providerauth-go/internal/credential"
)

// A snapshot is a finished token, or the tombstone of a rejected token. After its
// publication only dropped and rejections change.
type snapshot[S comparable, T any] struct {
	token      T // of a tombstone: for its grant; SingleUse only
	id         credential.ID
	scope      S
	refreshAt  int64 // Unix ns on the wall clock, like the next two; 0: never fresh
	validUntil int64
	expiresAt  int64
	rejected   *snapshot[S, T] // of a tombstone: the token, used again if there is no other; nil if it is dead
	tombstone  bool
	rotating   bool         // a running flight kills the token; Exclusive only
	dropped    atomic.Bool  // a rejection dropped the token, and nothing brought it back
	rejections atomic.Int32 // in a row, without an accepted request between them
}

// with returns a copy with the given token, which is not fresh.
func (s *snapshot[S, T]) with(token T) *snapshot[S, T] {
	other := &snapshot[S, T]{token: token, id: s.id, scope: s.scope, validUntil: s.validUntil, expiresAt: s.expiresAt}
	other.rejections.Store(s.rejections.Load())
	return other
}

// alive returns the snapshot of a token in s: s, the rejected token of a
// tombstone, or nil if the token is dead.
func (s *snapshot[S, T]) alive() *snapshot[S, T] {
	if s != nil && s.tombstone {
		return s.rejected
	}
	return s
}

// expired reports whether s holds no token with any life left.
func expired[S comparable, T any](s *snapshot[S, T], now int64) bool {
	live := s.alive()
	return live == nil || now >= live.expiresAt
}
