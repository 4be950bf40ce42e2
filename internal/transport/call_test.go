package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

func TestResponseIsWhatTheProviderSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := client(t, w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			rw.Header().Set("X-Request-Id", "r-1")
			rw.WriteHeader(201)
			_, _ = io.WriteString(rw, `{"id":7}`)
		}), nil)
		resp, err := c.Do(t.Context(), post(transport.Rotating))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Status != 201 || resp.Header.Get("X-Request-Id") != "r-1" || string(resp.Body) != `{"id":7}` || resp.Attempts != 1 || !resp.Received.Equal(time.Now()) {
			t.Errorf("got %+v", resp)
		}
	})
}

func TestInvalidCallsAreRefusedBeforeAnythingIsSent(t *testing.T) {
	with := func(change func(*transport.Call)) transport.Call {
		call := post(transport.Once)
		change(&call)
		return call
	}
	header := func(policy transport.Policy, name, value string) transport.Call {
		return with(func(c *transport.Call) {
			c.Policy = policy
			c.Signer = signer(func(_ context.Context, r *http.Request, _ []byte) error { r.Header[name] = []string{value}; return nil })
		})
	}
	for name, tt := range map[string]struct {
		call transport.Call
		text string
	}{
		"no method":                       {with(func(c *transport.Call) { c.Method = "" }), "method is not one of HTTP"},
		"method with a blank":             {with(func(c *transport.Call) { c.Method = "POST /" }), "method is not one of HTTP"},
		"GET that is not Safe":            {with(func(c *transport.Call) { c.Method = "GET" }), "method may be sent again by net/http itself, so the policy must be Safe"},
		"input that is not JSON":          {with(func(c *transport.Call) { c.In = math.NaN() }), "json: unsupported value: NaN: in cannot be written as JSON"},
		"path of another host":            {with(func(c *transport.Call) { c.Path = "https://elsewhere.example/" }), "path must be relative to the base URL, without scheme, host or fragment"},
		"Rotating, Idempotency-Key":       {header(transport.Rotating, "Idempotency-Key", "1"), "header Idempotency-Key: net/http may send the request again by itself, so the policy must be Safe"},
		"Rotating, x-idempotency-key":     {header(transport.Rotating, "x-idempotency-key", "1"), "header Idempotency-Key: net/http may send the request again by itself, so the policy must be Safe"},
		"Once, the same":                  {header(transport.Once, "IDEMPOTENCY-KEY", "1"), "header Idempotency-Key: net/http may send the request again by itself, so the policy must be Safe"},
		"header value with a line break":  {header(transport.Safe, "Authorization", "secret\n"), "header Authorization has control characters"},
		"header value with DEL":           {header(transport.Safe, "Authorization", "\x7f"), "header Authorization has control characters"},
		"header name that HTTP cannot do": {header(transport.Safe, "secret value", "1"), "a header name has characters that HTTP does not allow"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				c := client(t, w.serve(t, func(http.ResponseWriter, *http.Request) {}), nil)
				_, err := c.Do(t.Context(), tt.call)
				e := failure(t, err)
				want := providerauth.ErrInvalidRequest.Error() + ": " + tt.text
				if text(e) != want || e.Status != 0 || e.Attempts != 0 || w.requests.Load() != 0 {
					t.Errorf("%d attempts: %v\nwant %s", e.Attempts, err, want)
				}
				if !errors.Is(err, providerauth.ErrInvalidRequest) || errors.Is(err, providerauth.ErrAmbiguous) || retryable(e) {
					t.Errorf("%v: invalid %v, ambiguous %v, retryable %v", err, errors.Is(err, providerauth.ErrInvalidRequest), errors.Is(err, providerauth.ErrAmbiguous), retryable(e))
				}
			})
		})
	}
}

