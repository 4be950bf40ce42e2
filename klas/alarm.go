package klas

import (
	"sync/atomic"
	"time"
)

// An alarm calls a function at the time it was set to, unless it is called off
// before. A time.Timer that is set and stopped for every webhook costs as much
// as checking a signature. So here the timer is left running when the alarm is
// called off: when it fires it looks for what is due, and runs on for the rest
// if that is later. That takes times that never go back, which a fixed timeout
// gives, and costs one firing a timeout at the most. BenchmarkHandlerRatio shows
// the difference.
type alarm struct {
	zero    time.Time    // times are counted from here, on the monotonic clock
	due     atomic.Int64 // 0: called off, or called
	armed   atomic.Bool  // the timer is running; who sets it may touch the timer
	timer   *time.Timer
	expired func()
}

// newAlarm returns one that calls expired on a goroutine of its own.
func newAlarm(zero time.Time, expired func()) *alarm {
	a := &alarm{zero: zero, expired: expired}
	a.timer = time.AfterFunc(time.Hour, a.fire)
	a.timer.Stop()
	return a
}

// set sets an alarm that is not set. due is after zero, and not before what it
// was last set to.
func (a *alarm) set(due time.Time) {
	a.due.Store(int64(due.Sub(a.zero)))
	a.arm()
}

// callOff reports whether it came before the alarm.
func (a *alarm) callOff() bool {
	due := a.due.Load()
	return due != 0 && a.due.CompareAndSwap(due, 0)
}

// ahead reports whether the alarm is set, has not gone off and is not yet due.
func (a *alarm) ahead() bool {
	due := a.due.Load()
	return due != 0 && time.Since(a.zero) < time.Duration(due)
}

// arm sees to it that the timer fires at the latest when something is due. Both
// it and fire write before they read, so that one of them sees the other.
func (a *alarm) arm() {
	if !a.armed.Load() && a.armed.CompareAndSwap(false, true) {
		a.timer.Reset(time.Duration(a.due.Load()) - time.Since(a.zero))
	}
}

func (a *alarm) fire() {
	a.armed.Store(false)
	due := a.due.Load()
	switch {
	case due == 0:
	case time.Since(a.zero) < time.Duration(due):
		a.arm()
	case a.due.CompareAndSwap(due, 0):
		a.expired()
	}
}
