//go:build wallclock

package clock_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/clock"
)

// .ci/clock runs these tests with a package time whose wall clock can be set.

func TestWallClock_Clock(t *testing.T) {
	for _, step := range []time.Duration{3 * time.Second, -3 * time.Second, time.Hour, -time.Hour} {
		var c clock.Clock
		answer{refused: true, diff: time.Hour}.observe(&c)
		answer{diff: time.Hour}.observe(&c)
		if c.Offset() == 0 {
			t.Fatal("not corrected")
		}
		time.StepWallClock(step)
		if now := c.Now(); now.Sub(time.Now().Round(0)).Abs() > time.Second {
			t.Errorf("step %v: the correction outlives the wall clock that it was for", step)
		}
	}
	t.Run("a pause ends with a step", func(t *testing.T) {
		var c clock.Clock
		for range 2 {
			answer{refused: true, diff: time.Hour}.observe(&c)
		}
		time.StepWallClock(time.Minute)
		answer{refused: true, diff: time.Hour}.observe(&c)
		if c.Offset() == 0 {
			t.Error("no correction by the first refusal after the step")
		}
	})
	t.Run("a suspension while a request is under way says nothing of the clock", func(t *testing.T) {
		var c clock.Clock
		a := clock.Answer{Sent: time.Now(), Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}, Refused: true, Stamp: c.Stamp()}
		time.StepWallClock(8 * time.Hour) // the monotonic clock stands still
		a.Received = time.Now()
		c.Observe(a)
		if c.Offset() != 0 {
			t.Errorf("corrected by %v", c.Offset())
		}
	})
	t.Run("time that has passed", func(t *testing.T) {
		before := time.Now()
		time.StepWallClock(time.Hour)
		if d := clock.Elapsed(before, time.Now()); d < time.Hour {
			t.Errorf("%v, want an hour", d)
		}
		before = time.Now()
		time.StepWallClock(-time.Hour)
		if d := clock.Elapsed(before, time.Now()); d < 0 || d > time.Second {
			t.Errorf("%v, want a moment", d)
		}
	})
}
