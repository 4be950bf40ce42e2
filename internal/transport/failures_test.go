package transport_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// verdict is what a caller learns of a failed call.
type verdict struct {
	Attempts             int
	Retryable, Ambiguous bool
}

type verdicts struct{ Safe, Rotating, Once verdict }

const (
	later = true // Retryable
	never = false
	maybe = true // Ambiguous
	sure  = false
)

func all(v verdict) verdicts { return verdicts{v, v, v} }

// once is for failures that only a Safe call is repeated after.
func once(safe, others verdict) verdicts { return verdicts{safe, others, others} }

// unproven is for failures of the provider that do not prove that nothing was
// done.
var unproven = verdicts{
	Safe:     verdict{3, later, sure},
	Rotating: verdict{1, later, sure},
	Once:     verdict{1, never, maybe},
}

const (
	failureEnvelope = `{"error":"OUT_OF_FUNDS"}`
	knownEnvelope   = `{"error":"CLOSED_FOR_TODAY"}` // raised before acting
	actedEnvelope   = `{"error":"PARTLY_DONE"}`
	htmlPage        = "<!DOCTYPE html><html><body>Bad gateway</body></html>"
)

// classify knows two of the provider's codes.
func classify(status int, body []byte) apierror.Class {
	switch {
	case !bytes.HasPrefix(body, []byte(`{"error"`)):
		return apierror.Unread
	case string(body) == knownEnvelope:
		return apierror.Refused
	case string(body) == actedEnvelope:
		return apierror.MayHave
	}
	return apierror.EnvelopeClass(status)
}

