package tokencache

import (
	"math/rand/v2"
	"time"
)

const (
	maxMargin    = 10 * time.Second
	maxExclusive = 5 * time.Minute
)

// A plan says when a token is renewed and until when it is handed out, in ns from
// its receipt.
type plan struct {
	refreshAt, validUntil, expiresAt int64
}

// A planner makes the plans of the tokens of a cache.
type planner struct {
	mode          Mode
	refreshBefore time.Duration // Config.RefreshBefore
	flight        time.Duration // the deadline of a flight
}

func (c *Cache[K, S, T]) planner() planner {
	return planner{c.cfg.Mode, c.cfg.RefreshBefore, c.deadline}
}

// plan returns the plan of a token received with left of its life. The times
// are fractions of its life: a token of a few seconds is then not fetched for
// every call, and still has a time in which it is valid and renewed. Renewals
// are spread over at least a tenth of the lead, because tokens received
// together would otherwise be renewed together.
func (p planner) plan(left time.Duration) plan {
	life := max(left, 0)
	lead := p.lead(life)
	spread := lead/10 + 1
	if p.refreshBefore == 0 && !p.mode.killsPrevious() {
		spread = life*2/25 + 1 // with the lead, a fifth of the life on average
	}
	return plan{
		refreshAt:  int64(left) - int64(lead+rand.N(spread)),
		validUntil: int64(left) - int64(min(maxMargin, lead/2)),
		expiresAt:  int64(left),
	}
}

// lead returns how long before its expiry a token is renewed at the latest.
func (p planner) lead(life time.Duration) time.Duration {
	switch {
	case p.refreshBefore > 0:
		return min(p.refreshBefore, life/2)
	case p.mode.killsPrevious():
		return min(max(3*p.flight, life/20), maxExclusive, life/4)
	}
	return life * 4 / 25
}
