package klas_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/klas"
)

func TestAnAuthenticatorThatIgnoresItsContextDoesNotHoldTheAnswerBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		results := newResults()
		h := newHook(t, results.config, timeout(3*time.Second))
		release := make(chan struct{})
		var ended bool
		auth := klas.AuthenticatorFunc(func(ctx context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			<-release
			ended = true
			return accept(t)(ctx, req)
		})
		start := time.Now()
		want(t, post(t, h.AuthenticateHandler(auth), compact), unknown)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("answered after %v", took)
		}
		if r := <-results; r.Code != klas.StatusUnknown || !errors.Is(r.Err, context.DeadlineExceeded) {
			t.Errorf("result %+v", r)
		}
		// Its goroutine ends when it returns, and disturbs nobody.
		other := h.AuthenticateHandler(accept(t))
		want(t, post(t, other, compact), ok)
		close(release)
		synctest.Wait()
		if !ended {
			t.Error("the authenticator was not let go")
		}
		for range 10 {
			want(t, post(t, other, compact), ok)
		}
	})
}

func TestTheDefaultTimeoutIsFiveSeconds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		want(t, post(t, newHook(t).AuthenticateHandler(waits()), compact), unknown)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("answered after %v", took)
		}
	})
}

// waits is an Authenticator that honours its context, and nothing else.
func waits() klas.AuthenticatorFunc {
	return func(ctx context.Context, _ klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		<-ctx.Done()
		return klas.AuthenticateResponse{}, ctx.Err()
	}
}

func TestTheContextEndsWithTheDeadline(t *testing.T) {
	for _, inline := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			results := newResults()
			hook := newHook(t, results.config, timeout(time.Second), func(cfg *klas.Config) { cfg.Inline = inline })
			var deadline time.Time
			var err, derived error
			auth := klas.AuthenticatorFunc(func(ctx context.Context, _ klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
				deadline, _ = ctx.Deadline()
				child, cancel := context.WithCancel(ctx)
				defer cancel()
				<-child.Done()
				err, derived = ctx.Err(), child.Err()
				return klas.AuthenticateResponse{}, err
			})
			start := time.Now()
			want(t, post(t, hook.AuthenticateHandler(auth), compact), unknown)
			synctest.Wait() // the answer may be out before the authenticator has returned
			if took := time.Since(start); took != time.Second || !deadline.Equal(start.Add(time.Second)) {
				t.Errorf("answered after %v, deadline after %v", took, deadline.Sub(start))
			}
			if err != context.DeadlineExceeded || derived != context.DeadlineExceeded {
				t.Errorf("errors %v and %v", err, derived)
			}
			if r := <-results; !errors.Is(r.Err, context.DeadlineExceeded) {
				t.Errorf("result %+v", r)
			}
		})
	}
}

func TestATimeSpentOnTheBodyIsNotGivenTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHook(t, timeout(4*time.Second)).AuthenticateHandler(waits())
		r := request(compact, sign(secret, compact))
		r.Body = halfClosed{&delayed{r.Body, 3 * time.Second}}
		start := time.Now()
		want(t, send(t, h, r, secret), unknown)
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("answered after %v", took)
		}
	})
}

type delayed struct {
	r interface{ Read([]byte) (int, error) }
	d time.Duration
}

func (d *delayed) Read(p []byte) (int, error) {
	time.Sleep(d.d)
	d.d = 0
	return d.r.Read(p)
}

func TestTheContextEndsWhenTheClientLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { leave(errors.New("left")) })
		results := newResults()
		h := newHook(t, results.config).AuthenticateHandler(waits())
		start := time.Now()
		want(t, send(t, h, request(compact, sign(secret, compact)).WithContext(ctx), secret), unknown)
		if took := time.Since(start); took != time.Second {
			t.Errorf("answered after %v", took)
		}
		if r := <-results; !errors.Is(r.Err, context.Canceled) {
			t.Errorf("result %+v", r)
		}
	})
}

