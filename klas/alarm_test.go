package klas

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// alarmFor returns an alarm in a bubble, and the times at which it went off.
func alarmFor(t *testing.T) (a *alarm, off chan time.Time) {
	t.Helper()
	off = make(chan time.Time, 100)
	return newAlarm(time.Now(), func() { off <- time.Now() }), off
}

func TestAnAlarmGoesOffOnceWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, off := alarmFor(t)
		for range 3 {
			due := time.Now().Add(5 * time.Second)
			a.set(due)
			time.Sleep(time.Hour)
			if len(off) != 1 || !(<-off).Equal(due) {
				t.Fatalf("it went off %d times, or at another time", len(off))
			}
			if a.callOff() {
				t.Error("it was called off after that")
			}
		}
	})
}

func TestAnAlarmThatIsCalledOffStaysSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, off := alarmFor(t)
		for range 100 {
			a.set(time.Now().Add(5 * time.Second))
			time.Sleep(700 * time.Millisecond)
			if !a.callOff() || a.callOff() {
				t.Error("it is to be called off once")
			}
		}
		time.Sleep(time.Hour)
		if len(off) != 0 {
			t.Errorf("it went off %d times", len(off))
		}
	})
}

func TestTheTimeThatCountsIsTheLastOneSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, off := alarmFor(t)
		for pause := range 40 {
			a.set(time.Now().Add(5 * time.Second))
			if !a.callOff() {
				t.Error("it was not called off")
			}
			time.Sleep(time.Duration(pause) * 250 * time.Millisecond)
			due := time.Now().Add(5 * time.Second)
			a.set(due)
			if at := <-off; !at.Equal(due) {
				t.Errorf("after a pause of %d quarters it went off at %v, not %v", pause, at, due)
			}
		}
	})
}

// Whoever is first decides, and the other one knows: for each time that is set,
// the alarm goes off or is called off, never both and never neither. Both are
// let go at once, in turns, because what is looked for are the moments between
// two instructions.
func TestAnAlarmIsEitherCalledOffOrGoesOff(t *testing.T) {
	const turns = 50_000
	var went, called int
	a := newAlarm(time.Now().Add(-time.Hour), func() { went++ })
	a.armed.Store(true) // no timer: this test is the timer
	var begun, ended atomic.Int64
	await := func(n *atomic.Int64, turn int64) {
		for n.Load() < turn {
			runtime.Gosched()
		}
	}
	var timer sync.WaitGroup
	timer.Go(func() {
		for turn := int64(1); turn <= turns; turn++ {
			await(&begun, turn)
			a.fire()
			a.armed.Store(true)
			ended.Store(turn)
		}
	})
	failed, delay := false, 0 // which brings the two together
	for turn := int64(1); turn <= turns; turn++ {
		a.set(a.zero.Add(time.Duration(turn)))
		begun.Store(turn)
		for range delay {
			_ = begun.Load()
		}
		if a.callOff() {
			called++
			delay++
		} else {
			delay = max(0, delay-1)
		}
		await(&ended, turn)
		if !failed && called+went != int(turn) {
			failed = true
			t.Errorf("after %d turns it was called off %d times, and went off %d times", turn, called, went)
		}
	}
	timer.Wait()
	t.Logf("called off %d times, went off %d times", called, went)
}