func TestWhatIsRepeatedAndWhatIsAmbiguous(t *testing.T) {
	type setup = func(t *testing.T, w *wire) http.RoundTripper
	status := func(status int, body string, header ...string) setup {
		return func(t *testing.T, w *wire) http.RoundTripper {
			return w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
				for i := 0; i < len(header); i += 2 {
					rw.Header().Set(header[i], header[i+1])
				}
				rw.WriteHeader(status)
				_, _ = io.WriteString(rw, body)
			})
		}
	}
	raw := func(bytes string) setup {
		return func(t *testing.T, w *wire) http.RoundTripper {
			return w.script(t, true, func(c *serverConn) {
				_, _ = io.WriteString(c, bytes)
				c.Close()
			})
		}
	}
	dialer := func(err error) setup {
		return func(*testing.T, *wire) http.RoundTripper {
			return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
		}
	}
	overTLS := func(server, client *tls.Config) setup {
		return func(t *testing.T, w *wire) http.RoundTripper {
			rt := w.script(t, false, func(c *serverConn) {
				secure := tls.Server(c, server)
				if secure.Handshake() != nil {
					_, _ = io.Copy(io.Discard, c) // until the client has read the alert
				}
				secure.Close()
			})
			rt.TLSClientConfig = client
			return rt
		}
	}
	proxy := func(status int) setup {
		return func(t *testing.T, w *wire) http.RoundTripper { return refusingProxy(t, w, status) }
	}
	noHost := &net.DNSError{Err: "no such host", Name: "api.example", IsNotFound: true}
	noResolver := &net.DNSError{Err: "server misbehaving", Name: "api.example", IsTemporary: true}
	theirs := []tls.Certificate{certificate()}

	for _, tt := range []struct {
		name   string
		setup  setup
		https  bool
		status int
		kind   error
		sent   bool // the server read a request in every attempt
		want   verdicts
	}{
		// Nothing was sent: every policy may try again, unless it is no use.
		{name: "connection refused", setup: dialer(refusedDial), want: all(verdict{3, later, sure})},
		{name: "the proxy wants a password", setup: proxy(407), https: true, want: all(verdict{1, never, sure})},
		{name: "the proxy reaches nobody", setup: proxy(502), https: true, want: all(verdict{3, later, sure})},
		{name: "host name unknown", setup: dialer(&net.OpError{Op: "dial", Net: "tcp", Err: noHost}), want: all(verdict{1, never, sure})},
		{name: "resolver out of order", setup: dialer(&net.OpError{Op: "dial", Net: "tcp", Err: noResolver}), want: all(verdict{3, later, sure})},
		{name: "connecting takes too long", setup: func(t *testing.T, w *wire) http.RoundTripper {
			t.Cleanup(func() { w.Close() })
			return &http.Transport{DialContext: w.dial} // nobody accepts
		}, want: all(verdict{3, later, sure})},
		{name: "certificate not trusted", https: true, setup: overTLS(&tls.Config{Certificates: theirs}, nil), want: all(verdict{1, never, sure})},
		{
			name: "TLS handshake refused", https: true,
			setup: overTLS(&tls.Config{Certificates: theirs, MinVersion: tls.VersionTLS13}, &tls.Config{RootCAs: trusted(), MaxVersion: tls.VersionTLS12}),
			want:  all(verdict{1, never, sure}),
		},
		{name: "TLS handshake cut off", https: true, setup: func(t *testing.T, w *wire) http.RoundTripper {
			return w.script(t, false, func(c *serverConn) { c.Close() })
		}, want: all(verdict{3, later, sure})},
		{name: "TLS handshake takes too long", https: true, setup: func(t *testing.T, w *wire) http.RoundTripper {
			return w.script(t, false, func(c *serverConn) { _, _ = io.Copy(io.Discard, c) })
		}, want: all(verdict{3, later, sure})},

		// It may have been sent.
		{
			name: "client certificate refused, which TLS 1.3 tells after the request", https: true,
			setup: overTLS(&tls.Config{Certificates: theirs, ClientAuth: tls.RequireAnyClientCert}, &tls.Config{RootCAs: trusted()}),
			want:  all(verdict{1, never, maybe}),
		},
		{name: "reset before the request was read", setup: func(t *testing.T, w *wire) http.RoundTripper {
			return w.script(t, false, (*serverConn).Reset)
		}, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{name: "reset after the request was read", sent: true, setup: func(t *testing.T, w *wire) http.RoundTripper {
			return w.script(t, true, (*serverConn).Reset)
		}, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{name: "closed after the request was read", sent: true, setup: raw(""), want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{name: "not HTTP", sent: true, setup: raw("SSH-2.0-OpenSSH_9.9\r\n"), want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{name: "no answer in time", sent: true, setup: func(t *testing.T, w *wire) http.RoundTripper {
			return w.serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		}, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{
			name: "body ends in the middle", sent: true,
			setup: raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":"),
			want:  once(verdict{3, later, maybe}, verdict{1, never, maybe}),
		},
		{name: "body stalls in the middle", sent: true, setup: func(t *testing.T, w *wire) http.RoundTripper {
			return w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(rw, `{"id":`)
				_ = http.NewResponseController(rw).Flush()
				<-r.Context().Done()
			})
		}, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},

		// It was answered.
		{name: "302", sent: true, setup: status(302, "", "Location", "https://elsewhere.example/x?y=z"), status: 302, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, sure})},
		{name: "303", sent: true, setup: status(303, "", "Location", "/orders/7"), status: 303, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, maybe})},
		{name: "304", sent: true, setup: status(304, ""), status: 304, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, sure})},
		{name: "307", sent: true, setup: status(307, "", "Location", "/v2/orders"), status: 307, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, sure})},
		{name: "401", sent: true, setup: status(401, "{}"), status: 401, want: all(verdict{1, never, sure})},
		{name: "408", sent: true, setup: status(408, ""), status: 408, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{name: "408 from the provider itself", sent: true, setup: status(408, failureEnvelope), status: 408, want: unproven},
		{name: "408 from the provider itself, with a code that is known", sent: true, setup: status(408, knownEnvelope), status: 408, want: once(verdict{3, later, sure}, verdict{1, later, sure})},
		{name: "409", sent: true, setup: status(409, ""), status: 409, want: all(verdict{1, never, sure})},
		{name: "425", sent: true, setup: status(425, ""), status: 425, want: all(verdict{1, later, sure})},
		{name: "429 without Retry-After", sent: true, setup: status(429, ""), status: 429, want: all(verdict{1, later, sure})},
		{name: "429 with an unreadable Retry-After", sent: true, setup: status(429, "", "Retry-After", "soon"), status: 429, want: all(verdict{1, later, sure})},
		{name: "429 with Retry-After", sent: true, setup: status(429, "", "Retry-After", "2"), status: 429, want: verdicts{
			Safe:     verdict{3, later, sure},
			Rotating: verdict{1, later, sure},
			Once:     verdict{3, later, sure},
		}},
		{name: "429 with Retry-After from the provider itself", sent: true, setup: status(429, failureEnvelope, "Retry-After", "2"), status: 429, want: verdicts{
			Safe:     verdict{3, later, sure},
			Rotating: verdict{1, later, sure},
			Once:     verdict{3, later, sure},
		}},
		{name: "429 with a Retry-After above the limit", sent: true, setup: status(429, "", "Retry-After", "11"), status: 429, want: all(verdict{1, later, sure})},
		{name: "500", sent: true, setup: status(500, ""), status: 500, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{name: "500 from the provider itself", sent: true, setup: status(500, failureEnvelope), status: 500, want: unproven},
		{name: "500 from the provider itself, with a code that is known", sent: true, setup: status(500, knownEnvelope), status: 500, want: once(verdict{3, later, sure}, verdict{1, later, sure})},
		{name: "501", sent: true, setup: status(501, ""), status: 501, want: all(verdict{1, never, maybe})},
		{name: "502", sent: true, setup: status(502, ""), status: 502, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{name: "502 with an HTML page", sent: true, setup: status(502, htmlPage, "Content-Type", "text/html"), status: 502, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{name: "503 without Retry-After", sent: true, setup: status(503, ""), status: 503, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{name: "503 with Retry-After", sent: true, setup: status(503, "", "Retry-After", "2"), status: 503, want: unproven},
		{name: "503 with Retry-After from the provider itself", sent: true, setup: status(503, failureEnvelope, "Retry-After", "2"), status: 503, want: unproven},
		{name: "503 with Retry-After from the provider itself, with a code that is known", sent: true, setup: status(503, knownEnvelope, "Retry-After", "2"), status: 503, want: once(verdict{3, later, sure}, verdict{1, later, sure})},
		{name: "503 with a Retry-After above the limit", sent: true, setup: status(503, "", "Retry-After", "3600"), status: 503, want: verdicts{
			Safe:     verdict{1, later, sure},
			Rotating: verdict{1, later, sure},
			Once:     verdict{1, never, maybe},
		}},
		{name: "504", sent: true, setup: status(504, ""), status: 504, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{
			name: "error page that ends in the middle", sent: true, status: 500,
			setup: raw("HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n<html>"),
			want:  once(verdict{3, later, maybe}, verdict{1, never, maybe}),
		},
		{name: "200 that is a refusal", sent: true, setup: status(200, failureEnvelope), status: 200, want: all(verdict{1, never, sure})},
		{name: "200 that is a failure with a code that leaves it open", sent: true, setup: status(200, actedEnvelope), status: 200, want: verdicts{
			Safe:     verdict{1, never, sure},
			Rotating: verdict{1, never, sure},
			Once:     verdict{1, never, maybe},
		}},
		{name: "200 with an HTML page", sent: true, setup: status(200, htmlPage), status: 200, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, maybe})},
		{name: "200 without a body", sent: true, setup: status(200, ""), status: 200, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, maybe})},
		{name: "200 with half a document", sent: true, setup: status(200, `{"id":`), status: 200, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, maybe})},
		{name: "200 with 70 MB", sent: true, setup: func(t *testing.T, w *wire) http.RoundTripper {
			return w.serve(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(rw, zeros{}, 70<<20) })
		}, status: 200, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, maybe})},
		{name: "500 with 70 MB", sent: true, setup: func(t *testing.T, w *wire) http.RoundTripper {
			return w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
				rw.WriteHeader(500)
				_, _ = io.CopyN(rw, zeros{}, 70<<20)
			})
		}, status: 500, want: once(verdict{3, later, maybe}, verdict{1, never, maybe})},
		{name: "200 with a gzip bomb", sent: true, setup: status(200, string(gzipBomb()), "Content-Encoding", "gzip"), status: 200, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, maybe})},
		{name: "200 with corrupt gzip", sent: true, setup: status(200, "this is not gzip", "Content-Encoding", "gzip"), status: 200, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, maybe})},
		{name: "101", sent: true, setup: func(t *testing.T, w *wire) http.RoundTripper {
			return w.script(t, true, func(c *serverConn) {
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
				_, _ = io.Copy(io.Discard, c)
			})
		}, status: 101, kind: providerauth.ErrBadResponse, want: all(verdict{1, never, maybe})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := func(policy transport.Policy, name string) (v verdict) {
				synctest.Test(t, func(t *testing.T) {
					w := newWire()
					c := client(t, tt.setup(t, w), func(cfg *transport.Config) {
						if tt.https {
							cfg.BaseURL = parse(t, "https://api.example/v1")
						}
					})
					call := post(policy)
					call.Reader = reader(classify)
					err := decoded(t.Context(), c, call, new(struct{ ID int }))
					e := failure(t, err)
					if e.Status != tt.status {
						t.Errorf("%s: status %d, want %d (%v)", name, e.Status, tt.status, err)
					}
					if got, want := errors.Is(err, providerauth.ErrBadResponse), tt.kind != nil; got != want {
						t.Errorf("%s: matches ErrBadResponse: %v, want %v (%v)", name, got, want, err)
					}
					if got := int(w.requests.Load()); tt.sent && got != e.Attempts {
						t.Errorf("%s: the server saw %d requests in %d attempts", name, got, e.Attempts)
					}
					v = verdict{e.Attempts, retryable(e), errors.Is(err, providerauth.ErrAmbiguous)}
					synctest.Wait()
				})
				return v
			}
			got := verdicts{
				run(transport.Safe, "Safe"),
				run(transport.Rotating, "Rotating"),
				run(transport.Once, "Once"),
			}
			testkit.Equal(t, "result", got, tt.want)
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// gzipBomb is 70 MB of zeros in a few hundred KB.
var gzipBomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		panic(err)
	}
	if _, err := io.CopyN(z, zeros{}, 70<<20); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
})

