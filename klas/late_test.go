package klas_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/klas"
)

func TestAnAuthenticatorThatIgnoresItsContextDoesNotHoldTheAnswerBack(t *testing.T) {
	overHTTP(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
		results := newResults()
		release := make(chan struct{})
		var stuck, ended atomic.Bool
		stuck.Store(true)
		client := serve(newHook(t, results.config, timeout(3*time.Second)).AuthenticateHandler(klas.AuthenticatorFunc(
			func(ctx context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
				if stuck.Load() {
					<-release
					ended.Store(true)
				}
				return accept(t)(ctx, req)
			})))
		start := time.Now()
		resp, got := postTo(t, client, compact)
		want(t, got, unknown)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("answered after %v", took)
		}
		if resp.Close {
			t.Error("the connection closes, though the body was read to its end")
		}
		if r := <-results; r.Code != klas.StatusUnknown || !errors.Is(r.Err, context.DeadlineExceeded) || r.Duration != 3*time.Second {
			t.Errorf("result %+v", r)
		}
		// Its goroutine ends when it returns, and disturbs nobody.
		stuck.Store(false)
		again := func() {
			_, got := postTo(t, client, compact)
			want(t, got, ok)
		}
		again()
		close(release)
		synctest.Wait()
		if !ended.Load() {
			t.Error("the authenticator was not let go")
		}
		for range 10 {
			again()
		}
		synctest.Wait()
		if len(results) != 11 {
			t.Errorf("%d results", len(results))
		}
	})
}

func TestShutdownDoesNotWaitForCodeThatIsLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		hook := newHook(t, timeout(time.Second))
		srv, dial := startServer(t, hook.AuthenticateHandler(stuck(release)))
		c := dial()
		defer c.Close()
		go sendOn(c)
		_, got := answerOn(t, c)
		want(t, got, unknown)
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if n := hook.Abandoned(); n != 1 {
			t.Errorf("%d calls are abandoned", n)
		}
		close(release)
		synctest.Wait()
		if n := hook.Abandoned(); n != 0 {
			t.Errorf("%d calls are abandoned after they have ended", n)
		}
	})
}

// unflushable hides what a recorder can do beside what every writer can.
type unflushable struct{ http.ResponseWriter }

func TestAnswersThatCannotBeFlushedGoOutAtTheDeadlineToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		h := newHook(t, timeout(time.Second)).AuthenticateHandler(stuck(release))
		w := httptest.NewRecorder()
		start := time.Now()
		h.ServeHTTP(unflushable{w}, request(compact, sign(secret, compact)))
		want(t, signed(t, w.Result(), secret), unknown)
		if took := time.Since(start); took != time.Second {
			t.Errorf("answered after %v", took)
		}
	})
}

// compressing is a writer as middleware makes them that compresses: it drops the
// length, and what it has is complete when it is closed, after the handler.
type compressing struct {
	http.ResponseWriter
	buf bytes.Buffer
}

func (c *compressing) Write(p []byte) (int, error) { return c.buf.Write(p) }

func (c *compressing) Flush() {}

func (c *compressing) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *compressing) Close() { _, _ = c.ResponseWriter.Write(c.buf.Bytes()) }

func TestAnAnswerBehindMiddlewareIsOutAtTheDeadline(t *testing.T) {
	overHTTP(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
		release := make(chan struct{})
		defer close(release)
		h := newHook(t, timeout(time.Second)).AuthenticateHandler(stuck(release))
		client := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := &compressing{ResponseWriter: w}
			defer c.Close()
			h.ServeHTTP(c, r)
		}))
		start := time.Now()
		_, got := postTo(t, client, compact)
		want(t, got, unknown)
		if took := time.Since(start); took != time.Second {
			t.Errorf("answered after %v", took)
		}
	})
}

// own can do what the writers of net/http can.
type own struct{ *httptest.ResponseRecorder }

func (w own) FlushError() error             { w.Flush(); return nil }
func (own) SetReadDeadline(time.Time) error { return nil }

func TestTheAnswerIsFlushedAndItsLengthStatedByNetHTTPOnly(t *testing.T) {
	for _, nethttp := range []bool{false, true} {
		rec := httptest.NewRecorder()
		var w http.ResponseWriter = rec
		if nethttp {
			w = own{rec}
		}
		newHook(t).AuthenticateHandler(accept(t)).ServeHTTP(w, request(compact, sign(secret, compact)))
		if rec.Flushed != nethttp || (rec.Header().Get("Content-Length") == strconv.Itoa(len(ok))) != nethttp {
			t.Errorf("net/http %v: flushed %v, header %v", nethttp, rec.Flushed, rec.Header())
		}
		want(t, signed(t, rec.Result(), secret), ok)
	}
}

// broken is a writer that panics, as net/http allows.
type broken struct{ *httptest.ResponseRecorder }

func (broken) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

// failing is a writer whose connection is gone.
type failing struct{ *httptest.ResponseRecorder }

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// stuck ignores its context until it is let go.
func stuck(release <-chan struct{}) klas.AuthenticatorFunc {
	return func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		<-release
		return klas.AuthenticateResponse{}, nil
	}
}

func sleeps(d time.Duration) klas.AuthenticatorFunc {
	return func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		time.Sleep(d)
		return klas.AuthenticateResponse{}, nil
	}
}

