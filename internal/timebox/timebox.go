// Package timebox runs code, and goes on without it when the context ends: the
// code may ignore its context.
package timebox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// The errors of Run if the context ended first. After ErrLate the code goes on;
// after ErrNotBegun it has not begun, and does not begin.
var (
	ErrLate     = errors.New("did not return in time")
	ErrNotBegun = errors.New("did not begin in time")
)

// A Panic is the error after a panic or runtime.Goexit. Error names the type of
// the value only: the value may hold a secret.
type Panic struct {
	Value any    // nil if the code called runtime.Goexit
	Stack []byte // where it panicked; nil if it called runtime.Goexit
}

func (p *Panic) Error() string {
	if p.Value == nil {
		return "ended its goroutine without returning"
	}
	return fmt.Sprintf("panicked with a %T", p.Value)
}

// Abandoned counts the runs that nobody waits for. The zero Abandoned is ready
// to use. It is safe for concurrent use.
type Abandoned struct {
	// Grace is how long Run waits after the end of its context for code that
	// honours the context. Default 0.
	Grace time.Duration

	running atomic.Int64
}

// Running returns how many abandoned runs have not ended.
func (a *Abandoned) Running() int64 { return a.running.Load() }

// Go calls f on a goroutine of its own, as a run that nobody waits for. A panic
// of f is dropped.
func (a *Abandoned) Go(f func()) {
	a.running.Add(1)
	go func() {
		defer a.running.Add(-1)
		defer func() { _ = recover() }()
		f()
	}()
}

// Over reports whether ctx has ended or is due to end now.
func Over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// The states of a run.
const (
	waiting   = iota // f has not begun
	begun            // f is running, and Run waits for it
	finished         // f has ended, and its result is stored
	abandoned        // Run has returned ErrLate or ErrNotBegun
)

// A run is a call of f.
type run[T any] struct {
	state atomic.Int32
	done  chan struct{} // closed when finished
	value T
	err   error

	returned bool // f returned
}

// Run calls f on a goroutine of its own and returns the result of f, a *Panic, or
// ErrLate or ErrNotBegun if ctx ended first. After ErrLate, f counts as abandoned
// and whatever it uses belongs to it for good. When it ends, late is called with
// the result, on the same goroutine, unless late is nil; a panic of late is
// dropped.
func Run[T any](ctx context.Context, a *Abandoned, f func(context.Context) (T, error), late func(T, error)) (T, error) {
	var none T
	if Over(ctx) {
		return none, ErrNotBegun
	}
	r := &run[T]{done: make(chan struct{})}
	go r.call(ctx, a, f, late)
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		if r.ends(a.Grace) {
			return r.value, r.err
		}
	}
	a.running.Add(1)
	switch r.state.Swap(abandoned) {
	case finished:
		a.running.Add(-1)
		return r.value, r.err
	case waiting: // call finds it abandoned, and does not begin
		a.running.Add(-1)
		return none, ErrNotBegun
	}
	return none, ErrLate
}

// ends reports whether f ends within the grace.
func (r *run[T]) ends(grace time.Duration) bool {
	if grace <= 0 {
		return false
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-r.done:
		return true
	case <-t.C:
		return false
	}
}

// call calls f unless the run was abandoned, and stores the result.
func (r *run[T]) call(ctx context.Context, a *Abandoned, f func(context.Context) (T, error), late func(T, error)) {
	if !r.state.CompareAndSwap(waiting, begun) {
		return
	}
	defer r.end(a, late)
	r.value, r.err = f(ctx)
	r.returned = true
}

// end is deferred: it recovers a panic of f.
func (r *run[T]) end(a *Abandoned, late func(T, error)) {
	if v := recover(); v != nil {
		r.err = &Panic{Value: v, Stack: debug.Stack()}
	} else if !r.returned {
		r.err = &Panic{}
	}
	if r.state.CompareAndSwap(begun, finished) {
		close(r.done)
		return
	}
	defer a.running.Add(-1)
	if late != nil {
		defer func() { _ = recover() }()
		late(r.value, r.err)
	}
}
