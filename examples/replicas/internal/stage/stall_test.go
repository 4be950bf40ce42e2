package stage

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Stall
		done := make(chan struct{})
		go s.Watch(done)
		time.Sleep(time.Second)
		if s.Longest() != 0 {
			t.Errorf("%v, want 0", s.Longest())
		}
		s.note(time.Second)
		s.note(time.Millisecond)
		if s.Longest() != time.Second {
			t.Errorf("%v, want 1s", s.Longest())
		}
		close(done)
	})
}
