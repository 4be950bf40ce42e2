package klas_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wrapped is a writer as middleware makes them that counts or measures.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// wrap is middleware that wraps the writer.
func wrap(h http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrapped{w}, r) })
}

// readAnswer reads one answer, with the body, and gives up after a minute.
func readAnswer(t *testing.T, c net.Conn, in *bufio.Reader) *http.Response {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal("no answer: ", err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestWebhook_method(t *testing.T) {
	endpoints := map[string]func(t *testing.T) http.Handler{
		"AuthenticateHandler": func(t *testing.T) http.Handler { return newHook(t).AuthenticateHandler(unreachable(t)) },
		"Middleware":          func(t *testing.T) http.Handler { return newHook(t).Middleware(notReached(t)) },
		"wrapped writer":      func(t *testing.T) http.Handler { return wrap(newHook(t).AuthenticateHandler(unreachable(t))) },
	}
	for name, h := range endpoints {
		for length, start := range map[string]string{
			"known":   "Content-Length: 1000\r\n\r\n{",
			"unknown": "Transfer-Encoding: chunked\r\n\r\n",
		} {
			t.Run("a stalled body of "+length+" length gets 405 at once from "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := dialServer(t, h(t))
					begun := time.Now()
					if _, err := io.WriteString(c, "PUT /authenticate HTTP/1.1\r\nHost: operator.test\r\n"+start); err != nil {
						t.Fatal(err)
					}
					in := bufio.NewReader(c)
					resp := readAnswer(t, c, in)
					if resp.StatusCode != http.StatusMethodNotAllowed || !resp.Close || resp.Header.Get("Allow") != "POST" {
						t.Errorf("%d, closes %v, %v", resp.StatusCode, resp.Close, resp.Header)
					}
					if took := time.Since(begun); took != 0 {
						t.Errorf("answered after %v", took)
					}
					if n, err := io.Copy(io.Discard, in); n != 0 || err != nil {
						t.Errorf("%d more bytes, %v; want the end of the connection", n, err)
					}
					if took := time.Since(begun); took > time.Second {
						t.Errorf("closed after %v", took)
					}
				})
			})
		}
		t.Run("a request without a body keeps its connection to "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := dialServer(t, h(t))
				in := bufio.NewReader(c)
				for range 3 {
					if _, err := io.WriteString(c, "GET /authenticate HTTP/1.1\r\nHost: operator.test\r\n\r\n"); err != nil {
						t.Fatal(err)
					}
					if resp := readAnswer(t, c, in); resp.StatusCode != http.StatusMethodNotAllowed || resp.Close {
						t.Errorf("%d, closes %v", resp.StatusCode, resp.Close)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
	t.Run("a body that was read in front of the handler closes the connection", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h := newHook(t).AuthenticateHandler(unreachable(t))
			c := dialServer(t, handler(func(w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				r.Body = io.NopCloser(bytes.NewReader(b))
				h.ServeHTTP(w, r)
			}))
			if _, err := io.WriteString(c, "PUT /authenticate HTTP/1.1\r\nHost: operator.test\r\nContent-Length: 1\r\n\r\n{"); err != nil {
				t.Fatal(err)
			}
			if resp := readAnswer(t, c, bufio.NewReader(c)); resp.StatusCode != http.StatusMethodNotAllowed || !resp.Close {
				t.Errorf("%d, closes %v", resp.StatusCode, resp.Close)
			}
			closes(t, c)
		})
	})
	t.Run("webhooks go on beside it over HTTP/2", func(t *testing.T) {
		var conns atomic.Int32
		srv := httptest.NewUnstartedServer(newHook(t).AuthenticateHandler(accept(t)))
		srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				conns.Add(1)
			}
		}
		srv.EnableHTTP2 = true
		srv.StartTLS()
		defer srv.Close()
		for range 3 {
			stalled, end := io.Pipe()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, srv.URL, stalled)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			end.Close()
			if resp.StatusCode != http.StatusMethodNotAllowed || resp.ProtoMajor != 2 {
				t.Errorf("%s %s", resp.Proto, resp.Status)
			}
			r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader(compact))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Signature", sign(secret, compact))
			if resp, err = srv.Client().Do(r); err != nil {
				t.Fatal(err)
			}
			want(t, signed(t, resp, secret), ok)
		}
		if n := conns.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestWebhook_stalledConnections(t *testing.T) {
	t.Run("300 with another method than POST are answered and gone a second after HandlerTimeout", func(t *testing.T) {
		const n, handlerTimeout = 300, 300 * time.Millisecond
		closed := make(chan struct{}, n)
		srv := httptest.NewUnstartedServer(newHook(t, timeout(handlerTimeout)).AuthenticateHandler(unreachable(t)))
		srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				closed <- struct{}{}
			}
		}
		srv.Start()
		defer srv.Close()
		before := runtime.NumGoroutine()

		var conns [n]net.Conn
		for i := range conns {
			c, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			conns[i] = c
			method := []string{"GET", "PUT", "PATCH", "DELETE", "OPTIONS", "X"}[i%6]
			if _, err := fmt.Fprintf(c, "%s /authenticate HTTP/1.1\r\nHost: operator.test\r\nContent-Length: 1000\r\n\r\n{", method); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		late := time.After(handlerTimeout + time.Second)
		var refused atomic.Int32
		var readers sync.WaitGroup
		for _, c := range conns {
			readers.Go(func() {
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err == nil && resp.StatusCode == http.StatusMethodNotAllowed {
					refused.Add(1)
				}
			})
		}
		for i := range n {
			select {
			case <-closed:
			case <-late:
				t.Fatalf("%d of %d answered 405; %d connections and %d goroutines are left",
					refused.Load(), n, n-i, runtime.NumGoroutine()-before)
			}
		}
		readers.Wait()
		for runtime.NumGoroutine() > before { // the server's end just after they have reported it
			select {
			case <-late:
				t.Fatalf("%d goroutines are left", runtime.NumGoroutine()-before)
			default:
				runtime.Gosched()
			}
		}
		if refused.Load() != n {
			t.Errorf("%d of %d answered 405", refused.Load(), n)
		}
		t.Logf("%d of %d answered 405; no connection and no goroutine is left after %v", refused.Load(), n, time.Since(begun))
	})
}
