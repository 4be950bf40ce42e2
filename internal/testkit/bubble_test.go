package testkit

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// advice is an error of a provider's package.
type advice bool

func (advice) Error() string { return "an error" }

func (a advice) Retryable() (time.Duration, bool) { return time.Second, bool(a) }

func TestRepeat(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		calls int
	}{
		"a call that succeeds is made once":       {nil, 1},
		"a retryable call is made three times":    {advice(true), 3},
		"a call that is not retryable once":       {advice(false), 1},
		"a call whose error gives no advice once": {errors.New("other"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				err := Repeat(func(int) error { calls++; return tc.err })
				if !errors.Is(err, tc.err) {
					t.Errorf("got %v, want %v", err, tc.err)
				}
				Equal(t, "calls", calls, tc.calls)
			})
		})
	}
}
