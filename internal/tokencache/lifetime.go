package tokencache

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	maxLife      = 10 * 365 * 24 * time.Hour
	maxMargin    = 10 * time.Second
	maxExclusive = 5 * time.Minute
)

// A Deadline is one place where an answer says when its token expires.
type Deadline struct {
	Name string    // for the log
	At   time.Time // zero: missing or unreadable
}

// Life is what an answer says about the life of its token, on the provider's
// clock.
type Life struct {
	Deadlines []Deadline
	// Issued is the token's iat or nbf; zero if it has none.
	Issued time.Time
	// Longest is the provider's own limit, counted from receipt; 0: none.
	Longest time.Duration
	// Assumed is the life of a token about which nothing usable is said; 0:
	// such an answer is an error.
	Assumed time.Duration
}

// ErrNoLife means that an answer does not say how long its token lives.
var ErrNoLife = errors.New("the answer does not say when the token expires")

// Expiry decides when a token received at the given time expires, on the
// provider's clock too. A deadline that is missing, past or beyond ten years
// is ignored; of those left the earliest counts. If all are past, but the
// token says when it was issued, one clock wrote both and their difference is
// the life. ignored names the deadlines that were there and did not count.
func (l Life) Expiry(received time.Time) (at time.Time, assumed bool, ignored []string, err error) {
	var past time.Time
	for _, d := range l.Deadlines {
		switch {
		case d.At.IsZero():
			continue
		case d.At.After(received.Add(maxLife)):
			ignored = append(ignored, d.Name)
			continue
		case !d.At.After(received):
			ignored = append(ignored, d.Name)
			if past.IsZero() || d.At.Before(past) {
				past = d.At
			}
			continue
		}
		if at.IsZero() || d.At.Before(at) {
			at = d.At
		}
	}
	if at.IsZero() && !past.IsZero() && !l.Issued.IsZero() {
		if life := past.Sub(l.Issued); life > 0 && life <= maxLife {
			at = received.Add(life)
		}
	}
	if at.IsZero() {
		if l.Assumed == 0 {
			return at, false, ignored, ErrNoLife
		}
		at, assumed = received.Add(l.Assumed), true
	}
	if limit := received.Add(l.Longest); l.Longest > 0 && at.After(limit) {
		at = limit
	}
	return at, assumed, ignored, nil
}

// A plan is when a token is renewed and until when it is handed out, in Unix
// ns of this machine's wall clock.
type plan struct {
	refreshAt, validUntil, expiresAt int64
}

// planLife fixes both when a token is received. They are fractions of its
// life, so that a token of seconds is not fetched on every call and still has
// a time in which it is renewed while it is good. Renewals are spread over at
// least a tenth of the lead, or tokens that came together would be renewed
// together.
func planLife(mode Mode, now, expires int64, refreshBefore, flight time.Duration) plan {
	life := time.Duration(max(expires-now, 0))
	lead := refreshBefore
	switch {
	case lead > 0:
		lead = min(lead, life/2)
	case mode == Exclusive:
		lead = min(max(3*flight, life/20), maxExclusive, life/4)
	default:
		lead = life * 4 / 25
	}
	early := lead/10 + 1
	if refreshBefore == 0 && mode != Exclusive {
		early = life*2/25 + 1 // so a fifth on average
	}
	early = rand.N(early)
	return plan{
		refreshAt:  expires - int64(lead+early),
		validUntil: expires - int64(min(maxMargin, lead/2)),
		expiresAt:  expires,
	}
}
