package transport

import "sync/atomic"

const (
	budgetSize    = 100
	transientCost = 10
	throttledCost = 5 // the provider said when to come back
)

// A budget limits the repeats of all calls of a Client. Without it, a provider
// in trouble would be asked MaxAttempts times as often as usual. After about
// ten repeats without a success between them, calls fail with their first
// error. First attempts are never held back.
//
// A repeat costs tokens. They come back when its call gets through; a call that
// gets through at once gives a token. Any answer from a working provider
// counts, a refusal included.
//
// The zero budget is full.
type budget struct {
	spent atomic.Int64
}

// take reports whether n tokens were left, and takes them.
func (b *budget) take(n int64) bool {
	for {
		s := b.spent.Load()
		if s+n > budgetSize {
			return false
		}
		if b.spent.CompareAndSwap(s, s+n) {
			return true
		}
	}
}

// put gives n tokens back.
func (b *budget) put(n int64) {
	for {
		s := b.spent.Load()
		if s == 0 || b.spent.CompareAndSwap(s, max(0, s-n)) {
			return
		}
	}
}