type ctxKey struct{}

func TestTheContextIsTheRequests(t *testing.T) {
	for _, derive := range []bool{false, true} {
		var got any
		h := newHook(t).AuthenticateHandler(klas.AuthenticatorFunc(
			func(ctx context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
				if derive {
					child, cancel := context.WithTimeout(ctx, time.Hour)
					defer cancel()
					ctx = child
				}
				got = ctx.Value(ctxKey{})
				return accept(t)(ctx, req)
			}))
		ctx := context.WithValue(t.Context(), ctxKey{}, "trace")
		want(t, send(t, h, request(compact, sign(secret, compact)).WithContext(ctx), secret), ok)
		if got != "trace" {
			t.Errorf("value %v", got)
		}
	}
}

func TestAContextDerivedFromItNeedsNoGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var before, after int
		h := newHook(t).AuthenticateHandler(klas.AuthenticatorFunc(
			func(ctx context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
				synctest.Wait()
				before = runtime.NumGoroutine()
				child, cancel := context.WithCancel(ctx)
				defer cancel()
				after = runtime.NumGoroutine()
				return accept(t)(child, req)
			}))
		want(t, post(t, h, compact), ok)
		if after != before {
			t.Errorf("%d goroutines, %d before", after, before)
		}
	})
}

func TestTheContextIsOverOnceTheAnswerIsOut(t *testing.T) {
	for name, ask := range map[string]func(context.Context){
		"asked before": func(ctx context.Context) { ctx.Done() },
		"asked after":  func(context.Context) {},
	} {
		t.Run(name, func(t *testing.T) {
			var kept context.Context
			h := newHook(t).AuthenticateHandler(klas.AuthenticatorFunc(
				func(ctx context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
					ask(ctx)
					kept = ctx
					return accept(t)(ctx, req)
				}))
			want(t, post(t, h, compact), ok)
			select {
			case <-kept.Done():
			default:
				t.Error("the context goes on")
			}
			if kept.Err() != context.Canceled {
				t.Errorf("error %v", kept.Err())
			}
		})
	}
}

func TestAPanicAfterTheDeadlineIsCaughtAndLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		release := make(chan struct{})
		hook := newHook(t, func(cfg *klas.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		h := hook.AuthenticateHandler(klas.AuthenticatorFunc(
			func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
				<-release
				panic("sentinel-9f8e7d6c")
			}))
		want(t, post(t, h, compact), unknown)
		log.Reset()
		close(release)
		synctest.Wait()
		text := log.String()
		if !strings.Contains(text, "panic after the answer") || !strings.Contains(text, "deadline_test.go") || strings.Contains(text, "sentinel") {
			t.Errorf("log: %s", text)
		}
	})
}

func TestAnAuthenticatorThatEndsItsGoroutineIsAFailure(t *testing.T) {
	h := newHook(t).AuthenticateHandler(klas.AuthenticatorFunc(
		func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			runtime.Goexit()
			return klas.AuthenticateResponse{}, nil
		}))
	want(t, post(t, h, compact), unknown)
	want(t, post(t, h, compact), unknown)
}

func TestNoGoroutineIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	h := newHook(t).AuthenticateHandler(accept(t))
	for range 100 {
		want(t, post(t, h, compact), ok)
	}
	// One that has handed over its result may be on its last instructions.
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestMiddlewareThatIgnoresItsContextDoesNotHoldTheAnswerBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hook := newHook(t, timeout(time.Second))
		release := make(chan struct{})
		h := hook.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			w.Header().Set("X-Late", "1")
			_, _ = w.Write([]byte(`{"status_code":"OK"}`))
		}))
		start := time.Now()
		want(t, post(t, h, compact), unknown)
		if took := time.Since(start); took != time.Second {
			t.Errorf("answered after %v", took)
		}
		close(release)
		synctest.Wait()
		want(t, post(t, hook.AuthenticateHandler(accept(t)), compact), ok)
	})
}
