// Package expiry decides when a token expires, from the statements in the answer
// of the provider.
package expiry

import (
	"errors"
	"time"
)

const (
	// maxLife bounds the life of a token. A deadline beyond it is a mistake.
	maxLife = 10 * 365 * 24 * time.Hour

	// step is the largest difference between the clocks of this machine about
	// the duration of an answer.
	step = 2 * time.Second
)

// A Deadline is a statement of the answer of when its token expires.
type Deadline struct {
	Name string    // for the log
	At   time.Time // zero: missing or unreadable
}

// Life holds all statements of an answer about the life of its token.
type Life struct {
	Deadlines []Deadline
	// Issued is the token's iat or nbf; zero if it has none.
	Issued time.Time
	// Longest is the provider's own limit; 0: none.
	Longest time.Duration
	// Assumed is the life of a token without a usable statement; 0: such an
	// answer is an error.
	Assumed time.Duration
}

// Timing says when an answer came.
type Timing struct {
	Sent, Received time.Time // by this machine's clocks
	Date           time.Time // by the provider's; zero: the answer does not say
}

var (
	// ErrNoLife means: the answer does not say when its token expires.
	ErrNoLife = errors.New("the answer does not say when the token expires")
	// ErrOvertaken means: the token may have expired while its answer was under
	// way.
	ErrOvertaken = errors.New("the machine was suspended, or its clock was set, while the token was under way")
)

// Expiry returns when the token of an answer expires, on this machine's clock, with
// the monotonic reading of the receipt.
//
// A deadline gives up to three lives: counted from the answer's Date, from the time
// of issue, and from our own time. The shortest life above 0 and up to ten years
// counts, over all deadlines, at most Longest, from receipt. So a wrong clock only
// shortens a life, as long as another of the three is right. Without Date and time
// of issue our own clock has to be right. past names the deadlines without such a
// life from Date or from our own time.
//
// If our clocks disagree about the duration of the answer, life is counted from
// the receipt less the longer duration.
func (l Life) Expiry(t Timing) (at time.Time, assumed bool, past []string, err error) {
	var life time.Duration
	lost := t.lost()
	ours := t.Received.Add(-lost)
	for _, d := range l.Deadlines {
		if d.At.IsZero() {
			continue
		}
		if shortest(d.At, t.Date, ours) == 0 {
			past = append(past, d.Name)
		}
		left := shortest(d.At, t.Date, l.Issued, ours)
		if left > 0 && (life == 0 || left < life) {
			life = left
		}
	}
	if life == 0 {
		if l.Assumed == 0 {
			return at, false, past, ErrNoLife
		}
		life, assumed = l.Assumed, true
	}
	if l.Longest > 0 {
		life = min(life, l.Longest)
	}
	life -= lost
	if life <= 0 {
		return at, false, past, ErrOvertaken
	}
	return t.Received.Add(life), assumed, past, nil
}

// shortest returns the shortest positive time from any given time to the
// deadline; 0: there is none.
func shortest(deadline time.Time, from ...time.Time) (left time.Duration) {
	for _, f := range from {
		d := deadline.Sub(f)
		if !f.IsZero() && d > 0 && d <= maxLife && (left == 0 || d < left) {
			left = d
		}
	}
	return left
}

// lost returns the duration of the answer, if the clocks disagree about it.
func (t Timing) lost() time.Duration {
	wall, monotonic := t.Received.Round(0).Sub(t.Sent.Round(0)), t.Received.Sub(t.Sent)
	if t.Sent.IsZero() || (wall-monotonic).Abs() <= step {
		return 0
	}
	return max(wall, monotonic)
}
