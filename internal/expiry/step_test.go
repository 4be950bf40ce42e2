//go:build wallclock

package expiry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/expiry"
)

// .ci/clock runs these tests with a package time whose wall clock can be set. The
// monotonic clock of a suspended machine stands still, its wall clock goes on.

func TestWallClock_Life(t *testing.T) {
	expire := func(life time.Duration) (time.Time, error) {
		sent := time.Now()
		date := sent.UTC().Truncate(time.Second)
		time.StepWallClock(8 * time.Hour)
		at, _, _, err := expiry.Life{Deadlines: deadlines(date.Add(life), time.Time{})}.
			Expiry(expiry.Timing{Sent: sent, Received: time.Now(), Date: date})
		return at, err
	}
	if at, err := expire(30 * time.Minute); !errors.Is(err, expiry.ErrOvertaken) {
		t.Errorf("a token of half an hour, after a suspension of 8 hours: %v, %v", at, err)
	}
	if at, err := expire(24 * time.Hour); err != nil || (time.Until(at)-16*time.Hour).Abs() > 2*time.Second {
		t.Errorf("a token of a day, after a suspension of 8 hours: it lives %v, %v", time.Until(at), err)
	}
}
