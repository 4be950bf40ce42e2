package stage

import (
	"sync/atomic"
	"time"
)

// A Stall measures the longest time in which this process did not run. On a loaded
// machine that may be longer than a time limit, and then a failure shows nothing.
type Stall struct{ longest atomic.Int64 }

// stallTick is how often a process should run.
const stallTick = 20 * time.Millisecond

// Watch measures until done is closed.
func (s *Stall) Watch(done <-chan struct{}) {
	for last := time.Now(); ; {
		select {
		case <-time.After(stallTick):
		case <-done:
			return
		}
		now := time.Now()
		s.note(now.Sub(last) - stallTick)
		last = now
	}
}

// note is called by a single goroutine.
func (s *Stall) note(d time.Duration) {
	if int64(d) > s.longest.Load() {
		s.longest.Store(int64(d))
	}
}

// Longest returns the longest time so far.
func (s *Stall) Longest() time.Duration { return time.Duration(s.longest.Load()) }
