package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// silence answers when its context ends.
func silence(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A stalling body has a beginning and no end.
type stalling struct {
	io.Reader
	ctx context.Context
}

func (s *stalling) Read(p []byte) (int, error) {
	if n, err := s.Reader.Read(p); err != io.EOF {
		return n, err
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (s *stalling) Close() error { return nil }

func TestClient_Do_deaf(t *testing.T) {
	t.Run("a call ends with its context although the RoundTripper goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			end := make(chan struct{})
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
				<-end
				return answer(200, ""), nil
			}), nil)
			for _, policy := range []transport.Policy{transport.Safe, transport.Once} {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				start := time.Now()
				_, err := c.Do(ctx, post(policy))
				if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, providerauth.ErrAmbiguous) || took > 3100*time.Millisecond {
					t.Errorf("policy %d: %v after %v", policy, err, took)
				}
				cancel()
			}
			testkit.Equal(t, "abandoned", c.Abandoned(), 2)
			close(end)
			synctest.Wait()
			testkit.Equal(t, "abandoned at the end", c.Abandoned(), 0)
		})
	})

	t.Run("a call ends with its context although the body goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			end, stop := context.WithCancel(t.Context())
			defer stop()
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
				resp := answer(200, "")
				resp.Body = &stalling{strings.NewReader("{"), end}
				return resp, nil
			}), nil)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			start := time.Now()
			_, err := c.Do(ctx, post(transport.Once))
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 3100*time.Millisecond {
				t.Errorf("%v after %v", err, took)
			}
		})
	})
}

// Without a deadline of the caller, the attempt's own bounds the RoundTripper.
func TestClient_Do_deafWithoutDeadline(t *testing.T) {
	for policy, tt := range map[transport.Policy]struct {
		attempts int
		each     time.Duration
	}{
		transport.Safe:     {3, 10 * time.Second},
		transport.Rotating: {1, 10 * time.Second},
		transport.Once:     {1, 2 * time.Minute},
	} {
		t.Run(fmt.Sprintf("policy %d ends %d times after %v", policy, tt.attempts, tt.each), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end := make(chan struct{})
				var began atomic.Int64 // the last attempt
				c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
					began.Store(time.Now().UnixNano())
					<-end
					return answer(200, ""), nil
				}), nil)
				stop := time.AfterFunc(time.Hour, func() { close(end) })
				_, err := c.Do(context.WithoutCancel(t.Context()), post(policy))
				e := failure(t, err)
				testkit.Equal(t, "attempts", e.Attempts, tt.attempts)
				testkit.Equal(t, "timed out", errors.Is(err, context.DeadlineExceeded), true)
				if took := time.Since(time.Unix(0, began.Load())); took < tt.each || took > tt.each+20*time.Millisecond {
					t.Errorf("the last attempt ended after %v", took)
				}
				testkit.Equal(t, "abandoned", c.Abandoned(), int64(tt.attempts))
				if stop.Stop() {
					close(end)
				}
				synctest.Wait()
				testkit.Equal(t, "abandoned at the end", c.Abandoned(), 0)
			})
		})
	}
}

func TestClient_Do_panic(t *testing.T) {
	t.Run("a RoundTripper that panics fails its call once", func(t *testing.T) {
		calls := 0
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			calls++
			panic("secret")
		}), nil)
		_, err := c.Do(t.Context(), post(transport.Safe))
		testkit.Equal(t, "error", failure(t, err).Error(), "the transport panicked with a string")
		testkit.Equal(t, "calls", calls, 1)
		_, err = c.Do(context.WithoutCancel(t.Context()), post(transport.Safe))
		testkit.Equal(t, "error without a deadline", failure(t, err).Error(), "the transport panicked with a string")
	})
}

func TestClient_Do_unauthorized(t *testing.T) {
	t.Run("the body of a 401 that stalls is not waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
				resp := answer(401, "")
				resp.Body, resp.ContentLength = &stalling{strings.NewReader("{"), r.Context()}, 100
				return resp, nil
			}), nil)
			start := time.Now()
			_, err := c.Do(t.Context(), post(transport.Once))
			if e := failure(t, err); e.Status != 401 || time.Since(start) > 100*time.Millisecond {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	})
}

