// Package simulator is what the providers' test servers share: a real HTTP
// server with faults, a clock and a log of requests, on a socket or in memory.
//
// In memory it listens on net.Pipe, so that the whole of net/http (deadlines,
// resets, truncation, connection reuse) runs inside a testing/synctest bubble,
// where a socket would stop time. Server and clients are then made inside the
// bubble and closed before it ends; an answer whose body is never read to its
// end or closed keeps net/http's client goroutines, and fails the test.
//
// A request passes, in this order: the log, what [Server.Intercept] added, the
// faults, the provider's handler.
//
// # Faults
//
// FailNext, FailActed, LoseAnswers, ActLate, Truncate, Reset, Stall, Stream and
// ByteOrderMark are used up in the order in which they were asked for, at most one
// by each request, whatever its path.
// A count of math.MaxInt is without end; one of 0 or less takes back what is
// left of that kind, and ClearFaults what is left of all. With filters, a fault is for requests that all of them
// accept.
//
// Filters are asked one at a time and only while their fault is to be had, so
// that a filter that stands alone can count the faults it causes and draw from
// a random source. They may read the body, and must neither block nor ask for
// faults.
//
// net/http's client repeats a GET by itself where a kept connection breaks
// without an answer, so that a single LoseAnswers, ActLate or Reset can pass
// unnoticed there.
//
// The package uses nothing of the SDK: a simulator that shared code with it
// would agree with its bugs.
package simulator

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a Server. The zero value is a socket below /base.
type Options struct {
	// InMemory makes the server listen on net.Pipe instead of a socket. Only
	// Server.Client reaches it then.
	InMemory bool

	// BasePath is what the server is mounted below. Default "/base": not
	// empty, so that a client that builds absolute paths fails. "/" mounts it
	// at the root.
	BasePath string

	// FailBody makes the body and Content-Type of the answers that FailNext
	// gives, and must be safe for concurrent use. Default: the HTML page of a
	// gateway.
	FailBody func(status int) (body []byte, contentType string)

	// FailureEnvelope makes the body and Content-Type of the answers that
	// FailActed gives: the provider's own failure envelope, whatever the status.
	// It must be safe for concurrent use. Default: FailBody.
	FailureEnvelope func(status int) (body []byte, contentType string)
}

// A Server is a running test server, safe for concurrent use. Paths that the
// handler, interceptors, filters, Requests and Count see are relative to the
// base path.
type Server struct {
	opt     Options
	base    string
	url     string
	handler http.Handler
	http    *http.Server
	client  *http.Client
	offset  atomic.Int64 // of the server's clock, in ns
	edge    atomic.Int64 // of the clock that writes Date, less the server's, in ns
	age     atomic.Int64 // of all answers, in ns

	faults faults
	log    requestLog

	chainMu sync.Mutex
	chain   http.Handler

	closeMu sync.Mutex // orders running.Add before running.Wait
	closed  bool
	closing chan struct{}
	running sync.WaitGroup // requests, late acts and the accept loop
}

// New starts a server. It panics if no port of the loopback interface can be
// had, as [net/http/httptest] does. A nil handler answers 404.
func New(h http.Handler, opt Options) *Server {
	if h == nil {
		h = http.NotFoundHandler()
	}
	if opt.BasePath == "" {
		opt.BasePath = "/base"
	}
	if opt.FailBody == nil {
		opt.FailBody = gatewayPage
	}
	if opt.FailureEnvelope == nil {
		opt.FailureEnvelope = opt.FailBody
	}
	s := &Server{
		opt:     opt,
		handler: h,
		closing: make(chan struct{}),
	}
	if base := strings.Trim(opt.BasePath, "/"); base != "" {
		s.base = "/" + base
	}
	s.chain = http.HandlerFunc(s.act)

	transport := &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256, IdleConnTimeout: 90 * time.Second}
	var ln net.Listener
	if opt.InMemory {
		p := newPipeListener()
		transport.DialContext = p.dial
		ln = p
	} else {
		ln = listen()
	}
	s.client = &http.Client{Transport: transport}
	s.url = (&url.URL{Scheme: "http", Host: ln.Addr().String(), Path: s.base}).String()
	s.http = &http.Server{
		Handler:  http.HandlerFunc(s.serve),
		ErrorLog: log.New(panicsOnly{os.Stderr}, "simulator: ", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	s.running.Go(func() { _ = s.http.Serve(ln) })
	return s
}

func listen() net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		return ln
	}
	if ln, err6 := net.Listen("tcp6", "[::1]:0"); err6 == nil {
		return ln
	}
	panic("simulator: no port to listen on: " + err.Error())
}

type connKey struct{}