func TestACallThatIsCheckedFirstIsMarshalledOnceAndSentTwice(t *testing.T) {
	var bodies []string
	c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(b))
		return answer(200, ""), nil
	}), nil)
	call := post(transport.Once)
	in := &counting{}
	call.In = in
	if err := c.Check(t.Context(), &call); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Do(t.Context(), call); err != nil {
			t.Fatal(err)
		}
	}
	if in.n != 1 || len(bodies) != 2 || bodies[0] != `{"n":1}` || bodies[1] != `{"n":1}` {
		t.Errorf("marshalled %d times, sent %q", in.n, bodies)
	}
	for field, bad := range map[string]transport.Call{
		"method": {Method: "G T"}, "path": {Method: "GET", Path: "/../x"}, "in": {Method: "GET", In: math.NaN()},
	} {
		var e *apierror.Error
		if err := c.Check(t.Context(), &bad); !errors.As(err, &e) || e.Fields[field] == "" || !errors.Is(err, providerauth.ErrInvalidRequest) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// counting is a body that tells how often it was marshalled.
type counting struct{ n int }

func (c *counting) MarshalJSON() ([]byte, error) {
	c.n++
	return fmt.Appendf(nil, `{"n":%d}`, c.n), nil
}

func TestNilContextAndMissingBaseURLAreErrors(t *testing.T) {
	var none context.Context
	c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { t.Error("sent"); return answer(200, ""), nil }), nil)
	if _, err := c.Do(none, post(transport.Safe)); !errors.Is(err, providerauth.ErrInvalidRequest) {
		t.Errorf("nil context: %v", err)
	}
	if _, err := transport.New(transport.Config{}).Do(t.Context(), post(transport.Safe)); !errors.Is(err, providerauth.ErrInvalidRequest) {
		t.Errorf("no base URL: %v", err)
	}
}

func TestIdempotencyKeyMayGoOutWithASafeCall(t *testing.T) {
	c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Idempotency-Key") != "k" {
			t.Errorf("header %v", r.Header)
		}
		return answer(200, ""), nil
	}), nil)
	call := post(transport.Safe)
	call.Signer = signer(func(_ context.Context, r *http.Request, _ []byte) error {
		header.Set(r.Header, "Idempotency-Key", "k")
		return nil
	})
	if _, err := c.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
}

func TestErrorOfPrepareEndsTheCallWithoutARequest(t *testing.T) {
	vault := fmt.Errorf("%w: vault sealed", providerauth.ErrSecretUnavailable)
	for _, tt := range []struct {
		name      string
		failFirst bool
		answered  func() (*http.Response, error)
		sent      int
		status    int
		ambiguous bool
	}{
		{"first attempt", true, nil, 0, 0, false},
		{"after a refusal", false, func() (*http.Response, error) { return answer(503, "", "Retry-After", "1"), nil }, 1, 503, false},
		{"after a gateway error", false, status(502), 1, 502, true},
		{"after a lost answer", false, lost, 1, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { sent++; return tt.answered() }), nil)
				call := post(transport.Safe)
				call.Signer = signer(func(context.Context, *http.Request, []byte) error {
					if tt.failFirst || sent == 1 {
						return vault
					}
					return nil
				})
				_, err := c.Do(t.Context(), call)
				e := failure(t, err)
				if e.Err != vault || e.Kind != nil {
					t.Errorf("cause %v of kind %v", e.Err, e.Kind)
				}
				if sent != tt.sent || e.Attempts != tt.sent || e.Status != tt.status || errors.Is(err, providerauth.ErrAmbiguous) != tt.ambiguous || !retryable(e) {
					t.Errorf("sent %d: %+v %+v", sent, e, e.Err)
				}
			})
		})
	}
}

func TestPrepareDoesNotUseUpTheTimeOfTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
			if deadline, _ := r.Context().Deadline(); time.Until(deadline) != 10*time.Second {
				t.Errorf("%v left", time.Until(deadline))
			}
			return answer(200, ""), r.Context().Err()
		}), nil)
		call := post(transport.Safe)
		call.Signer = signer(func(context.Context, *http.Request, []byte) error { time.Sleep(time.Minute); return nil })
		if _, err := c.Do(t.Context(), call); err != nil {
			t.Fatal(err)
		}
	})
}

func TestContextThatEndedCostsNoRequest(t *testing.T) {
	for name, inPrepare := range map[string]bool{"before the call": false, "in Prepare": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { t.Error("sent"); return lost() }), nil)
			call := post(transport.Safe)
			if inPrepare {
				call.Signer = signer(func(context.Context, *http.Request, []byte) error { cancel(); return nil })
			} else {
				cancel()
			}
			_, err := c.Do(ctx, call)
			e := failure(t, err)
			if !errors.Is(err, context.Canceled) || e.Attempts != 0 || errors.Is(err, providerauth.ErrAmbiguous) || e.Temporary || retryable(e) {
				t.Errorf("%d attempts: %v", e.Attempts, err)
			}
		})
	}
}

