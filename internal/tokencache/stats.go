package tokencache

import (
	"sync/atomic"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

type counters struct {
	waits, refreshes, failures, invalidations, contested, evictions, evictedLive atomic.Uint64

	inFlight    atomic.Int64
	lastFailure atomic.Int64 // Unix ns
}

// Stats returns the figures of this moment.
func (c *Cache[K, S, T]) Stats() providerauth.Stats {
	st := providerauth.Stats{
		Waits: c.waits.Load(), Refreshes: c.refreshes.Load(), Failures: c.failures.Load(),
		Invalidations: c.invalidations.Load(), Contested: c.contested.Load(),
		Evictions: c.evictions.Load(), EvictedLive: c.evictedLive.Load(),
		InFlight: int(c.inFlight.Load()),
	}
	if s := c.sharing; s != nil {
		st.Adopted, st.StoreFailures, st.Takeovers = s.adopted.Load(), s.failures.Load(), s.takeovers.Load()
		st.Conflicts, st.Restored, st.NoticesDropped = s.conflicts.Load(), s.restored.Load(), s.noticesDropped.Load()
		st.Unsaved = int(s.unsaved.Load())
	}
	if c.many != nil {
		st.Entries = c.many.len()
	} else if s := c.single.Load(); s != nil && s.state != tombstone {
		st.Entries = 1
	}
	if at := c.lastFailure.Load(); at != 0 {
		st.LastFailure = time.Unix(0, at)
	}
	if until := c.timetable.backoffUntil(); until > time.Now().UnixNano() {
		st.BackoffUntil = time.Unix(0, until)
	}
	return st
}
