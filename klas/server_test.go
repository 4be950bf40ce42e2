package klas_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/klas"
)

// dialServer starts a real server in memory and returns a connection to it. It
// is for bubbles.
func dialServer(t *testing.T, h http.Handler) net.Conn {
	t.Helper()
	_, dial := startServer(t, h)
	c := dial()
	t.Cleanup(func() { c.Close() })
	return c
}

// startServer starts a real server in memory. It is for bubbles.
func startServer(t *testing.T, h http.Handler, change ...func(*http.Server)) (srv *http.Server, dial func() net.Conn) {
	t.Helper()
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv = &http.Server{Handler: h}
	for _, f := range change {
		f(srv)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
		time.Sleep(time.Second) // net/http lingers after the last answer of a connection
	})
	return srv, func() net.Conn {
		client, server := net.Pipe()
		l.conns <- server
		return client
	}
}

type listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// overHTTP runs f in a bubble for both versions of HTTP: with a client of a real
// server in memory, and with one whose answers end when the handler returns, as
// HTTP/2 has it. (Go 1.25's own HTTP/2 does not run in a second bubble.)
func overHTTP(t *testing.T, f func(t *testing.T, serve func(http.Handler) *http.Client)) {
	t.Helper()
	t.Run("HTTP/1.1", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f(t, func(h http.Handler) *http.Client {
				_, dial := startServer(t, h)
				transport := &http.Transport{
					DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(), nil },
				}
				t.Cleanup(transport.CloseIdleConnections)
				return &http.Client{Transport: transport}
			})
		})
	})
	t.Run("HTTP/2.0", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f(t, func(h http.Handler) *http.Client { return &http.Client{Transport: http2{h}} })
		})
	})
}

type http2 struct{ h http.Handler }

func (c http2) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	w := httptest.NewRecorder()
	var served sync.WaitGroup
	served.Go(func() { c.h.ServeHTTP(w, r) }) // it may end its goroutine
	served.Wait()
	resp := w.Result()
	resp.Proto, resp.ProtoMajor, resp.ProtoMinor = r.Proto, r.ProtoMajor, r.ProtoMinor
	return resp, nil
}

// postTo posts a signed body to the server of a client.
func postTo(t *testing.T, c *http.Client, body string) (resp *http.Response, answer string) {
	t.Helper()
	return postURL(t, c, "http://operator.test/authenticate", body)
}

// postURL posts a signed body.
func postURL(t *testing.T, c *http.Client, url, body string) (resp *http.Response, answer string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Signature", sign(secret, body))
	resp, err = c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp, signed(t, resp, secret)
}

// sendOn sends a good webhook over a connection.
func sendOn(c net.Conn) {
	_, _ = io.WriteString(c, head+"Content-Length: 130\r\nX-Signature: "+sign(secret, compact)+"\r\n\r\n"+compact)
}

const head = "POST /authenticate HTTP/1.1\r\nHost: operator.test\r\nContent-Type: application/json\r\n"

// answerOn reads one answer and reports whether the server then closes.
func answerOn(t *testing.T, c net.Conn) (resp *http.Response, body string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp, signed(t, resp, secret)
}

func closes(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, c); n != 0 || err != nil {
		t.Errorf("%d more bytes, %v; want the end of the connection", n, err)
	}
}

// bubble runs the test in simulated time, with a Webhook made in it.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func timeout(d time.Duration) func(*klas.Config) {
	return func(cfg *klas.Config) { cfg.HandlerTimeout = d }
}

func TestASlowBodyIsCutOff(t *testing.T) {
	for name, trickle := range map[string]func(c net.Conn){
		"that stops": func(net.Conn) {},
		"that trickles": func(c net.Conn) {
			for {
				time.Sleep(100 * time.Millisecond)
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				results := newResults()
				hook := newHook(t, timeout(2*time.Second), results.config)
				c := dialServer(t, hook.AuthenticateHandler(unreachable(t)))
				start := time.Now()
				var sender sync.WaitGroup
				sender.Go(func() {
					_, _ = io.WriteString(c, head+"Content-Length: 1000\r\nX-Signature: "+sign(secret, compact)+"\r\n\r\n{")
					trickle(c)
				})
				resp, got := answerOn(t, c)
				want(t, got, integrityFailed)
				if took := time.Since(start); took != 2*time.Second {
					t.Errorf("answered after %v", took)
				}
				if !resp.Close {
					t.Error("the connection is to be kept")
				}
				closes(t, c)
				if r := <-results; r.Code != klas.StatusIntegrityCheckFailed || r.Duration != 2*time.Second {
					t.Errorf("result %+v", r)
				}
				c.Close()
				sender.Wait()
			})
		})
	}
}

func TestAnEndlessBodyIsCutOffWithoutBeingKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hook := newHook(t, func(cfg *klas.Config) { cfg.MaxBodyBytes = 10_000 })
		c := dialServer(t, hook.AuthenticateHandler(unreachable(t)))
		sent := make(chan int)
		go func() {
			_, _ = io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n")
			n := 0
			for {
				if _, err := io.WriteString(c, "400\r\n"+strings.Repeat("x", 1024)+"\r\n"); err != nil {
					sent <- n
					return
				}
				n += 1024
			}
		}()
		resp, got := answerOn(t, c)
		want(t, got, integrityFailed)
		if !resp.Close {
			t.Error("the connection is to be kept")
		}
		c.Close()
		if n := <-sent; n > 500_000 {
			t.Errorf("%d bytes were taken", n)
		}
	})
}

