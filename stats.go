package providerauth

import "time"

// Stats are the figures of a client since it was made. Entries, InFlight,
// Abandoned and Unsaved are gauges, LastFailure and BackoffUntil times, the others
// counters. Handing out a fresh token is not counted: a counter shared by all
// callers would cost more than the call.
type Stats struct {
	Waits         uint64    // callers who waited for a flight, a request for a token shared by all waiting callers
	Refreshes     uint64    // flights that brought a token
	Failures      uint64    // flights that brought no token
	Invalidations uint64    // tokens dropped after a rejection
	Contested     uint64    // calls with ErrContested, and rejections passed on for want of another token
	Evictions     uint64    // users dropped to make room
	EvictedLive   uint64    // evictions of a token that a new token will kill; platformtoken without a Store only
	Entries       int       // users with a token
	InFlight      int       // flights under way
	Abandoned     int       // requests still running in an http.RoundTripper after the end of their context
	LastFailure   time.Time // of a flight; zero: never
	BackoffUntil  time.Time // end of the last back-off, at the latest; zero: none is in force

	// With Config.Store only.

	Adopted        uint64 // flights that ended with a token of another process; Refreshes counts them too
	StoreFailures  uint64 // operations of the store that failed, repetitions included
	Takeovers      uint64 // leases that another process held until they ran out: it died, or was stopped
	Conflicts      uint64 // tokens dropped because another process had taken over the lease
	Restored       uint64 // records written back after the store had lost them
	NoticesDropped uint64 // notices to other processes left out, beyond 20 a second
	Unsaved        int    // tokens in use that could not be saved yet
}