func TestAmbiguityOfAnyAttemptSticksToTheCall(t *testing.T) {
	for _, tt := range []struct {
		name      string
		attempts  []func() (*http.Response, error)
		ambiguous bool
		status    int
	}{
		{"lost, then refused", []func() (*http.Response, error){lost, status(401)}, true, 401},
		{"gateway error, then connection refused", []func() (*http.Response, error){status(502), unsent, unsent}, true, 0},
		{"connection refused, then answered", []func() (*http.Response, error){unsent, status(401)}, false, 401},
		{"connection refused, then lost", []func() (*http.Response, error){unsent, unsent, lost}, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
					n++
					return tt.attempts[n-1]()
				}), nil)
				_, err := c.Do(t.Context(), post(transport.Safe))
				e := failure(t, err)
				if got := errors.Is(err, providerauth.ErrAmbiguous); got != tt.ambiguous || e.Status != tt.status || e.Attempts != len(tt.attempts) {
					t.Errorf("ambiguous %v, status %d, attempts %d; want %v, %d, %d", got, e.Status, e.Attempts, tt.ambiguous, tt.status, len(tt.attempts))
				}
			})
		})
	}
}

func lost() (*http.Response, error)   { return nil, io.ErrUnexpectedEOF }
func unsent() (*http.Response, error) { return nil, refusedDial }

