package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

func TestOperatorsClientIsNotChangedAndOnlyItsTransportUsed(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	rt := testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
		if sent++; r.Header["Cookie"] != nil {
			t.Errorf("sent the cookie %s", r.Header["Cookie"])
		}
		return answer(200, "", "Set-Cookie", "session=1"), nil
	})
	h := &http.Client{Transport: rt, Jar: jar, Timeout: time.Second}
	c := client(t, nil, func(cfg *transport.Config) { cfg.HTTPClient = h })
	for range 2 {
		if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil {
			t.Fatal(err)
		}
	}
	if sent != 2 || len(jar.Cookies(parse(t, "http://api.example/v1"))) != 0 || h.CheckRedirect != nil || h.Jar != jar || h.Timeout != time.Second {
		t.Errorf("sent %d, client now %+v", sent, h)
	}
}

func TestBaseSendsThroughTheSameTransportAndDoesNothingElse(t *testing.T) {
	rt := &closeCounter{RoundTripper: testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return answer(204, ""), nil })}
	h := &http.Client{Transport: client(t, rt, nil).Base()}
	resp, err := h.Get("http://api.example/")
	if err != nil || resp.StatusCode != 204 {
		t.Errorf("%v, %v", resp, err)
	}
	h.CloseIdleConnections()
	if n := rt.closed.Load(); n != 0 {
		t.Errorf("idle connections closed %d times", n)
	}
}

func TestCloseIdleClosesTheClientsOwnConnections(t *testing.T) {
	closed := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			close(closed)
		}
	}
	server.Start()
	defer server.Close()
	c := transport.New(transport.Config{BaseURL: parse(t, server.URL)})
	if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil {
		t.Fatal(err)
	}
	c.CloseIdle()
	<-closed
}

// net/http's default keeps two connections per host, cleanhttp's pooled client
// three.
func TestCrowdOfCallersHardlyDials(t *testing.T) {
	const callers, calls = 64, 250
	var dials atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			dials.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := transport.New(transport.Config{BaseURL: parse(t, server.URL)})
	defer c.CloseIdle()
	testkit.Crowd(callers, func(int) {
		for range calls {
			if _, err := c.Do(context.Background(), post(transport.Safe)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	if perCall := float64(dials.Load()) / (callers * calls); perCall >= 0.01 {
		t.Errorf("%d dials, %.4f per call", dials.Load(), perCall)
	} else {
		t.Logf("%d dials, %.4f per call", dials.Load(), perCall)
	}
}

// The pool has no limit on the wait for an answer's header: attempts have their own,
// and requests that come in by Base have only their caller's.
func TestOwnPoolIsSizedForOneHostAndHasTimeLimits(t *testing.T) {
	p := transport.NewPool()
	type limits struct {
		Idle, IdlePerHost, PerHost     int
		TLS, Header, IdleTime          time.Duration
		MaxHeader                      int64
		MinTLS                         uint16
		HTTP2, Proxy, Dialer, Compress bool
	}
	got := limits{
		p.MaxIdleConns, p.MaxIdleConnsPerHost, p.MaxConnsPerHost,
		p.TLSHandshakeTimeout, p.ResponseHeaderTimeout, p.IdleConnTimeout,
		p.MaxResponseHeaderBytes, p.TLSClientConfig.MinVersion,
		p.ForceAttemptHTTP2, p.Proxy != nil, p.DialContext != nil, !p.DisableCompression,
	}
	want := limits{256, 256, 0, 5 * time.Second, 0, 90 * time.Second, 256 << 10, tls.VersionTLS12, true, true, true, true}
	testkit.Equal(t, "result", got, want)
}

func TestOwnPoolRefusesOldTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = silent
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.StartTLS()
	defer server.Close()
	c := transport.New(transport.Config{BaseURL: parse(t, server.URL)})
	defer c.CloseIdle()
	_, err := c.Do(t.Context(), post(transport.Safe))
	var alert *net.OpError
	if !errors.As(err, &alert) || alert.Op != "remote error" || failure(t, err).Attempts != 1 {
		t.Errorf("got %v, want an alert of the server", err)
	}
}

// deafConn stands for a network that drops everything without a word.
type deafConn struct {
	net.Conn
	deaf   *atomic.Bool
	closed chan struct{}
	once   sync.Once
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.deaf.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *deafConn) Write(b []byte) (int, error) {
	if c.deaf.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Without pings net/http goes on using an HTTP/2 connection whose other end has
// vanished, for as long as the kernel does.
func TestVanishedHTTP2ConnectionIsReplacedWithinHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		server := &http.Server{
			ErrorLog:  silent,
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate()}},
			Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != 2 {
					rw.WriteHeader(http.StatusHTTPVersionNotSupported)
				}
			}),
		}
		go func() { _ = server.ServeTLS(w, "", "") }()
		var deaf []*atomic.Bool
		pool := transport.NewPool()
		pool.TLSClientConfig.RootCAs = trusted()
		pool.Proxy = nil
		pool.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := w.dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			deaf = append(deaf, new(atomic.Bool))
			return &deafConn{Conn: conn, deaf: deaf[len(deaf)-1], closed: make(chan struct{})}, nil
		}
		c := client(t, pool, func(cfg *transport.Config) { cfg.BaseURL = parse(t, "https://api.example"); cfg.MaxAttempts = 1 })
		if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil {
			t.Fatal(err)
		}
		deaf[0].Store(true)
		start := time.Now()
		for {
			_, err := c.Do(t.Context(), post(transport.Safe))
			if err == nil {
				break
			}
			if time.Since(start) > 30*time.Second {
				t.Errorf("after %v: %v", time.Since(start), err)
				break
			}
		}
		pool.CloseIdleConnections()
		server.Close()
		time.Sleep(time.Minute) // the lost streams are given up
	})
}

// A connection that died while it was idle and does not take a single byte is
// no reason to give a call up.
func TestRequestOfWhichNothingGotOutIsSentOnAnotherConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		rt := w.serve(t, func(http.ResponseWriter, *http.Request) {})
		var dead atomic.Bool
		rt.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := w.dial(ctx, network, addr)
			if err == nil && w.dials.Load() == 1 {
				conn = &stuckConn{conn, &dead}
			}
			return conn, err
		}
		c := client(t, rt, nil)
		if _, err := c.Do(t.Context(), post(transport.Rotating)); err != nil {
			t.Fatal(err)
		}
		dead.Store(true)
		resp, err := c.Do(t.Context(), post(transport.Rotating))
		if err != nil || resp.Attempts != 1 || w.requests.Load() != 2 || w.dials.Load() != 2 {
			t.Errorf("%+v, %v: %d requests, %d dials", resp, err, w.requests.Load(), w.dials.Load())
		}
	})
}

type stuckConn struct {
	net.Conn
	dead *atomic.Bool
}

func (c *stuckConn) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(b)
}

type http2Conn struct{ net.Conn }

func (http2Conn) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{NegotiatedProtocol: "h2"}
}

func TestHTTP2ConnectionThatIsUnusableBeforeAnythingIsWrittenMayBeReplaced(t *testing.T) {
	c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(r.Context())
		for range 3 {
			trace.GetConn("api.example:443")
			trace.GotConn(httptrace.GotConnInfo{Conn: http2Conn{}})
		}
		trace.WroteHeaders()
		return answer(200, ""), r.Context().Err()
	}), nil)
	if _, err := c.Do(t.Context(), post(transport.Rotating)); err != nil {
		t.Error(err)
	}
}
