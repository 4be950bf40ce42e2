package tokencache

import (
	"errors"
	"testing"
	"time"
)

// The wall clock of a machine that booted an hour fast is set right.

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).UnixNano()

func TestLimiter_SetBack(t *testing.T) {
	var l limiter
	l.take(keyRate, noon)
	for i := range keyRate.Burst {
		if wait := l.wait(keyRate, noon-int64(time.Hour)); wait > 0 {
			t.Fatalf("draw %d after the step has to wait %v", i+1, wait)
		}
		l.take(keyRate, noon-int64(time.Hour))
	}
	if l.wait(keyRate, noon-int64(time.Hour)) == 0 {
		t.Error("the limiter has no end any more")
	}
}

func TestBackOffIsOverAfterTheWallClockWasSetBack(t *testing.T) {
	c := New(Config[string, string, string]{AttemptTimeout: time.Second})
	defer c.Close()
	sl := &slot[string, string, string]{place: -1}
	f := &flight[string, string, string]{cache: c, slot: sl, outcome: outcome[string]{err: errors.New("down")}}
	f.backOffLocked(noon)
	if !c.backingOffLocked(sl, "", noon+1) {
		t.Error("no back-off after a failure")
	}
	if c.backingOffLocked(sl, "", noon-int64(time.Hour)) {
		t.Error("the back-off holds for the whole step")
	}
}
