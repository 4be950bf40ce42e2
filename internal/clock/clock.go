// Package clock tells the time as a provider sees it: the wall clock of this
// machine, corrected by the Date header of the provider's answers.
package clock

import (
	"net/http"
	"sync/atomic"
	"time"
)

const (
	quick     = time.Second               // a slower answer says too little about when its Date was written
	threshold = 2 * time.Second           // Date has whole seconds, so a smaller difference proves nothing
	absurd    = 10 * 365 * 24 * time.Hour // a Date this far off is wrong itself
)

// A Clock is safe for concurrent use. The zero Clock is uncorrected.
type Clock struct {
	offset atomic.Int64 // the provider's time less ours, in ns
}

// Now returns the provider's time, without a monotonic reading.
func (c *Clock) Now() time.Time { return c.Provider(time.Now()) }

// Provider converts a time of this machine to the provider's.
func (c *Clock) Provider(local time.Time) time.Time { return local.Round(0).Add(c.Offset()) }

// Local converts a time of the provider to this machine's.
func (c *Clock) Local(provider time.Time) time.Time { return provider.Round(0).Add(-c.Offset()) }

// Offset is the provider's time less this machine's.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Observe corrects the clock by an answer that was asked for at sent and came
// at received. An answer that was slow, came out of a cache (Age) or has no
// readable Date changes nothing; one that agrees within two seconds ends an
// earlier correction.
func (c *Clock) Observe(sent, received time.Time, h http.Header) {
	if len(h["Age"]) > 0 || len(h["Date"]) == 0 {
		return
	}
	took := received.Sub(sent)
	if took < 0 || took > quick {
		return
	}
	date, err := http.ParseTime(h["Date"][0])
	if err != nil {
		return
	}
	// Date was cut to the second somewhere between sent and received.
	diff := date.Add(500 * time.Millisecond).Sub(received.Round(0).Add(-took / 2))
	switch {
	case diff.Abs() > absurd:
	case diff.Abs() < threshold:
		c.offset.Store(0)
	default:
		c.offset.Store(int64(diff))
	}
}
