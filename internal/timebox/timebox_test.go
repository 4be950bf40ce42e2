package timebox_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/timebox"
)

func returns(text string, err error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return text, err }
}

func TestRun(t *testing.T) {
	t.Run("returns the result of the code", func(t *testing.T) {
		var a timebox.Abandoned
		got, err := timebox.Run(t.Context(), &a, returns("x", io.EOF), nil)
		if got != "x" || err != io.EOF {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("returns a panic with its stack", func(t *testing.T) {
		var a timebox.Abandoned
		_, err := timebox.Run(t.Context(), &a, func(context.Context) (int, error) { panic("hidden") }, nil)
		var p *timebox.Panic
		if !errors.As(err, &p) || p.Value != "hidden" || !strings.Contains(string(p.Stack), "timebox_test.go") {
			t.Errorf("%v", err)
		}
		if got := err.Error(); got != "panicked with a string" {
			t.Errorf("text %q", got)
		}
	})
	t.Run("returns a panic without a value for runtime.Goexit", func(t *testing.T) {
		var a timebox.Abandoned
		_, err := timebox.Run(t.Context(), &a, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil }, nil)
		var p *timebox.Panic
		if !errors.As(err, &p) || p.Value != nil || err.Error() != "ended its goroutine without returning" {
			t.Errorf("%v", err)
		}
	})
	t.Run("does not call the code if the context has ended", func(t *testing.T) {
		var a timebox.Abandoned
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := timebox.Run(ctx, &a, func(context.Context) (int, error) { t.Error("called"); return 0, nil }, nil)
		if err != timebox.ErrNotBegun || a.Running() != 0 {
			t.Errorf("%v, %d running", err, a.Running())
		}
	})
	t.Run("returns at the deadline, and counts the code until it ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			late := errors.New("late")
			ended := make(chan error, 1)
			var a timebox.Abandoned
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			got, err := timebox.Run(ctx, &a, func(context.Context) (string, error) {
				time.Sleep(time.Minute)
				return "dropped", late
			}, func(v string, err error) {
				if v != "dropped" || a.Running() != 1 {
					t.Errorf("%q, %d running", v, a.Running())
				}
				ended <- err
			})
			if got != "" || err != timebox.ErrLate || time.Since(start) != time.Second || a.Running() != 1 {
				t.Errorf("%q, %v after %v, %d running", got, err, time.Since(start), a.Running())
			}
			if got := <-ended; got != late {
				t.Errorf("ended with %v", got)
			}
			synctest.Wait()
			if a.Running() != 0 {
				t.Errorf("%d running", a.Running())
			}
		})
	})
	t.Run("passes on the panic of abandoned code", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan error, 1)
			var a timebox.Abandoned
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _ = timebox.Run(ctx, &a, func(context.Context) (int, error) { time.Sleep(time.Minute); panic(1) }, func(_ int, err error) { ended <- err })
			var p *timebox.Panic
			if err := <-ended; !errors.As(err, &p) || p.Value != 1 {
				t.Errorf("%v", err)
			}
		})
	})
}

// The end of the context and the end of the code race. A result is returned, or
// dropped; a run is counted only while it goes on.
func TestRun_race(t *testing.T) {
	var a timebox.Abandoned
	var late, inTime int
	for range 20_000 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		got, err := timebox.Run(ctx, &a, func(context.Context) (int, error) { return 7, nil }, nil)
		switch {
		case err == nil && got == 7:
			inTime++
		case (err == timebox.ErrLate || err == timebox.ErrNotBegun) && got == 0:
			late++
		default:
			t.Fatalf("%d, %v", got, err)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for a.Running() != 0 && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	t.Logf("%d in time, %d late", inTime, late)
	if a.Running() != 0 {
		t.Errorf("%d runs are counted after all have ended", a.Running())
	}
}

func TestRun_errNotBegun(t *testing.T) {
	for range 5_000 {
		var a timebox.Abandoned
		ctx, cancel := context.WithCancel(t.Context())
		began, leave := make(chan struct{}, 1), make(chan struct{})
		go cancel()
		_, err := timebox.Run(ctx, &a, func(context.Context) (int, error) {
			began <- struct{}{}
			<-leave
			return 0, nil
		}, nil)
		if err == timebox.ErrNotBegun {
			for range 20 {
				runtime.Gosched()
			}
			if len(began) != 0 {
				t.Fatal("the code began")
			}
		}
		close(leave)
	}
}

func TestRun_panics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a timebox.Abandoned
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := timebox.Run(ctx, &a, func(context.Context) (int, error) { time.Sleep(time.Minute); return 0, nil },
			func(int, error) { panic("late") })
		if err != timebox.ErrLate {
			t.Error(err)
		}
		a.Go(func() { panic("go") })
		time.Sleep(time.Hour)
		if a.Running() != 0 {
			t.Errorf("%d running", a.Running())
		}
	})
}

func BenchmarkRun(b *testing.B) {
	b.ReportAllocs()
	var a timebox.Abandoned
	for b.Loop() {
		if _, err := timebox.Run(b.Context(), &a, returns("", nil), nil); err != nil {
			b.Fatal(err)
		}
	}
}
