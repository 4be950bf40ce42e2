package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// The tests in this file hold down what go-retryablehttp v0.7.8, or the
// http.Client inside it, does when left alone. Each says what that is.

// The library has no method check: it sends a POST five times on 5xx and on
// lost connections.
func TestPostIsSentOnceUnlessItsPolicyAllowsMore(t *testing.T) {
	for _, fail := range []func() (*http.Response, error){status(500), lost} {
		for policy, want := range map[transport.Policy]int{transport.Safe: 3, transport.Rotating: 1, transport.Once: 1} {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { sent++; return fail() }), nil)
				if _, err := c.Do(t.Context(), post(policy)); err == nil || sent != want {
					t.Errorf("policy %d: sent %d times, want %d (%v)", policy, sent, want, err)
				}
			})
		}
	}
}

// The library's default logger writes every request to standard error.
func TestLoopWritesNothingToStandardError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(503)
	}))
	defer server.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "TRANSPORT_TEST_CHILD="+server.URL)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v, wrote %q", err, out)
	}
}

// The library puts method and URL with its query into every error, and
// *url.Error does so too; transports that contain an http.Client return one.
func TestNoErrorAndNoLogLineHasPartsOfAURLHeaderOrBody(t *testing.T) {
	const secret = "hunter2"
	for name, rt := range map[string]testkit.RoundTrip{
		"url.Error": func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: &url.Error{Op: "Post", URL: r.URL.String(), Err: io.EOF}}
		},
		"url.Error without a reason": func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: r.URL.String()}
		},
		"text": func(r *http.Request) (*http.Response, error) {
			return nil, errors.New("cannot reach " + r.URL.String())
		},
		"wrapped": func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("proxy http://user:%s@proxy: %w", secret, io.EOF)
		},
		"status": func(r *http.Request) (*http.Response, error) { return answer(500, secret, "X-Secret", secret), nil },
		"redirect": func(r *http.Request) (*http.Response, error) {
			return answer(307, secret, "Location", r.URL.String()), nil
		},
		"garbled": func(r *http.Request) (*http.Response, error) { return answer(200, `{"id":"`+secret+`"}`), nil },
		"junk":    func(r *http.Request) (*http.Response, error) { return answer(200, secret), nil },
		"control": func(r *http.Request) (*http.Response, error) { return nil, errors.New(r.Header.Get("Authorization")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logger, log := testkit.DebugLog()
				c := client(t, rt, func(cfg *transport.Config) {
					cfg.Logger = logger
				})
				call := post(transport.Safe)
				call.Path += "?email=" + secret
				call.Signer = signer(func(_ context.Context, r *http.Request, _ []byte) error {
					r.Header.Set("Authorization", secret)
					return nil
				})
				err := decoded(t.Context(), c, call, new(struct{ ID int }))
				e := failure(t, err)
				if u := (*url.Error)(nil); errors.As(err, &u) {
					t.Errorf("a *url.Error can be had: %v", u)
				}
				if n := net.Error(nil); errors.As(err, &n) && strings.Contains(n.Error(), secret) {
					t.Errorf("a net.Error can be had: %v", n)
				}
				texts := []string{e.Error(), fmt.Sprintf("%+v", e.Err), log.String()}
				for err := error(e); err != nil; err = errors.Unwrap(err) {
					texts = append(texts, err.Error())
				}
				for _, text := range texts {
					if strings.Contains(text, secret) || strings.Contains(text, "?") || strings.Contains(text, "://") {
						t.Errorf("it says %q", text)
					}
				}
				if !strings.Contains(log.String(), "attempt=") {
					t.Errorf("no attempt was logged: %q", log.String())
				}
			})
		})
	}
}

// The library drains the last response and replaces it by an error of its own,
// even when there was a single attempt.
func TestLastAnswerIsInTheError(t *testing.T) {
	for _, attempts := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
				n++
				return answer(503, "body "+strconv.Itoa(n), "X-Request-Id", "id "+strconv.Itoa(n)), nil
			}), func(cfg *transport.Config) { cfg.MaxAttempts = attempts })
			_, err := c.Do(t.Context(), post(transport.Safe))
			e := failure(t, err)
			if e.Status != 503 || string(e.Body) != fmt.Sprint("body ", attempts) || e.Header.Get("X-Request-Id") != fmt.Sprint("id ", attempts) || e.Attempts != attempts {
				t.Errorf("%d attempts: %d %q %q", e.Attempts, e.Status, e.Body, e.Header)
			}
		})
	}
}

// The library says "giving up after 1 attempt(s)", with the URL, where nothing
// was ever repeated.
func TestErrorOfAnAttemptIsItsOwn(t *testing.T) {
	c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return unsent() }),
		func(cfg *transport.Config) { cfg.MaxAttempts = 1 })
	_, err := c.Do(t.Context(), post(transport.Rotating))
	const want = "dial tcp 127.0.0.1:1: connection refused"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The library sleeps until the context ends, and then has forgotten the answer.
func TestWaitThatWouldOutlastTheContextIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			return answer(503, "", "Retry-After", "10"), nil
		}), nil)
		_, err := c.Do(ctx, post(transport.Safe))
		e := failure(t, err)
		if e.Status != 503 || e.RetryAfter != 10*time.Second || time.Since(start) != 0 || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v with RetryAfter %v after %v", err, e.RetryAfter, time.Since(start))
		}
	})
}

// See above.
func TestContextThatEndsDuringAWaitKeepsTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			return answer(503, "later", "Retry-After", "10"), nil
		}), nil)
		_, err := c.Do(ctx, post(transport.Safe))
		e := failure(t, err)
		if !errors.Is(err, context.Canceled) || e.Status != 503 || string(e.Body) != "later" || e.Attempts != 1 || retryable(e) {
			t.Errorf("got %v, status %d, body %q, %d attempts", err, e.Status, e.Body, e.Attempts)
		}
	})
}

// http.Client's Timeout bounds an attempt and not the call, and the library
// repeats what it ends, five times.
func TestTimeoutOfTheOperatorsClientLowersThatOfAnAttempt(t *testing.T) {
	for _, tt := range []struct {
		attempt, client, want time.Duration
	}{
		{0, 3 * time.Second, 3 * time.Second},
		{2 * time.Second, 3 * time.Second, 2 * time.Second},
		{0, 0, 10 * time.Second},
		{0, time.Minute, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			sent := 0
			c := client(t, nil, func(cfg *transport.Config) {
				cfg.AttemptTimeout = tt.attempt
				cfg.HTTPClient.Timeout = tt.client
				cfg.HTTPClient.Transport = testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
					sent++
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
			})
			_, err := c.Do(t.Context(), post(transport.Rotating))
			var timeout interface{ Timeout() bool }
			if time.Since(start) != tt.want || c.AttemptTimeout() != tt.want || sent != 1 || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("%d attempts ended after %v with %v, want one of %v", sent, time.Since(start), err, tt.want)
			}
			if want := fmt.Sprint("no answer within ", tt.want); !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, want %q in it", err, want)
			}
		})
	}
}

type closeCounter struct {
	http.RoundTripper
	closed atomic.Int32
}

func (c *closeCounter) CloseIdleConnections() { c.closed.Add(1) }

// The library calls CloseIdleConnections after every failed or cancelled call,
// which drops the connections of everybody who shares the transport.
func TestFailedCallsLeaveIdleConnectionsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := &closeCounter{RoundTripper: testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return lost() })}
		c := client(t, rt, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for _, ctx := range []context.Context{t.Context(), ctx} {
			if _, err := c.Do(ctx, post(transport.Safe)); err == nil {
				t.Error("no error")
			}
		}
		c.CloseIdle()
		if n := rt.closed.Load(); n != 0 {
			t.Errorf("closed %d times", n)
		}
	})
}

// The library reads 4 KiB of a body it is done with; the rest costs the
// connection.
func TestAttemptsShareAConnectionWhateverTheErrorPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := client(t, w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(500)
			_, _ = io.WriteString(rw, strings.Repeat("x", 64<<10))
		}), func(cfg *transport.Config) { cfg.MaxAttempts = 4 })
		if _, err := c.Do(t.Context(), post(transport.Safe)); err == nil || w.requests.Load() != 4 || w.dials.Load() != 1 {
			t.Errorf("%d requests on %d connections (%v)", w.requests.Load(), w.dials.Load(), err)
		}
	})
}

// The library takes the error of a CheckRedirect for a network error and
// repeats the call; http.Client follows redirects with our headers, and fails
// on a Location that it cannot parse.
// What go-retryablehttp is told of a redirect: were it the header, its
// http.Client would fail with the URL in the text.
func TestRedirectWithAnUnreadableLocationIsAnAnswer(t *testing.T) {
	c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
		return answer(307, "", "Location", "http://[::1%zz?email=secret"), nil
	}), nil)
	_, err := c.Do(t.Context(), post(transport.Safe))
	if e := failure(t, err); e.Status != 307 || e.Attempts != 1 || strings.Contains(err.Error(), "secret") {
		t.Errorf("status %d, %d attempts: %v", e.Status, e.Attempts, err)
	}
}

