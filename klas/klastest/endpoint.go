package klastest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// An endpoint is what the suite sends to.
type endpoint interface {
	// do sends a request and returns the answer.
	do(r *http.Request) (*answer, error)
	// breaks reports whether do passes the read error of a body on.
	breaks() bool
	close()
}

// A handler is an endpoint in this process.
type handler struct{ http.Handler }

func (handler) close()       {}
func (handler) breaks() bool { return true }

// do calls the handler as a server would.
func (h handler) do(r *http.Request) (a *answer, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the handler panicked: %v", v)
		}
	}()
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), caller.String()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	return &answer{resp.StatusCode, resp.Header, w.Body.Bytes()}, nil
}

var caller = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1234}

// A remote is an endpoint at a URL.
type remote struct {
	target *http.Request
	client http.Client // follows no redirect
	conns  conns       // of the default client
}

// stay is an http.Client's CheckRedirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func newRemote(target *http.Request, opt Options) *remote {
	e := &remote{target: target}
	if opt.Client != nil {
		e.client = *opt.Client
	} else {
		e.client.Timeout = 30 * time.Second
		e.client.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         e.conns.dial,
			TLSHandshakeTimeout: 10 * time.Second,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 100, // those of the concurrent webhooks
		}
	}
	e.client.CheckRedirect = stay
	return e
}

func (*remote) breaks() bool { return false }

func (e *remote) do(r *http.Request) (*answer, error) {
	r = r.WithContext(e.target.Context())
	r.URL, r.Host = e.target.URL, ""
	r.Header.Set("Accept-Encoding", "identity")
	resp, err := e.client.Do(r)
	if err != nil {
		return nil, err
	}
	return read(resp)
}

// close closes the connections of the default client. Those of the operator's
// client are the operator's.
func (e *remote) close() { e.conns.close() }

// conns are the connections of a Transport. Its CloseIdleConnections leaves those
// that are not idle yet.
type conns struct {
	mu     sync.Mutex
	open   []net.Conn
	closed bool
}

func (c *conns) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	c.open = append(c.open, conn)
	return conn, nil
}

func (c *conns) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, conn := range c.open {
		conn.Close()
	}
}
