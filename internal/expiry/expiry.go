// Package expiry decides when a token expires, from the statements in the answer
// of the provider.
package expiry

import (
	"errors"
	"time"
)

// maxLife bounds the life of a token. A deadline beyond it is a mistake.
const maxLife = 10 * 365 * 24 * time.Hour

// A Deadline is a statement of the answer of when its token expires.
type Deadline struct {
	Name string    // for the log
	At   time.Time // zero: missing or unreadable
}

// Life holds all statements of an answer about the life of its token, on the
// provider's clock.
type Life struct {
	Deadlines []Deadline
	// Issued is the token's iat or nbf; zero if it has none.
	Issued time.Time
	// Longest is the provider's own limit, counted from receipt; 0: none.
	Longest time.Duration
	// Assumed is the life of a token without a usable statement; 0: such an
	// answer is an error.
	Assumed time.Duration
}

// ErrNoLife means: the answer does not say when its token expires.
var ErrNoLife = errors.New("the answer does not say when the token expires")

// Expiry returns when a token received at the given time expires, on the
// provider's clock too. A missing, past or too late deadline (beyond ten years) is
// ignored; the earliest of the others counts. If all are past, but the token says
// when it was issued, the same clock wrote both and their difference is the life.
// ignored names the deadlines of the answer without an effect.
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