func status(s int) func() (*http.Response, error) {
	return func() (*http.Response, error) { return answer(s, ""), nil }
}

func TestLaterSuccessEndsTheAmbiguity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			if n++; n < 3 {
				return lost()
			}
			return answer(201, "{}"), nil
		}), nil)
		resp, err := c.Do(t.Context(), post(transport.Safe))
		if err != nil || resp.Status != 201 || resp.Attempts != 3 {
			t.Errorf("got %+v, %v", resp, err)
		}
	})
}

func TestTransportThatIgnoresTheHooksProvesNothing(t *testing.T) {
	for _, err := range []error{
		errors.New("dial tcp: connection refused"),
		context.DeadlineExceeded,
		&net.OpError{Op: "read", Net: "tcp", Err: io.EOF},
		fmt.Errorf("tls: handshake failure: %w", io.EOF),
	} {
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return nil, err }), nil)
		_, got := c.Do(t.Context(), post(transport.Rotating))
		if e := failure(t, got); !errors.Is(got, providerauth.ErrAmbiguous) || e.Attempts != 1 {
			t.Errorf("%v: ambiguous %v after %d attempts", err, errors.Is(got, providerauth.ErrAmbiguous), e.Attempts)
		}
	}
}

func TestTransportThatIgnoresTheHooksProvesItByTheTypeOfItsError(t *testing.T) {
	for _, err := range []error{
		refusedDial,
		&net.DNSError{Err: "server misbehaving", Name: "api.example"},
		&tls.CertificateVerificationError{Err: errors.New("x509: unknown authority")},
	} {
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return nil, err }),
			func(cfg *transport.Config) { cfg.MaxAttempts = 1 })
		if _, got := c.Do(t.Context(), post(transport.Rotating)); errors.Is(got, providerauth.ErrAmbiguous) {
			t.Errorf("%v: ambiguous", err)
		}
	}
}

