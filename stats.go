package providerauth

import "time"

// Stats are the figures of a client since it was made. Entries, InFlight and
// Abandoned are gauges, LastFailure and BackoffUntil times, the others counters. Handing out a
// fresh token is not counted: a counter that all callers share would cost more
// than the call.
type Stats struct {
	Waits         uint64    // callers that waited for a flight: a request for a token that waiting callers share
	Refreshes     uint64    // flights that brought a token
	Failures      uint64    // flights that brought no token
	Invalidations uint64    // tokens that were dropped after a rejection
	Contested     uint64    // calls with ErrContested, and rejections that were passed on for want of another token
	Evictions     uint64    // users dropped to make room
	EvictedLive   uint64    // evictions of a token that a new token will kill; platformtoken only
	Entries       int       // users with a token
	InFlight      int       // flights under way
	Abandoned     int       // requests that an http.RoundTripper goes on with after the end of their context
	LastFailure   time.Time // of a flight; zero: never
	BackoffUntil  time.Time // end of the last back-off, at the latest; zero: none is in force
}