func TestClient_Do_time(t *testing.T) {
	for name, tt := range map[string]struct {
		policy                          transport.Policy
		deadline, attempt, client, want time.Duration
	}{
		"a call that is never repeated has its caller's deadline":            {transport.Once, 5 * time.Minute, 0, 0, 5 * time.Minute},
		"a call that is never repeated has 2 minutes without a deadline":     {transport.Once, 0, 0, 0, 2 * time.Minute},
		"a call that is never repeated has a longer AttemptTimeout":          {transport.Once, 0, 3 * time.Minute, 0, 3 * time.Minute},
		"a call that is never repeated has the Timeout of the http.Client":   {transport.Once, 5 * time.Minute, 0, time.Minute, time.Minute},
		"an attempt of a token request has AttemptTimeout":                   {transport.Rotating, 5 * time.Minute, 0, 0, 10 * time.Second},
		"an attempt of an idempotent call has AttemptTimeout":                {transport.Safe, 5 * time.Minute, 0, 0, 10 * time.Second},
		"an idempotent call has the Timeout of the http.Client, if shorter":  {transport.Safe, 0, 0, time.Second, time.Second},
		"a call that is never repeated has a deadline before AttemptTimeout": {transport.Once, time.Second, 0, 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(t, nil, func(cfg *transport.Config) {
					cfg.HTTPClient = &http.Client{Transport: testkit.RoundTrip(silence), Timeout: tt.client}
					cfg.AttemptTimeout, cfg.MaxAttempts = tt.attempt, 1
				})
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				start := time.Now()
				_, err := c.Do(ctx, post(tt.policy))
				if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != tt.want {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}

func TestClient_Do_longAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		long        bool
		most, bytes int
		ok          bool
	}{
		"32 MiB in a long call":               {true, 0, 32 << 20, true},
		"more than 32 MiB in a long call":     {true, 0, 32<<20 + 1, false},
		"MaxResponseBytes in a long call":     {true, 100, 100, true},
		"more than MaxResponseBytes":          {true, 100, 101, false},
		"more than 1 MiB in any other call":   {false, 0, 1<<20 + 1, false},
		"more than MaxResponseBytes in other": {false, 100, 101, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
				return answer(200, strings.Repeat("x", tt.bytes)), nil
			}), func(cfg *transport.Config) { cfg.MaxResponseBytes = tt.most })
			call := post(transport.Safe)
			call.Long = tt.long
			resp, err := c.Do(t.Context(), call)
			if tt.ok && (err != nil || len(resp.Body) != tt.bytes) || !tt.ok && !errors.Is(err, providerauth.ErrBadResponse) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestClient_Do_byteOrderMark(t *testing.T) {
	for _, status := range []int{200, 400} {
		t.Run(fmt.Sprint("is skipped in an answer with status ", status), func(t *testing.T) {
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return answer(status, "\ufeff{}"), nil }), nil)
			resp, err := c.Do(t.Context(), post(transport.Once))
			var body []byte
			if err != nil {
				body = failure(t, err).Body
			} else {
				body = resp.Body
			}
			testkit.Equal(t, "body", string(body), "{}")
		})
	}
}

func TestUnmarshal_byteOrderMark(t *testing.T) {
	var out map[string]int
	if err := transport.Unmarshal([]byte("\ufeff{\"a\":1}"), &out); err != nil || out["a"] != 1 {
		t.Errorf("%v, %v", out, err)
	}
}

func TestClient_Do_cloudflare(t *testing.T) {
	for _, status := range []int{520, 521, 522, 523, 524, 525, 526, 527, 530} {
		for policy, attempts := range map[transport.Policy]int{transport.Safe: 3, transport.Once: 1} {
			t.Run(fmt.Sprintf("an answer %d to policy %d has %d attempts", status, policy, attempts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return answer(status, ""), nil }), nil)
					_, err := c.Do(t.Context(), post(policy))
					e := failure(t, err)
					testkit.Equal(t, "attempts", e.Attempts, attempts)
					testkit.Equal(t, "retryable", retryable(e), policy == transport.Safe)
					testkit.Equal(t, "ambiguous", e.Ambiguous, true)
				})
			})
		}
	}
}
