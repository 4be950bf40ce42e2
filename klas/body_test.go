package klas_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/klas"
)

// recorder is a writer as middleware makes them that records the status. It
// hides that the writer beneath can set deadlines.
type recorder struct{ http.ResponseWriter }

// behind are ways to wrap a handler so that it cannot set deadlines.
var behind = map[string]func(http.Handler) http.Handler{
	"a recorder without Unwrap": func(h http.Handler) http.Handler {
		return handler(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(recorder{w}, r) })
	},
	"http.TimeoutHandler": func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "late") },
	"a writer that has the method and cannot set deadlines": func(h http.Handler) http.Handler {
		return handler(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(cannot{w}, r) })
	},
	"a writer that panics when a deadline is set": func(h http.Handler) http.Handler {
		return handler(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(panicsToSet{w}, r) })
	},
}

type cannot struct{ http.ResponseWriter }

func (cannot) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

type panicsToSet struct{ http.ResponseWriter }

func (panicsToSet) SetReadDeadline(time.Time) error { panic("interface conversion") }

func TestBody_stalled(t *testing.T) {
	for name, wrap := range behind {
		for form, start := range map[string]string{
			"known":   "Content-Length: 1000\r\n\r\n{",
			"unknown": "Transfer-Encoding: chunked\r\n\r\n",
		} {
			for _, withConn := range []bool{false, true} {
				t.Run(fmt.Sprintf("of %s length is answered at HandlerTimeout behind %s, with ConnContext %v", form, name, withConn), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						results := newResults()
						hook := newHook(t, timeout(2*time.Second), results.config)
						_, dial := startServer(t, wrap(hook.AuthenticateHandler(unreachable(t))), func(srv *http.Server) {
							if withConn {
								srv.ConnContext = klas.ConnContext
							}
						})
						c := dial()
						defer c.Close()
						began := time.Now()
						_, err := io.WriteString(c, head+start)
						if err != nil {
							t.Fatal(err)
						}
						_, got := answerOn(t, c)
						want(t, got, integrityFailed)
						if took := time.Since(began); took != 2*time.Second {
							t.Errorf("answered after %v", took)
						}
						if r := <-results; !errors.Is(r.Err, klas.ErrBody) {
							t.Errorf("result %+v", r)
						}
						if withConn {
							closes(t, c)
						}
						c.Close()
						time.Sleep(time.Second)
						if n := hook.Abandoned(); n != 0 {
							t.Errorf("%d readers are left", n)
						}
					})
				})
			}
		}
	}
	t.Run("is answered at the server's ReadTimeout if that is shorter", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			_, dial := startServer(t, newHook(t, timeout(10*time.Second)).AuthenticateHandler(unreachable(t)),
				func(srv *http.Server) { srv.ReadTimeout = time.Second })
			c := dial()
			defer c.Close()
			start := time.Now()
			if _, err := io.WriteString(c, head+"Content-Length: 1000\r\n\r\n{"); err != nil {
				t.Fatal(err)
			}
			_, got := answerOn(t, c)
			want(t, got, integrityFailed)
			if took := time.Since(start); took != time.Second {
				t.Errorf("answered after %v", took)
			}
			closes(t, c)
		})
	})
	t.Run("that a reader in front of the handler fills is answered at HandlerTimeout", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			in, out := io.Pipe()
			h := newHook(t, timeout(time.Second)).AuthenticateHandler(unreachable(t))
			r := request("", sign(secret, compact))
			r.Body, r.ContentLength = in, -1
			w := httptest.NewRecorder()
			start := time.Now()
			h.ServeHTTP(own{w}, r) // whose deadline does not reach this body
			want(t, signed(t, w.Result(), secret), integrityFailed)
			if took := time.Since(start); took > 1100*time.Millisecond {
				t.Errorf("answered after %v", took)
			}
			out.Close()
		})
	})
	t.Run("is answered with a signature if Secrets is a function", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			secrets := func(context.Context) ([]string, error) { return []string{secret}, nil }
			c := dialServer(t, newHook(t, timeout(time.Second), withSecrets(secrets)).AuthenticateHandler(unreachable(t)))
			if _, err := io.WriteString(c, head+"Content-Length: 1000\r\n\r\n{"); err != nil {
				t.Fatal(err)
			}
			_, got := answerOn(t, c)
			want(t, got, integrityFailed)
		})
	})
	t.Run("that panics is answered", func(t *testing.T) {
		r := request("", sign(secret, compact))
		r.Body, r.ContentLength = halfClosed{panicky{}}, -1
		want(t, send(t, newHook(t).AuthenticateHandler(unreachable(t)), r, secret), integrityFailed)
	})
}

type panicky struct{}

func (panicky) Read([]byte) (int, error) { panic("body") }

// A body that is not the one that was sent is no forgery.
func TestBody_changedInFront(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*http.Request)
		reason error
	}{
		"consumed": {func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, klas.ErrBody},
		"consumed, of unknown length": {func(r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			r.ContentLength = -1
		}, klas.ErrBody},
		"closed": {func(r *http.Request) {
			r.Body = halfClosed{iotestErr{http.ErrBodyReadAfterClose}}
		}, klas.ErrBody},
		"encoded again": {func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(compact, ",", ", ")))
		}, klas.ErrBody},
		"forged": {func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(compact, "12001", "12002", 1)))
		}, klas.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			results := newResults()
			r := request(compact, sign(secret, compact))
			c.change(r)
			want(t, send(t, newHook(t, results.config).AuthenticateHandler(unreachable(t)), r, secret), integrityFailed)
			res := <-results
			for _, reason := range []error{klas.ErrBody, klas.ErrSignature} {
				if errors.Is(res.Err, reason) != (reason == c.reason) {
					t.Errorf("result %+v", res)
				}
			}
			t.Log(res.Err)
		})
	}
}