// panicsOnly is quiet about the connections that faults and tests break, and
// shows the panics of handlers, which the client would see as EOF only.
type panicsOnly struct{ w io.Writer }

func (o panicsOnly) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("panic")) {
		return o.w.Write(p)
	}
	return len(p), nil
}

// URL is the address of the base path, without a trailing slash. In memory it
// is on 127.0.0.1:1, which passes a rule that wants https or loopback.
func (s *Server) URL() string { return s.url }

// Client returns a client that reaches the server, and in memory nothing else.
// It is the same one each time, with a *http.Transport of its own that keeps
// 256 idle connections and that Close cleans up.
func (s *Server) Client() *http.Client { return s.client }

// Close breaks all connections, ends waits that faults have imposed, drops the
// acts of ActLate that are not due yet, and returns when no handler runs any
// more. It may be called again, but not from a handler.
func (s *Server) Close() {
	s.closeMu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.closeMu.Unlock()
	// No lock and no Once while waiting: a second caller blocked on a mutex
	// would stop the time of a bubble that the handlers may need.
	_ = s.http.Close()
	s.client.CloseIdleConnections()
	s.running.Wait()
}

// begin counts a request or late act as running, unless the server is closed.
func (s *Server) begin() bool {
	s.closeMu.Lock()
	defer s.closeMu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// wait reports whether d passed before the server was closed or ctx ended.
func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-s.closing:
	}
	return false
}

// SetClockOffset makes the server's clock differ from this machine's by d; 0
// sets it right.
func (s *Server) SetClockOffset(d time.Duration) { s.offset.Store(int64(d)) }

// SetDateOffset makes the Date header of all answers differ by d from the
// server's clock, as behind an edge cache whose own clock is wrong; 0 sets it
// right. Tokens and signatures are judged by the server's clock as before.
func (s *Server) SetDateOffset(d time.Duration) { s.edge.Store(int64(d)) }

// SetAge makes all answers look as if a cache had kept them for d: they have an
// Age header, and their Date is d earlier. 0 or less ends it.
func (s *Server) SetAge(d time.Duration) { s.age.Store(int64(max(d, 0))) }

// Now is the time by the server's clock, without a monotonic reading. The Date
// header of an answer is the time by that clock at which its request came, unless
// SetDateOffset or SetAge changes it.
func (s *Server) Now() time.Time {
	return time.Now().Round(0).Add(time.Duration(s.offset.Load()))
}

// Intercept puts wrap(next) between the log and the rest; of several, the last
// added sees a request first. Nil removes them all. It may change the Date
// header before it calls next; a nil value sends none. If it passes on another
// ResponseWriter, that one needs an Unwrap method, without which Truncate
// loses the whole answer.
func (s *Server) Intercept(wrap func(next http.Handler) http.Handler) {
	s.chainMu.Lock()
	defer s.chainMu.Unlock()
	if wrap == nil {
		s.chain = http.HandlerFunc(s.act)
		return
	}
	s.chain = wrap(s.chain)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		panic(http.ErrAbortHandler)
	}
	defer s.running.Done()
	body, err := io.ReadAll(r.Body)
	if err != nil { // broken off by the client: a provider never sees such a request
		panic(http.ErrAbortHandler)
	}
	s.setDate(w.Header())
	r, below := s.relative(r)
	s.log.add(r, body, below)
	if !below {
		http.Error(w, "simulator: outside the base path "+s.base, http.StatusNotFound)
		return
	}
	s.chainMu.Lock()
	chain := s.chain
	s.chainMu.Unlock()
	chain.ServeHTTP(w, withBody(r, body))
}

// setDate sets the Date header, and the Age header of an answer out of a cache.
func (s *Server) setDate(h http.Header) {
	age := time.Duration(s.age.Load())
	date := s.Now().Add(time.Duration(s.edge.Load()) - age)
	h["Date"] = []string{date.UTC().Format(http.TimeFormat)}
	if age > 0 {
		h["Age"] = []string{strconv.FormatInt(int64(age/time.Second), 10)}
	}
}

// relative returns the request with the base path cut off, or as it is where
// it is not below that.
func (s *Server) relative(r *http.Request) (*http.Request, bool) {
	path, ok := strings.CutPrefix(r.URL.Path, s.base)
	if !ok || path != "" && path[0] != '/' {
		return r, false
	}
	if path == "" {
		path = "/"
	}
	u := *r.URL
	u.Path = path
	u.RawPath = strings.TrimPrefix(u.RawPath, (&url.URL{Path: s.base}).EscapedPath())
	r = r.WithContext(r.Context())
	r.URL = &u
	return r, true
}

// withBody returns a shallow copy of r that reads body from its start.
func withBody(r *http.Request, body []byte) *http.Request {
	r = r.WithContext(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}