func TestAWriterThatPanicsIsReportedAndItsPanicGoesOn(t *testing.T) {
	results := newResults()
	hook := newHook(t, results.config)
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("panic %v", v)
			}
		}()
		hook.AuthenticateHandler(accept(t)).ServeHTTP(broken{httptest.NewRecorder()}, request(compact, sign(secret, compact)))
	}()
	if r := <-results; r.Code != klas.StatusOK || r.Err != nil || r.SendErr == nil {
		t.Errorf("result %+v", r)
	}
	want(t, post(t, hook.AuthenticateHandler(accept(t)), compact), ok)
}

func TestAnAnswerThatDidNotLeaveIsReportedAsSuch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		results := newResults()
		hook := newHook(t, results.config)
		hook.AuthenticateHandler(sleeps(time.Hour)).ServeHTTP(failing{httptest.NewRecorder()}, request(compact, sign(secret, compact)))
		if r := <-results; r.Code != klas.StatusUnknown || !errors.Is(r.Err, context.DeadlineExceeded) || r.SendErr != io.ErrClosedPipe {
			t.Errorf("result %+v", r)
		}
		hook.AuthenticateHandler(accept(t)).ServeHTTP(failing{httptest.NewRecorder()}, request(compact, sign(secret, compact)))
		if r := <-results; r.Code != klas.StatusOK || r.Err != nil || r.SendErr != io.ErrClosedPipe {
			t.Errorf("result %+v", r)
		}
		time.Sleep(time.Hour)
	})
}

type panickyLogger struct{ slog.Handler }

func (panickyLogger) Enabled(context.Context, slog.Level) bool  { return true }
func (panickyLogger) Handle(context.Context, slog.Record) error { panic("logger") }

func TestALoggerThatPanicsCostsNoAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		auth klas.AuthenticatorFunc
		want string
	}{
		"in time": {accept(t), ok},
		"late":    {sleeps(time.Minute), unknown},
		"panics":  {panics("x"), unknown},
		"panics, and later": {func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			time.Sleep(time.Minute)
			panic("x")
		}, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			overHTTP(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
				client := serve(newHook(t, func(cfg *klas.Config) {
					cfg.Logger = slog.New(panickyLogger{})
					cfg.OnResult = func(context.Context, klas.Result) { panic("on result") }
				}).AuthenticateHandler(tc.auth))
				_, got := postTo(t, client, compact)
				want(t, got, tc.want)
				time.Sleep(time.Hour)
			})
		})
	}
}

// What is used again must not remember which way the last webhook came. Of a
// request that was made by hand nothing is known.
func TestAllVersionsOfHTTPShareAWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hook := newHook(t, timeout(time.Second))
		for range 5 {
			for _, version := range []int{1, 2, 1, 0} {
				want(t, post(t, hook.AuthenticateHandler(accept(t)), compact), ok)
				r := request(compact, sign(secret, compact))
				r.ProtoMajor = version
				w := httptest.NewRecorder()
				start := time.Now()
				hook.AuthenticateHandler(sleeps(time.Minute)).ServeHTTP(w, r)
				took := time.Since(start)
				want(t, signed(t, w.Result(), secret), unknown)
				if took != time.Second {
					t.Errorf("ServeHTTP took %v over HTTP/%d", took, version)
				}
			}
		}
		time.Sleep(time.Hour)
	})
}

func TestOverHTTP2TheAnswerDoesNotWaitEither(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewUnstartedServer(newHook(t, timeout(50*time.Millisecond)).AuthenticateHandler(stuck(release)))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	defer close(release) // the answer is there before
	resp, got := postURL(t, srv.Client(), srv.URL, compact)
	want(t, got, unknown)
	if resp.ProtoMajor != 2 {
		t.Errorf("it was %s", resp.Proto)
	}
}

func TestAPanicAfterTheDeadlineIsCaughtAndLogged(t *testing.T) {
	overHTTP(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
		var log bytes.Buffer
		release := make(chan struct{})
		hook := newHook(t, func(cfg *klas.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		client := serve(hook.AuthenticateHandler(klas.AuthenticatorFunc(
			func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
				<-release
				panic("sentinel-9f8e7d6c")
			})))
		_, got := postTo(t, client, compact)
		want(t, got, unknown)
		synctest.Wait()
		log.Reset()
		close(release)
		synctest.Wait()
		text := log.String()
		if !strings.Contains(text, "panic after the answer") || !strings.Contains(text, "late_test.go") || strings.Contains(text, "sentinel") {
			t.Errorf("log: %s", text)
		}
	})
}

func TestMiddlewareThatIgnoresItsContextDoesNotHoldTheAnswerBack(t *testing.T) {
	overHTTP(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
		release := make(chan struct{})
		client := serve(newHook(t, timeout(time.Second)).Middleware(http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Late", "1")
				_, _ = w.Write([]byte(`{"status_code"`))
				<-release
				_, _ = w.Write([]byte(`:"OK"}`))
			})))
		start := time.Now()
		resp, got := postTo(t, client, compact)
		want(t, got, unknown)
		if took := time.Since(start); took != time.Second {
			t.Errorf("answered after %v", took)
		}
		if resp.Header.Get("X-Late") != "" {
			t.Error("a header of the late answer is in it")
		}
		close(release)
		synctest.Wait()
		_, got = postTo(t, client, compact)
		want(t, got, `{"status_code":"OK"}`)
	})
}