// A client may close its half of the connection when it has sent everything.
func TestAHalfClosedClientIsAnswered(t *testing.T) {
	for name, endpoint := range map[string]func(*klas.Webhook) http.Handler{
		ok:        func(hook *klas.Webhook) http.Handler { return hook.AuthenticateHandler(honours(t)) },
		balanceOK: func(hook *klas.Webhook) http.Handler { return hook.Middleware(writes(balanceOK)) },
	} {
		srv := httptest.NewServer(endpoint(newHook(t)))
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(c, head+"Content-Length: 130\r\nX-Signature: "+sign(secret, compact)+"\r\n\r\n"+compact)
		if err = errors.Join(err, c.(*net.TCPConn).CloseWrite()); err != nil {
			t.Fatal(err)
		}
		_, got := answerOn(t, c)
		want(t, got, name)
		c.Close()
		srv.Close()
	}
}

func TestAnAnswerThatComesAfterWriteTimeoutDidNotLeave(t *testing.T) {
	for name, work := range map[string]time.Duration{"a good answer": 3 * time.Second, "ERR_UNKNOWN": time.Minute} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				results := newResults()
				_, dial := startServer(t, newHook(t, results.config).AuthenticateHandler(sleeps(work)),
					func(srv *http.Server) { srv.WriteTimeout = 2 * time.Second })
				c := dial()
				defer c.Close()
				go sendOn(c)
				if got, err := io.ReadAll(c); len(got) > 0 {
					t.Errorf("%q, %v", got, err)
				}
				if r := <-results; r.SendErr == nil {
					t.Errorf("result %+v", r)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestMiddleware_headers(t *testing.T) {
	t.Run("a header that the middleware sets is removed in every capitalisation", func(t *testing.T) {
		h := newHook(t).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
			for _, name := range []string{
				"x-signature", "X-SIGNATURE", "content-length", "CONTENT-LENGTH", "transfer-encoding", "Transfer-encoding",
				"content-type", "connection", "trailer", "upgrade", "keep-alive",
			} {
				w.Header()[name] = []string{"3"}
			}
			w.Header()["x-own"] = []string{"1"}
			_, _ = io.WriteString(w, balanceOK)
		}))
		bubble(t, func(t *testing.T) {
			c := dialServer(t, h)
			go sendOn(c)
			resp, got := answerOn(t, c)
			want(t, got, balanceOK)
			if resp.Header.Get("X-Own") != "1" || resp.Close || resp.TransferEncoding != nil {
				t.Errorf("%+v", resp)
			}
		})
	})
	t.Run("an encoding in any capitalisation cannot be signed", func(t *testing.T) {
		for name, values := range map[string][]string{"content-encoding": {"gzip"}, "Content-Encoding": {"", "gzip"}} {
			h := newHook(t).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()[name] = values
				_, _ = io.WriteString(w, balanceOK)
			}))
			want(t, post(t, h, compact), unknown)
		}
	})
	t.Run("a header that is set after the first write is not sent", func(t *testing.T) {
		h := newHook(t).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, balanceOK)
			w.Header().Set("X-Late", "1")
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(compact, sign(secret, compact)))
		want(t, signed(t, w.Result(), secret), balanceOK)
		if w.Header().Get("X-Late") != "" {
			t.Error("it was sent")
		}
	})
	t.Run("a goroutine that the handler leaves behind cannot write", func(t *testing.T) {
		left, wrote := make(chan struct{}), make(chan error)
		h := newHook(t).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, balanceOK)
			go func() {
				<-left
				w.WriteHeader(http.StatusTeapot)
				_, err := io.WriteString(w, "x")
				wrote <- err
			}()
		}))
		want(t, post(t, h, compact), balanceOK)
		close(left)
		if err := <-wrote; err == nil {
			t.Error("it can")
		}
	})
	t.Run("the handler is not asked for an encoding", func(t *testing.T) {
		for _, name := range []string{"Accept-Encoding", "accept-encoding"} {
			var got []string
			h := newHook(t).Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
				got = append(r.Header["Accept-Encoding"], r.Header["accept-encoding"]...)
				_, _ = io.WriteString(w, balanceOK)
			}))
			r := request(compact, sign(secret, compact))
			r.Header[name] = []string{"gzip"}
			want(t, send(t, h, r, secret), balanceOK)
			if got != nil || r.Header[name] == nil {
				t.Errorf("the handler got %q, the request has %q", got, r.Header[name])
			}
		}
	})
}

// compresses is a writer that compresses, and keeps a Content-Length that it is
// given.
type compresses struct {
	io.Writer
	http.ResponseWriter
}

func (c compresses) Write(p []byte) (int, error) { return c.Writer.Write(p) }

func TestAnAnswerThatMiddlewareCompressesIsWhole(t *testing.T) {
	h := newHook(t).AuthenticateHandler(accept(t))
	srv := httptest.NewServer(handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		gz := gzip.NewWriter(w)
		defer gz.Close()
		h.ServeHTTP(compresses{gz, w}, r)
	}))
	defer srv.Close()
	_, got := postURL(t, srv.Client(), srv.URL, compact) // asks for gzip and undoes it
	want(t, got, ok)
}
