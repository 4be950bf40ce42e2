package tokencache

import (
	"sync/atomic"
	"time"
)

// Stats of a Cache. Entries and InFlight are gauges, LastError and
// BackoffUntil times, the rest counters. A fresh token that is handed out is
// not counted: a counter that all callers share would cost more than the call.
type Stats struct {
	Waits         uint64    // callers that waited for a flight
	Refreshes     uint64    // flights that brought a token
	Failures      uint64    // flights that did not
	Invalidations uint64    // current tokens dropped because they were rejected
	Contested     uint64    // calls answered ErrContested, and rejections that stood for want of another token
	Evictions     uint64    // keys dropped to make room
	EvictedLive   uint64    // of these, exclusive tokens that were still good
	Entries       int       // keys kept
	InFlight      int       // flights under way
	LastError     time.Time // when a flight failed last; zero: never
	BackoffUntil  time.Time // when the last of the back-offs in force ends, at the latest; zero: none
}

type counters struct {
	waits, refreshes, failures, invalidations, contested, evictions, evictedLive atomic.Uint64

	inFlight  atomic.Int64
	lastError atomic.Int64 // Unix ns
}

// Stats returns the figures of this moment.
func (c *Cache[K, F, T]) Stats() Stats {
	st := Stats{
		Waits: c.waits.Load(), Refreshes: c.refreshes.Load(), Failures: c.failures.Load(),
		Invalidations: c.invalidations.Load(), Contested: c.contested.Load(),
		Evictions: c.evictions.Load(), EvictedLive: c.evictedLive.Load(),
		InFlight: int(c.inFlight.Load()),
	}
	if c.many != nil {
		st.Entries = c.many.len()
	} else if s := c.one.Load(); s != nil && !s.gone {
		st.Entries = 1
	}
	if at := c.lastError.Load(); at != 0 {
		st.LastError = time.Unix(0, at)
	}
	if until := c.timetable.backoffUntil(); until > time.Now().UnixNano() {
		st.BackoffUntil = time.Unix(0, until)
	}
	return st
}
