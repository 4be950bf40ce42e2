// Package simulator is the common part of the providers' test servers: a real
// HTTP server with faults, a clock and a log of requests, on a socket or in
// memory.
//
// In memory it listens on net.Pipe. The whole of net/http (deadlines, resets,
// truncation, connection reuse) then runs inside a testing/synctest bubble,
// where a socket would stop time. Make and close the server and its clients
// inside the bubble. Read every body to its end, or close it: an open body
// keeps net/http's client goroutines, which fail the test.
//
// A request passes, in this order: the log, the interceptors of
// [Server.Intercept], the faults, the provider's handler.
//
// # Faults
//
// FailNext, FailActed, LoseAnswers, ActLate, Truncate, Reset, Stall, Stream and
// ByteOrderMark are used up in the order of the calls. A request uses up at
// most one fault, whatever its path. A count of math.MaxInt is without end. A
// count of 0 or less takes back the remaining faults of its kind; ClearFaults
// takes back all. A fault with filters is for requests accepted by all its
// filters.
//
// Filters are called one at a time, and only while their fault is left. The
// only filter of a fault can therefore count its faults and draw from a random
// source. Filters may read the body, and must neither block nor add faults.
//
// net/http's client repeats a GET by itself when a kept connection breaks
// without an answer. A single LoseAnswers, ActLate or Reset can pass unnoticed
// there.
//
// The package uses nothing of the SDK: with shared code, a simulator would
// agree with the bugs of the SDK.
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

// Options of a Server. The zero value is a server on a socket, mounted at the path
// /base.
type Options struct {
	// InMemory makes the server listen on net.Pipe instead of a socket. Only
	// Server.Client reaches it then.
	InMemory bool

	// BasePath is the path at which the server is mounted. Default "/base": a
	// client that builds absolute paths fails there. "/" mounts the server at
	// the root.
	BasePath string

	// FailBody makes the body and Content-Type of FailNext's answers. It must
	// be safe for concurrent use. Default: the HTML page of a gateway.
	FailBody func(status int) (body []byte, contentType string)

	// FailureEnvelope makes the body and Content-Type of FailActed's answers:
	// the provider's own failure envelope, whatever the status. It must be safe
	// for concurrent use. Default: FailBody.
	FailureEnvelope func(status int) (body []byte, contentType string)
}

// A Server is a running test server, safe for concurrent use. The handler,
// interceptors, filters, Requests and Count see paths relative to the base
// path.
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

// panicsOnly drops the log lines about connections broken by faults and tests.
// It writes the panics of handlers, because the client sees only EOF.
type panicsOnly struct{ w io.Writer }

func (o panicsOnly) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("panic")) {
		return o.w.Write(p)
	}
	return len(p), nil
}

// URL is the address of the base path, without a trailing slash. In memory it
// is on 127.0.0.1:1, which passes the rule "https or loopback".
func (s *Server) URL() string { return s.url }

// Client returns the server's client, the same *http.Client each time. In
// memory the client reaches nothing else. It has a *http.Transport of its own
// with up to 256 idle connections. Close closes them.
func (s *Server) Client() *http.Client { return s.client }

// Close breaks all connections, ends the waits of faults, drops the acts of
// ActLate before their time, and returns when no handler runs any more. It may
// be called again, but not from a handler.
func (s *Server) Close() {
	s.closeMu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.closeMu.Unlock()
	// No lock and no Once while waiting: a second caller blocked on a mutex
	// would stop the bubble's time, and the handlers may need time to pass.
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
// header of an answer is the time of its request's arrival by this clock,
// unless SetDateOffset or SetAge changes it.
func (s *Server) Now() time.Time {
	return time.Now().Round(0).Add(time.Duration(s.offset.Load()))
}

// Intercept puts wrap(next) between the log and the rest; of several, the last
// added sees a request first. Nil removes them all. An interceptor may change
// the Date header before it calls next; a nil value sends none. If it passes on
// another ResponseWriter, the writer needs an Unwrap method. Without it,
// Truncate loses the whole answer.
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

// relative returns the request with the base path cut off. It returns a request
// outside the base path unchanged.
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

// withBody returns a shallow copy of r with a reader at the start of body.
func withBody(r *http.Request, body []byte) *http.Request {
	r = r.WithContext(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}
