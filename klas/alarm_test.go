package klas

import (
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

func TestAlarm_ahead(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration
		end   func(*alarm)
		want  bool
	}{
		"before it is due":         {5*time.Second - 1, func(*alarm) {}, true},
		"when it is due":           {5 * time.Second, func(*alarm) {}, false},
		"when it has gone off":     {time.Hour, func(*alarm) {}, false},
		"when it was called off":   {time.Second, func(a *alarm) { a.callOff() }, false},
		"when it is set once more": {time.Minute, func(a *alarm) { a.set(time.Now().Add(time.Second)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := alarmFor(t)
				a.set(time.Now().Add(5 * time.Second))
				time.Sleep(c.after)
				c.end(a)
				if got := a.ahead(); got != c.want {
					t.Errorf("ahead is %v", got)
				}
			})
		})
	}
}

// Whoever is first decides, and the other one knows: each alarm goes off or is
// called off, never both and never neither. Two goroutines go through a row of
// alarms side by side, because what is looked for are the moments between two
// instructions; neither waits for the other for long.
func TestAnAlarmIsEitherCalledOffOrGoesOff(t *testing.T) {
	const row, rows = 2000, 25
	var both, neither, called, went int
	for r := range rows {
		alarms := make([]*alarm, row)
		off, gone := make([]bool, row), make([]bool, row)
		for i := range alarms {
			alarms[i] = newAlarm(time.Now().Add(-time.Hour), func() { gone[i] = true })
			alarms[i].armed.Store(true) // no timer: this test is the timer
			alarms[i].set(alarms[i].zero.Add(time.Second))
		}
		var at atomic.Int64
		var timer sync.WaitGroup
		timer.Go(func() {
			for i, a := range alarms {
				at.Store(int64(i))
				a.fire()
			}
		})
		for i, a := range alarms {
			for n := 0; n < 200 && at.Load() < int64(i); n++ {
				_ = n
			}
			for n := 0; n < r; n++ { // a little later in each row
				_ = at.Load()
			}
			off[i] = a.callOff()
		}
		timer.Wait()
		for i := range alarms {
			switch {
			case off[i] && gone[i]:
				both++
			case off[i]:
				called++
			case gone[i]:
				went++
			default:
				neither++
			}
		}
	}
	t.Logf("called off %d times, went off %d times", called, went)
	if both > 0 || neither > 0 {
		t.Errorf("both happened %d times, neither %d times", both, neither)
	}
}
