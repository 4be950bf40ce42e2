package tokencache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// A process that was stopped in the middle of an operation finds its deadlines gone.
// They prove nothing: the operation is tried again.
func TestRegisters_stoppedProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registers{timeout: time.Second}
		r.hanging.Grace = time.Hour // nothing runs while a process is stopped
		calls := 0
		value, err := r.do(t.Context(), true, func(ctx context.Context) ([]byte, error) {
			calls++
			if calls == 1 {
				time.Sleep(10 * time.Second)
				return nil, ctx.Err()
			}
			return []byte("value"), nil
		})
		if err != nil || string(value) != "value" {
			t.Errorf("got %q, %v", value, err)
		}
	})
}

func TestRegisters_pause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registers{timeout: time.Second}
		calls := 0
		fail := func(context.Context) ([]byte, error) {
			calls++
			return nil, errors.New("down")
		}
		_, err := r.do(t.Context(), true, fail)
		if !errors.Is(err, providerauth.ErrStoreUnavailable) {
			t.Errorf("error: %v", err)
		}
		begun, before := time.Now(), calls
		for range 100 {
			_, _ = r.do(t.Context(), false, fail)
		}
		if calls != before || time.Since(begun) != 0 {
			t.Errorf("%d operations within the pause, in %v, want none", calls-before, time.Since(begun))
		}
		time.Sleep(storePause)
		_, err = r.do(t.Context(), false, func(context.Context) ([]byte, error) { return nil, nil })
		if err != nil {
			t.Errorf("after the pause: %v", err)
		}
		_, err = r.do(t.Context(), false, func(context.Context) ([]byte, error) { return nil, nil })
		if err != nil {
			t.Errorf("after a success: %v", err)
		}
	})
}

// A store that ignores its contexts keeps a bounded number of goroutines.
func TestRegisters_hanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registers{timeout: 10 * time.Millisecond}
		end := make(chan struct{})
		for range 3 * maxStoreHangs {
			_, _ = r.do(t.Context(), true, func(context.Context) ([]byte, error) {
				<-end
				return nil, nil
			})
		}
		if n := r.hanging.Running(); n != maxStoreHangs {
			t.Errorf("%d operations run on, want %d", n, maxStoreHangs)
		}
		close(end)
	})
}
