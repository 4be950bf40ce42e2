package klastest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// An endpoint receives the requests of the suite.
type endpoint interface {
	// do sends a request and returns the answer.
	do(r *http.Request) (*answer, error)
	// dial returns a line for a body stopping before its end.
	dial() *line
	// breaks reports whether do passes the read error of a body on.
	breaks() bool
	close()
}

// A line sends a single request to an endpoint. A line of dial has no limit in time.
type line struct {
	client *http.Client
	to     *http.Request // has the URL and the context
	// returned receives the handler's panic, or nil, when the handler returns.
	// It is nil where the return cannot be seen.
	returned <-chan any
	// ended is called when the connection ends. An http.Transport does not
	// return then while it waits for the rest of a body.
	ended func()
	// blind is set where nothing calls ended.
	blind bool
	close func()
}

// send sends r down the line.
func (l *line) send(ctx context.Context, r *http.Request) (*http.Response, error) {
	r = r.WithContext(ctx)
	r.URL, r.Host = l.to.URL, ""
	r.Header.Set("Accept-Encoding", "identity")
	return l.client.Do(r)
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

// dial starts a server with a single connection. The connection is in memory,
// so the server runs in a bubble of testing/synctest.
func (h handler) dial() *line {
	client, server := net.Pipe()
	returned, closed := make(chan any, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	srv := &http.Server{
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(closed)
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				v := recover()
				returned <- v
				if v != nil {
					panic(http.ErrAbortHandler)
				}
			}()
			h.ServeHTTP(w, r)
		}),
	}
	l := &listener{conn: pipe{server}, closed: make(chan struct{})}
	var served sync.WaitGroup
	served.Go(func() { _ = srv.Serve(l) }) // ends with Close
	return &line{
		client:   &http.Client{Transport: wire{client}, CheckRedirect: stay},
		to:       NewRequest("", nil),
		returned: returned,
		close: func() {
			client.Close()
			cancel()
			srv.Close()
			served.Wait()
			select {
			case <-closed:
			case <-time.After(2 * time.Second): // the handler does not return
			}
		},
	}
}

// A wire sends a single request down a connection. Unlike an http.Transport, it
// does not close the connection after the answer while the request is
// incomplete: closing would release a handler still reading.
type wire struct{ net.Conn }

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	context.AfterFunc(r.Context(), func() { w.Close() })
	go func() { _ = r.Write(w) }() // ends with the body
	return http.ReadResponse(bufio.NewReader(w), r)
}

// A listener accepts a single connection.
type listener struct {
	conn     net.Conn
	accepted bool
	once     sync.Once
	closed   chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	if !l.accepted {
		l.accepted = true
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *listener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *listener) Addr() net.Addr { return caller }

// A pipe is the server's end of a connection in memory.
type pipe struct{ net.Conn }

func (pipe) RemoteAddr() net.Addr { return caller }

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
			MaxIdleConnsPerHost: 100, // for the concurrent webhooks
		}
	}
	e.client.CheckRedirect = stay
	return e
}

func (*remote) breaks() bool { return false }

func (e *remote) do(r *http.Request) (*answer, error) {
	l := line{client: &e.client, to: e.target}
	resp, err := l.send(e.target.Context(), r)
	if err != nil {
		return nil, err
	}
	return read(resp)
}

// dial copies the Transport, to see when the connection ends.
func (e *remote) dial() *line {
	client := e.client
	client.Timeout = 0 // the case has a limit of its own
	l := &line{client: &client, to: e.target, close: func() {}}
	original := client.Transport
	if original == nil {
		original = http.DefaultTransport
	}
	transport, ok := original.(*http.Transport)
	if !ok || transport.DialTLSContext != nil { // the connection cannot be wrapped: HTTP/2 needs its type
		l.blind = true
		return l
	}
	transport = transport.Clone()
	own := &conns{under: transport.DialContext, ended: func() { l.ended() }}
	transport.DialContext = own.dial
	client.Transport = transport
	l.close = own.close
	return l
}

// close closes the connections of the default client. The operator closes the
// connections of its own client.
func (e *remote) close() { e.conns.close() }

// conns are the connections of a Transport. Its CloseIdleConnections leaves
// connections not idle yet.
type conns struct {
	under func(ctx context.Context, network, addr string) (net.Conn, error) // nil: a net.Dialer's
	ended func()                                                            // nil: nobody asks

	mu     sync.Mutex
	open   []net.Conn
	closed bool
}

func (c *conns) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	under := c.under
	if under == nil {
		under = new(net.Dialer).DialContext
	}
	conn, err := under(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if c.ended != nil {
		conn = watched{conn, c.ended}
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

// A watched connection tells when it ends.
type watched struct {
	net.Conn
	ended func()
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.ended()
	}
	return n, err
}

func (w watched) Close() error {
	defer w.ended() // after TLS's closing message
	return w.Conn.Close()
}
