package tokencache

import (
	"sync"
	"time"
)

// A Rate is how many replacements a limiter allows: Burst at once, then one
// every Refill.
type Rate struct {
	Burst  int
	Refill time.Duration
}

// keyRate limits the replacements of one key's tokens.
var keyRate = Rate{Burst: 5, Refill: 5 * time.Second}

// A limiter limits creations that rejections cause. The zero limiter is full.
type limiter struct {
	fullAt int64 // Unix ns
}

// wait is how long until there is a draw; 0: there is one.
func (l *limiter) wait(r Rate, now int64) time.Duration {
	return max(0, time.Duration(l.full(r, now)-now)-time.Duration(r.Burst-1)*r.Refill)
}

// take draws, whether there is a draw or not.
func (l *limiter) take(r Rate, now int64) { l.fullAt = l.full(r, now) + int64(r.Refill) }

// giveBack returns a draw.
func (l *limiter) giveBack(r Rate) { l.fullAt -= int64(r.Refill) }

// full is when the limiter is full, now at the earliest.
func (l *limiter) full(r Rate, now int64) int64 {
	if l.fullAt-now > int64(r.Burst)*int64(r.Refill) {
		return now // the wall clock was set back
	}
	return max(l.fullAt, now)
}

// A sharedLimiter is the limiter of all keys of a cache. A Rate without a Burst
// limits nothing.
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

// take draws if there is a draw, else it says how long until there is one.
func (l *sharedLimiter) take(now int64) (wait time.Duration) {
	if l.rate.Burst == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait = l.limiter.wait(l.rate, now); wait == 0 {
		l.limiter.take(l.rate, now)
	}
	return wait
}

func (l *sharedLimiter) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limiter.giveBack(l.rate)
}