func TestRedirectsAreNeitherFollowedNorRepeated(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		for location, elsewhere := range map[string]bool{
			"https://elsewhere.example/a?token=1": true,
			"https://u:p@elsewhere.example/":      true,
			"https://a-token.as-a-host/":          true,
			"/other":                              false,
			"http://[::1":                         false,
			"":                                    false,
		} {
			sent := 0
			c := client(t, nil, func(cfg *transport.Config) {
				cfg.HTTPClient = &http.Client{
					Transport: testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
						sent++
						return answer(code, "", "Location", location), nil
					}),
					CheckRedirect: func(*http.Request, []*http.Request) error { t.Error("asked"); return nil },
				}
			})
			_, err := c.Do(t.Context(), post(transport.Safe))
			want := fmt.Sprintf("%v: redirects are not followed", providerauth.ErrBadResponse)
			if elsewhere {
				want += "; this one leads to another host"
			}
			if e := failure(t, err); sent != 1 || e.Status != code || err.Error() != want {
				t.Errorf("sent %d times: %v, want %s", sent, err, want)
			}
		}
	}
}

// The library asks for an unknown host five times, and cannot tell a TLS alert
// from a broken connection. (The other failures are in
// TestWhatIsRepeatedAndWhatIsAmbiguous.)
func TestFailuresThatStayTrueAreNotRepeated(t *testing.T) {
	for name, fail := range map[string]error{
		"unknown host":            &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "api.example", IsNotFound: true}},
		"certificate not trusted": &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"alert received":          &net.OpError{Op: "remote error", Err: tls.AlertError(42)},
		"alert sent":              &net.OpError{Op: "local error", Err: tls.AlertError(70)},
		"not TLS":                 tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
	} {
		n := 0
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { n++; return nil, fail }), nil)
		_, err := c.Do(t.Context(), post(transport.Safe))
		if e := failure(t, err); n != 1 || retryable(e) {
			t.Errorf("%s: %d attempts, retryable %v", name, n, retryable(e))
		}
	}
}

// The library recognises errors by their text.
func TestErrorsAreNotRecognisedByTheirText(t *testing.T) {
	for _, text := range []string{
		"stopped after 10 redirects", "unsupported protocol scheme", "invalid header", "x509: certificate is not trusted", "no such host",
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { n++; return nil, errors.New(text) }), nil)
			if _, err := c.Do(t.Context(), post(transport.Safe)); err == nil || n != 3 {
				t.Errorf("%q: %d attempts (%v)", text, n, err)
			}
		})
	}
}

// The library's client takes a logger of any type and panics on the first call
// if it is not one of two; its fields are read unsynchronised.
func TestOneClientServesManyCallersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			if calls.Add(1)%10 == 0 {
				return answer(503, "", "Retry-After", "1"), nil
			}
			return answer(200, "{}"), nil
		}), func(cfg *transport.Config) {
			cfg.Logger = slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		testkit.Crowd(50, func(int) {
			for range 10 {
				if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil && failure(t, err).Status != 503 {
					t.Error(err)
				}
			}
		})
	})
}

func TestAttemptsAreLoggedByAnAllowlist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		n := 0
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			time.Sleep(50 * time.Millisecond)
			switch n++; n {
			case 1:
				return answer(503, "", "Retry-After", "2"), nil
			case 2:
				return nil, io.EOF
			}
			return answer(200, "{}"), nil
		}), func(cfg *transport.Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == "wait" && a.Value.Duration() < time.Second && a.Value.Duration() > 0 {
					return slog.Attr{}
				}
				return a
			}}))
		})
		if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil {
			t.Fatal(err)
		}
		want := `level=DEBUG msg=attempt provider=acme op=CreateOrder attempt=1 status=503 duration=50ms wait=2s
level=DEBUG msg=attempt provider=acme op=CreateOrder attempt=2 status=0 duration=50ms error="the connection was closed"
level=DEBUG msg=attempt provider=acme op=CreateOrder attempt=3 status=200 duration=50ms wait=0s
`
		testkit.Equal(t, "log", log.String(), want)
	})
}

func TestCallThatMadeNoAttemptLogsNone(t *testing.T) {
	logger, log := testkit.DebugLog()
	c := client(t, nil, func(cfg *transport.Config) {
		cfg.Logger = logger
	})
	call := post(transport.Safe)
	call.Signer = signer(func(context.Context, *http.Request, []byte) error { return providerauth.ErrSecretUnavailable })
	if _, err := c.Do(t.Context(), call); err == nil || log.Len() > 0 {
		t.Errorf("%v, logged %q", err, log.String())
	}
}

func TestNothingIsLoggedAboveDebug(t *testing.T) {
	logger, log := testkit.Log()
	c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return answer(500, ""), nil }), func(cfg *transport.Config) {
		cfg.Logger = logger
	})
	if _, err := c.Do(t.Context(), post(transport.Rotating)); err == nil || log.Len() > 0 {
		t.Errorf("logged %q", log.String())
	}
}
