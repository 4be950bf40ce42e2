// Package clock tells the time as a provider sees it: the wall clock of this
// machine, corrected by the Date header of the provider's answers. The correction
// is for signing only. No token lives longer or shorter because of it.
package clock

import (
	"net/http"
	"sync"
	"time"
)

const (
	slack      = 2 * time.Second           // Date has whole seconds, so a smaller difference proves nothing
	never      = 10 * 365 * 24 * time.Hour // a Date this far off is wrong itself
	firstPause = time.Minute
	maxPause   = time.Hour
	apart      = time.Second // between two agreeing answers
	enough     = 5           // refusals in a row: as many mistakes are too unlikely
	settled    = 250 * time.Millisecond
)

// A Clock is safe for concurrent use. The zero Clock is uncorrected.
//
// If the provider accepts a request, the offset stays as it is. A refusal whose Date differs from our
// clock sets an offset at once, but only tentatively: an edge cache may have
// written the Date. If a request signed with the new offset is refused too, the
// offset is dropped, and not tried again for a minute, doubling to an hour. An
// offset with which a request was accepted is dropped after five refusals in a
// row.
type Clock struct {
	mu        sync.Mutex
	offset    time.Duration // the provider's time less ours
	changes   uint32        // of offset
	confirmed bool          // a request signed with offset was accepted
	refusals  int           // of requests signed with offset, in a row

	dropped   time.Duration // the last offset that did not help
	droppedAt time.Time
	pause     time.Duration // how long dropped is not tried again; 0: nothing was dropped

	seen    time.Duration // the difference on which two accepted answers agree
	sighted sighting      // the last accepted answer with a Date

	skew time.Duration // the wall clock less the monotonic clock
}

// A sighting is the difference between the provider's Date and our clock.
type sighting struct {
	at              time.Time // zero: none
	diff, tolerance time.Duration
}

// An Answer is an answer of the provider, for the clock.
type Answer struct {
	Sent, Received time.Time // with monotonic readings
	Header         http.Header
	// Refused is true if the provider refused a credential, or the time in the
	// request.
	Refused bool
	// Stamp is the clock's stamp at the signing of the request, or of the
	// credential in it. 0: the request carries no time of this clock.
	Stamp uint32
}

// start is the zero of the monotonic readings.
var start = time.Now()

// Now returns the provider's time, without a monotonic reading.
func (c *Clock) Now() time.Time {
	now, _ := c.Sign(time.Now())
	return now
}

// Sign returns the provider's time at local, for a signature, and the stamp of the
// clock.
func (c *Clock) Sign(local time.Time) (now time.Time, stamp uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look(local)
	return local.Round(0).Add(c.offset), c.changes + 1
}

// NextSecond returns the time from local until the provider's next second has
// certainly begun. The provider's clock may be a little behind: a token of this
// next second would be issued in its future.
func (c *Clock) NextSecond(local time.Time) time.Duration {
	now, _ := c.Sign(local)
	return now.Truncate(time.Second).Add(time.Second + settled).Sub(now)
}

// Stamp returns a number, never 0, that changes with the correction.
func (c *Clock) Stamp() uint32 {
	_, stamp := c.Sign(time.Now())
	return stamp
}

// Offset is the provider's time less this machine's, as it is used for signing.
func (c *Clock) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// Seen is the provider's time less this machine's by two accepted answers in a
// row, at least a second apart. 0: they do not agree, or the clocks are the same.
// It proves less than a refusal, and must not serve to sign.
func (c *Clock) Seen() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look(time.Now())
	return c.seen
}

// Observe judges the clock by an answer.
func (c *Clock) Observe(a Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look(a.Received)
	current := a.Stamp == c.changes+1
	switch {
	case !a.Refused:
		if current && c.offset != 0 {
			c.confirmed, c.refusals, c.pause = true, 0, 0
		}
		c.sight(&a)
		return
	case a.Stamp == 0:
		return // no time of ours was refused
	case current && c.offset != 0:
		c.refusals++
		if !c.confirmed || c.refusals == enough {
			c.drop(a.Received)
		}
	}
	s, ok := a.sighting()
	switch {
	case !ok:
	case s.diff.Abs() <= s.tolerance:
		c.set(0)
	case c.offset != 0 && (s.diff-c.offset).Abs() <= s.tolerance:
	case c.paused(s):
	default:
		c.set(s.diff)
	}
}

// look forgets everything if the wall clock was set since the last look, or the
// machine was suspended. Slow corrections by NTP do not add up.
func (c *Clock) look(now time.Time) {
	skew := time.Duration(now.UnixNano()) - now.Sub(start)
	stepped := (skew - c.skew).Abs() > slack
	c.skew = skew
	if stepped {
		c.set(0)
		c.pause, c.seen, c.sighted = 0, 0, sighting{}
	}
}

func (c *Clock) set(offset time.Duration) {
	c.confirmed, c.refusals = false, 0
	if offset != c.offset {
		c.offset = offset
		c.changes++
	}
}

func (c *Clock) drop(now time.Time) {
	c.pause = min(max(2*c.pause, firstPause), maxPause)
	c.dropped, c.droppedAt = c.offset, now
	c.set(0)
}

// paused reports whether the pause goes on and the difference is the dropped
// offset.
func (c *Clock) paused(s sighting) bool {
	return c.pause > 0 && Elapsed(c.droppedAt, s.at) < c.pause && (s.diff-c.dropped).Abs() <= s.tolerance
}

// sight compares an accepted answer with the accepted answer before.
func (c *Clock) sight(a *Answer) {
	s, ok := a.sighting()
	last := c.sighted
	switch {
	case !ok:
		return
	case last.at.IsZero(), (s.diff - last.diff).Abs() > max(s.tolerance, last.tolerance):
		c.seen, c.sighted = 0, s
	case Elapsed(last.at, s.at) < apart:
	case s.diff.Abs() <= s.tolerance:
		c.seen, c.sighted = 0, s
	default:
		c.seen, c.sighted = s.diff, s
	}
}

// sighting reads the answer's Date. ok is false if the Date is of no use.
func (a *Answer) sighting() (s sighting, ok bool) {
	date := Date(a.Header)
	if date.IsZero() {
		return s, false
	}
	took := Elapsed(a.Sent, a.Received)
	// Date was cut to the second somewhere between Sent and Received.
	diff := date.Add(500 * time.Millisecond).Sub(a.Received.Round(0).Add(-took / 2))
	return sighting{a.Received, diff, took + slack}, diff.Abs() <= never
}

// Date returns the Date of an answer; zero if it has no readable Date, or comes
// out of a cache (Age).
func Date(h http.Header) time.Time {
	if len(h["Age"]) > 0 || len(h["Date"]) == 0 {
		return time.Time{}
	}
	date, err := http.ParseTime(h["Date"][0])
	if err != nil {
		return time.Time{}
	}
	return date
}

// Elapsed returns how much time has passed between two readings, by the clock by
// which it is longer: the wall clock may have been set, and the monotonic clock
// stands still while a machine is suspended.
func Elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
