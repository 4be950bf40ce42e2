package tokencache

import (
	"errors"
	"testing"
	"time"
)

// The wall clock of a machine that booted an hour fast is set right.

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).UnixNano()

func TestBucketGoesOnAfterTheWallClockWasSetBack(t *testing.T) {
	var b bucket
	b.take(noon)
	for i := range bucketSize {
		if wait, ok := b.take(noon - int64(time.Hour)); !ok {
			t.Fatalf("draw %d after the step has to wait %v", i+1, wait)
		}
	}
	if _, ok := b.take(noon - int64(time.Hour)); ok {
		t.Error("the bucket has no bottom any more")
	}
}

func TestBackOffIsOverAfterTheWallClockWasSetBack(t *testing.T) {
	c := New(Config[string, string, string]{AttemptTimeout: time.Second})
	defer c.Close()
	sl := &slot[string, string]{}
	c.backOff(sl, &flight[string, string]{}, &trip[string]{err: errors.New("down")}, noon)
	if !c.backingOff(sl, "", noon+1) {
		t.Error("no back-off after a failure")
	}
	if c.backingOff(sl, "", noon-int64(time.Hour)) {
		t.Error("the back-off holds for the whole step")
	}
}
