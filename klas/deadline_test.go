package klas_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/klas"
)

func TestEveryWebhookHasItsOwnDeadline(t *testing.T) {
	eitherWay(t, "", func(t *testing.T, way func(*http.Request)) {
		bubble(t, func(t *testing.T) {
			hook := newHook(t, timeout(5*time.Second))
			r := func() *http.Request {
				r := request(compact, sign(secret, compact))
				way(r)
				return r
			}
			for i := range 30 {
				want(t, send(t, hook.AuthenticateHandler(accept(t)), r(), secret), ok)
				time.Sleep(time.Duration(i) * time.Second / 3)
				start := time.Now()
				want(t, send(t, hook.AuthenticateHandler(waits()), r(), secret), unknown)
				if took := time.Since(start); took != 5*time.Second {
					t.Errorf("webhook %d was answered after %v", i, took)
				}
			}
		})
	})
}

// detached has the deadline of its parent, and does not end.
type detached struct{ context.Context }

func (detached) Done() <-chan struct{} { return nil }

func (detached) Err() error { return nil }

func TestAContextThatDoesNotKeepItsDeadlineHoldsUpNoAnswer(t *testing.T) {
	eitherWay(t, "", func(t *testing.T, way func(*http.Request)) {
		bubble(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			r := request(compact, sign(secret, compact)).WithContext(detached{ctx})
			way(r)
			start := time.Now()
			want(t, send(t, newHook(t, timeout(time.Second)).AuthenticateHandler(sleeps(time.Minute)), r, secret), unknown)
			if took := time.Since(start); took != time.Millisecond {
				t.Errorf("answered after %v", took)
			}
			time.Sleep(time.Hour)
		})
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
	eitherWay(t, "", func(t *testing.T, way func(*http.Request)) {
		bubble(t, func(t *testing.T) {
			results := newResults()
			hook := newHook(t, results.config, timeout(time.Second))
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
			r := request(compact, sign(secret, compact))
			way(r)
			start := time.Now()
			want(t, send(t, hook.AuthenticateHandler(auth), r, secret), unknown)
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
	})
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

// net/http ends the request's context if the client closes its half of the
// connection, as one may that has sent everything.
func TestTheContextGoesOnWhenTheClientHasSentEverything(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, leave := context.WithCancelCause(t.Context())
		leave(errors.New("left"))
		h := newHook(t).AuthenticateHandler(klas.AuthenticatorFunc(
			func(ctx context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
				if ctx.Err() != nil {
					t.Errorf("the context has ended: %v", ctx.Err())
				}
				return accept(t)(ctx, req)
			}))
		want(t, send(t, h, request(compact, sign(secret, compact)).WithContext(ctx), secret), ok)
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

func TestAnAuthenticatorThatEndsItsGoroutineIsAFailure(t *testing.T) {
	for name, late := range map[string]time.Duration{"in time": 0, "after the deadline": time.Minute} {
		t.Run(name, func(t *testing.T) {
			overHTTP(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
				results := newResults()
				client := serve(newHook(t, results.config).AuthenticateHandler(klas.AuthenticatorFunc(
					func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
						time.Sleep(late)
						runtime.Goexit()
						return klas.AuthenticateResponse{}, nil
					})))
				for range 3 {
					_, got := postTo(t, client, compact)
					want(t, got, unknown)
				}
				time.Sleep(2 * late)
				synctest.Wait()
				if len(results) != 3 {
					t.Errorf("%d results", len(results))
				}
			})
		})
	}
}

// A bubble fails if a goroutine of it is left.
func TestNoGoroutineIsLeftBehind(t *testing.T) {
	eitherWay(t, "", func(t *testing.T, way func(*http.Request)) {
		bubble(t, func(t *testing.T) {
			h := newHook(t).AuthenticateHandler(accept(t))
			for range 100 {
				r := request(compact, sign(secret, compact))
				way(r)
				want(t, send(t, h, r, secret), ok)
			}
		})
	})
}
