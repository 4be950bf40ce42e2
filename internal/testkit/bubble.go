package testkit

import (
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Bubble runs f in simulated time with a server in memory, and closes the server.
// Options has the field InMemory of all simulators.
func Bubble[Options any, Server interface{ Close() }](t *testing.T, newServer func(Options) Server, opt Options, f func(t *testing.T, srv Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(inMemory(opt))
		defer srv.Close()
		f(t, srv)
	})
}

func inMemory[Options any](opt Options) Options {
	reflect.ValueOf(&opt).Elem().FieldByName("InMemory").SetBool(true)
	return opt
}

// Crowd calls f from n goroutines at once and waits for them.
func Crowd(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// Start calls f on a goroutine of the bubble, and returns when f waits for
// something. wait returns when f has ended.
func Start(f func()) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(f)
	synctest.Wait()
	return wg.Wait
}

// Until sleeps in a bubble until a time in seconds since 1970.
func Until(unix int64) { time.Sleep(time.Until(time.Unix(unix, 0))) }

// Repeat makes a call until it succeeds or its error is not Retryable, at most
// three times. It returns the last error.
func Repeat(call func(n int) error) (err error) {
	for n := range 3 {
		err = call(n)
		var advised interface {
			error
			Retryable() (time.Duration, bool)
		}
		if !errors.As(err, &advised) {
			return err
		}
		after, ok := advised.Retryable()
		if !ok {
			return err
		}
		time.Sleep(after)
	}
	return err
}