func TestHeaderThatCannotBeSentProvesNothingOnceAConnectionWasThere(t *testing.T) {
	c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
		httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
		return nil, io.EOF
	}), nil)
	call := post(transport.Rotating)
	call.Signer = signer(func(_ context.Context, r *http.Request, _ []byte) error { r.Header.Set("A", "\n"); return nil })
	if _, err := c.Do(t.Context(), call); !errors.Is(err, providerauth.ErrAmbiguous) || failure(t, err).Attempts != 1 {
		t.Errorf("got %v", err)
	}
}

// A request that net/http sent on a dead connection and is about to send again
// fails with a dial error; what happened to the first one is unknown.
func TestDialErrorAfterAConnectionWasThereProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		rt := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
			if w.requests.Load() == 1 {
				return
			}
			w.Close() // from here on, dialling fails
			c, _, err := http.NewResponseController(rw).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		})
		c := client(t, rt, func(cfg *transport.Config) { cfg.MaxAttempts = 1 })
		call := transport.Call{Op: "Balance", Method: "GET", Path: "/balance"}
		if _, err := c.Do(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		_, err := c.Do(t.Context(), call)
		var dial *net.OpError
		if !errors.As(err, &dial) || dial.Op != "dial" || !errors.Is(err, providerauth.ErrAmbiguous) {
			t.Errorf("got %v, want a dial error that is ambiguous", err)
		}
	})
}

func TestCallThatNeverLeftOurOwnPoolIsUnsent(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "")
	c := transport.New(transport.Config{BaseURL: parse(t, "gopher://api.example"), MaxAttempts: 1})
	_, err := c.Do(t.Context(), post(transport.Rotating))
	if e := failure(t, err); errors.Is(err, providerauth.ErrAmbiguous) || e.Status != 0 {
		t.Errorf("got %v, ambiguous %v", err, errors.Is(err, providerauth.ErrAmbiguous))
	}
}

func TestSlowErrorPageDoesNotOutliveTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := client(t, w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(403)
			_, _ = io.WriteString(rw, strings.Repeat("x", 20<<10))
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
		}), nil)
		start := time.Now()
		_, err := c.Do(t.Context(), post(transport.Safe))
		if e := failure(t, err); e.Status != 403 || len(e.Body) != 16<<10 || time.Since(start) != 10*time.Second {
			t.Errorf("status %d, %d bytes after %v", e.Status, len(e.Body), time.Since(start))
		}
	})
}

// refusingProxy reaches its server by a proxy that answers status to CONNECT.
func refusingProxy(t *testing.T, w *wire, status int) *http.Transport {
	rt := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
	rt.Proxy = http.ProxyURL(parse(t, "http://proxy.example"))
	return rt
}

func TestClient_Do_proxy(t *testing.T) {
	t.Run("the error names the answer to CONNECT", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := client(t, refusingProxy(t, newWire(), 407), func(cfg *transport.Config) {
				cfg.BaseURL = parse(t, "https://api.example/v1")
			})
			_, err := c.Do(t.Context(), transport.Call{Op: "Get", Method: "GET", Path: "/a", Policy: transport.Safe})
			if got, want := failure(t, err).Error(), "the proxy answered 407 Proxy Authentication Required"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	})
}