func TestContextThatEndsDuringAnAttemptShowsInTheError(t *testing.T) {
	for _, tt := range []struct {
		name      string
		end       func(context.Context) (context.Context, context.CancelFunc)
		want      error
		retryable bool // of a Safe call
	}{
		{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(5*time.Second, func() { cancel(errors.New("changed my mind")) })
			return ctx, func() { cancel(nil) }
		}, context.Canceled, false},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 5*time.Second)
		}, context.DeadlineExceeded, true},
	} {
		for _, first := range []int{0, 503} {
			t.Run(fmt.Sprintf("%s, %d before", tt.name, first), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWire()
					c := client(t, w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
						if first != 0 && w.requests.Load() == 1 {
							rw.Header().Set("Retry-After", "1")
							rw.WriteHeader(first)
							return
						}
						<-r.Context().Done()
					}), nil)
					ctx, cancel := tt.end(t.Context())
					defer cancel()
					start := time.Now()
					_, err := c.Do(ctx, post(transport.Safe))
					e := failure(t, err)
					if !errors.Is(err, tt.want) || e.Status != first || time.Since(start) != 5*time.Second || e.Attempts != int(w.requests.Load()) {
						t.Errorf("after %v, status %d: %v", time.Since(start), e.Status, err)
					}
					if !errors.Is(err, providerauth.ErrAmbiguous) || retryable(e) != tt.retryable {
						t.Errorf("ambiguous %v, retryable %v", errors.Is(err, providerauth.ErrAmbiguous), retryable(e))
					}
				})
			})
		}
	}
}

func TestContextThatEndsWhileAnErrorPageIsReadKeepsItsStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := client(t, w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(503)
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
		}), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Do(ctx, post(transport.Safe))
		if e := failure(t, err); e.Status != 503 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("status %d: %v", e.Status, err)
		}
	})
}

func TestRefusalsCorrectTheClock(t *testing.T) {
	for code, want := range map[int]time.Duration{200: 0, 401: time.Hour, 403: time.Hour, 500: 0, 302: 0, 404: 0} {
		synctest.Test(t, func(t *testing.T) {
			var clk clock.Clock
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
				return answer(code, "{}", "Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)), nil
			}), func(cfg *transport.Config) { cfg.Clock, cfg.Timestamps, cfg.MaxAttempts = &clk, true, 1 })
			_, _ = c.Do(t.Context(), post(transport.Safe))
			if off := clk.Offset() - want; off.Abs() > time.Second {
				t.Errorf("%d: corrected by %v, want %v", code, clk.Offset(), want)
			}
		})
	}
}

func TestRefusalMakesAnErrorOfASuccess(t *testing.T) {
	c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
		return answer(200, failureEnvelope, "Retry-After", "7"), nil
	}), nil)
	call := post(transport.Once)
	call.Reader = reader(classify)
	_, err := c.Do(t.Context(), call)
	e := failure(t, err)
	if e.Status != 200 || string(e.Body) != failureEnvelope || e.RetryAfter != 7*time.Second || e.Kind != nil || errors.Is(err, providerauth.ErrAmbiguous) {
		t.Errorf("got %+v, %+v", e, e.Err)
	}
	if want := "refused"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestTransportsThatBreakTheirContractAreErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		resp *http.Response
		err  error
		want string
	}{
		"nothing at all":      {nil, nil, "the transport returned neither an answer nor an error"},
		"no status":           {answer(0, ""), nil, "the transport returned an answer without a status"},
		"an answer and error": {answer(200, "{}"), io.EOF, "the connection was closed"},
	} {
		t.Run(name, func(t *testing.T) {
			closed := false
			if tt.resp != nil {
				tt.resp.Body = closer{&closed}
			}
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return tt.resp, tt.err }), nil)
			_, err := c.Do(t.Context(), post(transport.Rotating))
			if want := tt.want; err == nil || err.Error() != want || !errors.Is(err, providerauth.ErrAmbiguous) {
				t.Errorf("got %v, want %s", err, want)
			}
			if tt.resp != nil && !closed {
				t.Error("the body stays open")
			}
		})
	}
}

type closer struct{ closed *bool }

func (closer) Read([]byte) (int, error) { return 0, io.EOF }
func (c closer) Close() error           { *c.closed = true; return nil }

func TestContextOfAnAttemptEndsWithIt(t *testing.T) {
	var attempt context.Context
	c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
		attempt = r.Context()
		return answer(200, ""), nil
	}), nil)
	if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil || attempt.Err() == nil {
		t.Errorf("%v; the attempt's context is still going", err)
	}
}
