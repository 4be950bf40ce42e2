package klas

import (
	"math/rand/v2"
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
// the alarm goes off or is called off, never both and never neither. In real
// time, because what is looked for are the moments between two instructions.
func TestAnAlarmIsEitherCalledOffOrGoesOff(t *testing.T) {
	var went atomic.Int64
	over := make(chan struct{}, 1)
	a := newAlarm(time.Now(), func() { went.Add(1); over <- struct{}{} })
	var called int64
	const turns = 20_000
	for range turns {
		a.set(time.Now().Add(time.Duration(1+rand.IntN(20)) * time.Microsecond))
		for range rand.IntN(3000) {
			if a.due.Load() == 0 {
				break
			}
		}
		if a.callOff() {
			called++
		} else {
			<-over
		}
	}
	if called+went.Load() != turns || len(over) != 0 {
		t.Errorf("called off %d times, went off %d times, of %d", called, went.Load(), turns)
	}
	t.Logf("called off %d times, went off %d times", called, went.Load())
}
