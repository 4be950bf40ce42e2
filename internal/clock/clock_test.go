package clock_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/clock"
)

// An answer is an answer of a provider whose Date differs from this machine's
// clock by diff.
type answer struct {
	refused    bool
	diff, took time.Duration
	stamp      uint32 // 0: the clock's
	unsigned   bool
	header     func(http.Header)
}

// observe shows the answer to the clock, at the time of the bubble.
func (a answer) observe(c *clock.Clock) {
	now := time.Now()
	h := http.Header{"Date": {now.Add(a.diff - a.took/2).UTC().Format(http.TimeFormat)}}
	if a.header != nil {
		a.header(h)
	}
	stamp := a.stamp
	if stamp == 0 && !a.unsigned {
		stamp = c.Stamp()
	}
	c.Observe(clock.Answer{Sent: now.Add(-a.took), Received: now, Header: h, Refused: a.refused, Stamp: stamp})
}

func TestClock_Observe(t *testing.T) {
	const h, m, s = time.Hour, time.Minute, time.Second
	refused := func(diff time.Duration) answer { return answer{refused: true, diff: diff} }
	accepted := func(diff time.Duration) answer { return answer{diff: diff} }
	with := func(header func(http.Header)) answer { return answer{refused: true, diff: h, header: header} }
	old := func(a answer) answer { a.stamp = 1; return a }
	type step struct {
		answer
		want time.Duration // the offset from then on, within a second or half of took
		wait time.Duration // before the next answer
	}
	for name, steps := range map[string][]step{
		"accepted answers correct nothing":                     {{accepted(h), 0, s}, {accepted(h), 0, 0}},
		"a refusal corrects at once":                           {{refused(h), h, s}, {accepted(h), h, m}, {refused(h), h, 0}},
		"so does one in the other direction":                   {{refused(-h), -h, 0}},
		"and a slow one":                                       {{answer{refused: true, diff: h, took: 9 * s}, h, 0}},
		"less than the round trip and 2 s is no difference":    {{answer{refused: true, diff: 10 * s, took: 9 * s}, 0, 0}, {refused(s), 0, 0}},
		"a correction that does not help is dropped":           {{refused(h), h, s}, {refused(h), 0, s}, {refused(h), 0, 0}},
		"and tried again after a minute, then two":             {{refused(h), h, s}, {refused(h), 0, m}, {refused(h), h, s}, {refused(h), 0, m}, {refused(h), 0, m}, {refused(h), h, 0}},
		"another correction may be tried at once":              {{refused(h), h, s}, {refused(h), 0, s}, {refused(-h), -h, 0}},
		"the pause starts anew after a correction that helps":  {{refused(h), h, s}, {refused(h), 0, m}, {refused(h), h, s}, {accepted(h), h, s}, {refused(0), 0, s}, {refused(h), h, s}, {refused(h), 0, m}, {refused(h), h, 0}},
		"requests signed before the correction do not drop it": {{refused(h), h, s}, {old(refused(h)), h, s}, {accepted(h), h, 0}},
		"nor do they confirm it":                               {{refused(h), h, s}, {old(accepted(h)), h, s}, {refused(h), 0, 0}},
		"a refusal whose Date agrees ends a correction":        {{refused(h), h, s}, {accepted(h), h, m}, {refused(0), 0, 0}},
		"a correction that helped outlives four refusals":      {{refused(h), h, s}, {accepted(h), h, s}, {refused(h), h, 0}, {refused(h), h, 0}, {refused(h), h, 0}, {refused(h), h, 0}, {accepted(h), h, 0}, {refused(h), h, 0}},
		"and not a fifth":                                      {{refused(h), h, s}, {accepted(h), h, s}, {refused(h), h, 0}, {refused(h), h, 0}, {refused(h), h, 0}, {refused(h), h, 0}, {refused(h), 0, 0}},
		"a refusal of what this clock has not signed":          {{answer{refused: true, diff: h, unsigned: true}, 0, 0}},
		"out of a cache":                                       {{with(func(h http.Header) { h.Set("Age", "0") }), 0, 0}},
		"no Date":                                              {{with(func(h http.Header) { h.Del("Date") }), 0, 0}},
		"an unreadable Date":                                   {{with(func(h http.Header) { h.Set("Date", "yesterday") }), 0, 0}},
		"twenty years off":                                     {{refused(20 * 365 * 24 * h), 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(300 * time.Millisecond) // Date has whole seconds
				var c clock.Clock
				for i, step := range steps {
					step.observe(&c)
					if off := c.Offset() - step.want; off.Abs() > time.Second+step.took/2 || step.want == 0 && off != 0 {
						t.Fatalf("step %d: offset %v, want %v", i, c.Offset(), step.want)
					}
					if now := time.Now(); c.Now().Sub(now) != c.Offset() {
						t.Errorf("step %d: Now is %v ahead, want %v", i, c.Now().Sub(now), c.Offset())
					}
					time.Sleep(step.wait)
				}
			})
		})
	}
}

func TestClock_Stamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock.Clock
		first := c.Stamp()
		answer{diff: time.Hour}.observe(&c)
		if first == 0 || c.Stamp() != first {
			t.Errorf("stamps %d and %d without a correction", first, c.Stamp())
		}
		answer{refused: true, diff: time.Hour}.observe(&c)
		if c.Stamp() == first {
			t.Error("the same stamp after a correction")
		}
	})
}

func TestClock_Seen(t *testing.T) {
	const h, s = time.Hour, time.Second
	type step struct {
		diff, want, wait time.Duration
	}
	for name, steps := range map[string][]step{
		"two accepted answers agree":          {{h, 0, s}, {h, h, 0}},
		"not within a second":                 {{h, 0, s / 2}, {h, 0, s / 2}, {h, h, 0}},
		"two that differ prove nothing":       {{h, 0, s}, {2 * h, 0, s}, {h, 0, s}, {h, h, 0}},
		"the clock is right":                  {{0, 0, s}, {0, 0, 0}},
		"one that differs ends the agreement": {{h, 0, s}, {h, h, s}, {0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(300 * time.Millisecond)
				var c clock.Clock
				for i, step := range steps {
					answer{diff: step.diff}.observe(&c)
					if off := c.Seen() - step.want; off.Abs() > time.Second || step.want == 0 && off != 0 {
						t.Fatalf("step %d: seen %v, want %v", i, c.Seen(), step.want)
					}
					if c.Offset() != 0 {
						t.Fatalf("step %d: offset %v, want none", i, c.Offset())
					}
					time.Sleep(step.wait)
				}
			})
		})
	}
}

func TestClock_NextSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock.Clock
		time.Sleep(300 * time.Millisecond)
		for _, offset := range []time.Duration{0, time.Hour} {
			if offset != 0 {
				answer{refused: true, diff: offset}.observe(&c)
			}
			time.Sleep(c.NextSecond(time.Now()))
			if into := c.Now().Sub(c.Now().Truncate(time.Second)); into < 100*time.Millisecond || into > 500*time.Millisecond {
				t.Errorf("offset %v: %v into the next second", offset, into)
			}
		}
	})
}