func TestABodyThatAnnouncesTooMuchIsNotRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hook := newHook(t, func(cfg *klas.Config) { cfg.MaxBodyBytes = 10_000 })
		c := dialServer(t, hook.AuthenticateHandler(unreachable(t)))
		if _, err := io.WriteString(c, head+"Content-Length: 10001\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, got := answerOn(t, c)
		want(t, got, integrityFailed)
		if !resp.Close {
			t.Error("the connection is to be kept")
		}
		// The rest is not waited for longer than a body may take.
		start := time.Now()
		closes(t, c)
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("closed after %v", took)
		}
	})
}

// halfClosed lets the client say that it has nothing more to send, as TCP does.
type halfClosed struct{ io.Reader }

func (halfClosed) Close() error { return nil }

func TestABodyThatIsCutOffIsNotVerified(t *testing.T) {
	h := newHook(t).AuthenticateHandler(unreachable(t))
	r := request("", sign(secret, compact[:50]))
	r.Body = halfClosed{io.MultiReader(strings.NewReader(compact[:50]), iotestErr{io.ErrUnexpectedEOF})}
	r.ContentLength = int64(len(compact))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	want(t, signed(t, w.Result(), secret), integrityFailed)
	if w.Header().Get("Connection") != "close" {
		t.Error("the connection is to be kept")
	}
}

type iotestErr struct{ err error }

func (e iotestErr) Read([]byte) (int, error) { return 0, e.err }

func TestTheBodyMayBeAsLongAsTheLimit(t *testing.T) {
	h := newHook(t, func(cfg *klas.Config) { cfg.MaxBodyBytes = int64(len(compact)) }).AuthenticateHandler(accept(t))
	for _, announced := range []bool{true, false} {
		for _, b := range []struct{ body, want string }{{compact, ok}, {compact + " ", integrityFailed}} {
			r := request(b.body, sign(secret, b.body))
			if !announced {
				r.ContentLength = -1
			}
			want(t, send(t, h, r, secret), b.want)
		}
	}
}

func TestABodyWithoutDeadlineSupportIsCutOffBetweenReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHook(t, timeout(time.Second)).AuthenticateHandler(unreachable(t))
		r := request("", sign(secret, compact))
		r.Body, r.ContentLength = halfClosed{&slowReader{}}, -1
		start := time.Now()
		want(t, send(t, h, r, secret), integrityFailed)
		if took := time.Since(start); took != time.Second {
			t.Errorf("answered after %v", took)
		}
		time.Sleep(time.Second) // the reader ends after its read
	})
}

type slowReader struct{}

func (*slowReader) Read(p []byte) (int, error) {
	time.Sleep(300 * time.Millisecond)
	p[0] = ' '
	return 1, nil
}

func TestOneConnectionCarriesManyWebhooks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hook := newHook(t, timeout(time.Second))
		c := dialServer(t, hook.AuthenticateHandler(accept(t)))
		in := bufio.NewReader(c)
		for range 3 {
			go sendOn(c)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			want(t, signed(t, resp, secret), ok)
			// The read deadline of the last body must not outlive it.
			time.Sleep(time.Minute)
		}
	})
}

// TestTheReadDeadlineDoesNotOutliveTheBody: where the body was read before,
// net/http is already waiting for the client to leave, and would take the
// deadline for that.
func TestTheReadDeadlineDoesNotOutliveTheBody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHook(t, timeout(time.Second)).AuthenticateHandler(accept(t))
		outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(strings.NewReader(string(b)))
			h.ServeHTTP(w, r)
			time.Sleep(5 * time.Second)
			if r.Context().Err() != nil {
				t.Error("the request's context has ended")
			}
		})
		c := dialServer(t, outer)
		go sendOn(c)
		_, got := answerOn(t, c)
		want(t, got, ok)
		time.Sleep(time.Minute)
	})
}

func TestOverTCPTooLongABodyIsAnsweredBeforeTheConnectionCloses(t *testing.T) {
	hook := newHook(t, func(cfg *klas.Config) { cfg.MaxBodyBytes = 1000 })
	srv := httptest.NewServer(hook.AuthenticateHandler(unreachable(t)))
	defer srv.Close()
	resp, err := srv.Client().Post(srv.URL, "application/json", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	want(t, signed(t, resp, secret), integrityFailed)
}

func TestAForgedBodyCostsNoMoreMemoryThanItHas(t *testing.T) {
	h := newHook(t, func(cfg *klas.Config) { cfg.MaxBodyBytes = 1 << 30 }).AuthenticateHandler(unreachable(t))
	r := request("", sign(secret, compact))
	r.ContentLength = 1 << 29 // promised, not sent
	r.Body = halfClosed{iotestErr{errors.New("reset")}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	want(t, send(t, h, r, secret), integrityFailed)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes set aside", grown)
	}
}
