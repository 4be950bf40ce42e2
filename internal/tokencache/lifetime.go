package tokencache

import (
	"math/rand/v2"
	"time"
)

const (
	maxMargin    = 10 * time.Second
	maxExclusive = 5 * time.Minute
)

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
