package simulator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"
)

type faultKind int

const (
	none faultKind = iota
	fail
	lose
	late
	truncate
	reset
	acted
	stall
	stream
	mark
)

type fault struct {
	kind   faultKind
	left   int
	only   []func(*http.Request) bool
	status int
	header http.Header
	after  time.Duration
	events <-chan string
}

// faults are taken in the order of the calls, at most one by each request.
type faults struct {
	mu        sync.Mutex
	plan      []*fault
	delay     time.Duration
	delayOnly []func(*http.Request) bool
}

func (f *faults) add(n int, x fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n <= 0 {
		f.plan = slices.DeleteFunc(f.plan, func(y *fault) bool { return y.kind == x.kind })
		return
	}
	x.left = n
	f.plan = append(f.plan, &x)
}

// take decides which fault a request gets. It calls the filters under the lock,
// so filters may keep counts and random sources without a lock of their own.
func (f *faults) take(r *http.Request, body []byte) (fault, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delay := f.delay
	if delay > 0 && !matches(f.delayOnly, r, body) {
		delay = 0
	}
	for i, x := range f.plan {
		if !matches(x.only, r, body) {
			continue
		}
		if x.left--; x.left == 0 {
			f.plan = slices.Delete(f.plan, i, i+1)
		}
		return *x, delay
	}
	return fault{}, delay
}

func matches(only []func(*http.Request) bool, r *http.Request, body []byte) bool {
	for _, match := range only {
		if !match(withBody(r, body)) {
			return false
		}
	}
	return true
}

// FailNext answers the next n requests with status, Options.FailBody and
// header, without letting the provider act. A status below 200 or above 999 is
// sent as 500.
func (s *Server) FailNext(n, status int, header http.Header, only ...func(*http.Request) bool) {
	s.faults.add(n, fault{kind: fail, status: sendable(status), header: header.Clone(), only: only})
}

func sendable(status int) int {
	if status < 200 || status > 999 {
		return http.StatusInternalServerError
	}
	return status
}

// LoseAnswers lets the provider act on the next n requests and breaks the
// connection instead of answering.
func (s *Server) LoseAnswers(n int, only ...func(*http.Request) bool) {
	s.faults.add(n, fault{kind: lose, only: only})
}

// ActLate breaks the connections of the next n requests at once, without an
// answer; the provider acts on them d later, in its state at that time. (For a
// provider that keeps the connection open and acts late, use an interceptor
// with a sleep before next.)
func (s *Server) ActLate(n int, d time.Duration, only ...func(*http.Request) bool) {
	s.faults.add(n, fault{kind: late, after: d, only: only})
}

// Truncate lets the provider act on the next n requests, announces the whole
// answer, sends the first half of its body and breaks the connection. An answer
// that cannot have a body is lost.
func (s *Server) Truncate(n int, only ...func(*http.Request) bool) {
	s.faults.add(n, fault{kind: truncate, only: only})
}

// Reset resets the connections of the next n requests after they have been
// read and logged and before the provider acts; the client gets ECONNRESET.
func (s *Server) Reset(n int, only ...func(*http.Request) bool) {
	s.faults.add(n, fault{kind: reset, only: only})
}

// FailActed lets the provider act on the next n requests and answers them with
// status, Options.FailureEnvelope and header instead of the provider's answer:
// a failure after the provider acted.
func (s *Server) FailActed(n, status int, header http.Header, only ...func(*http.Request) bool) {
	s.faults.add(n, fault{kind: acted, status: sendable(status), header: header.Clone(), only: only})
}

// FaultsLeft returns the number of calls whose faults are not used up. A call
// for several faults counts once.
func (s *Server) FaultsLeft() int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return len(s.faults.plan)
}

// Stall lets the provider act on the next n requests and sends the header of
// the answer, which announces the body, and nothing of the body. The connection
// stays open until the client leaves or Close. An answer that cannot have a
// body is lost.
func (s *Server) Stall(n int, only ...func(*http.Request) bool) {
	s.faults.add(n, fault{kind: stall, only: only})
}

// Stream answers the next n requests with 200, header and a body without a
// Content-Length: each text received from events, flushed at once. The body ends
// when events is closed; the connection breaks when the client leaves and at
// Close. The provider does not act.
func (s *Server) Stream(n int, events <-chan string, header http.Header, only ...func(*http.Request) bool) {
	s.faults.add(n, fault{kind: stream, events: events, header: header.Clone(), only: only})
}

// ByteOrderMark puts a byte order mark of UTF-8 before the next n answers, like
// servers with a default text encoder of .NET.
func (s *Server) ByteOrderMark(n int, only ...func(*http.Request) bool) {
	s.faults.add(n, fault{kind: mark, only: only})
}

// ClearFaults takes back all faults, and ends Delay.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.plan, s.faults.delay, s.faults.delayOnly = nil, 0, nil
}

// Delay makes the provider answer d after it has acted, from the next request
// on. It also applies to answers of other faults, and to lost answers. 0 ends
// it. There is one delay: a further call replaces the filters too. The wait
// ends early, without an answer, when the client leaves and at Close.
func (s *Server) Delay(d time.Duration, only ...func(*http.Request) bool) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.delay, s.faults.delayOnly = d, only
}

// act is the end of the chain: it applies the faults and runs the handler.
func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // again: an interceptor may have replaced it
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	x, delay := s.faults.take(r, body)
	a := &answer{header: w.Header()}
	switch x.kind {
	case reset:
		if c, ok := r.Context().Value(connKey{}).(interface{ SetLinger(int) error }); ok {
			_ = c.SetLinger(0)
		}
		panic(http.ErrAbortHandler)
	case late:
		s.actLater(r, body, x.after)
		panic(http.ErrAbortHandler)
	case stream:
		s.stream(w, r, x)
		return
	case fail:
		s.fail(a, x, s.opt.FailBody)
	case acted:
		s.handler.ServeHTTP(&answer{header: http.Header{}}, withBody(r, body))
		s.fail(a, x, s.opt.FailureEnvelope)
	default:
		s.handler.ServeHTTP(a, withBody(r, body))
	}
	if !s.wait(r.Context(), delay) || x.kind == lose {
		panic(http.ErrAbortHandler)
	}
	switch x.kind {
	case stall:
		a.sendHead(w, r.Method)
		s.untilGone(r.Context())
		panic(http.ErrAbortHandler)
	case mark:
		a.mark()
	}
	a.send(w, r.Method, x.kind == truncate)
}

// stream sends the events until there are no more, the client leaves, or Close.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, x fault) {
	for name, values := range x.header {
		w.Header()[name] = slices.Clone(values)
	}
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case text, open := <-x.events:
			if !open {
				return
			}
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-s.closing:
			panic(http.ErrAbortHandler)
		}
	}
}

// untilGone waits until the client leaves, or Close.
func (s *Server) untilGone(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.closing:
	}
}

func (s *Server) fail(a *answer, x fault, write func(status int) ([]byte, string)) {
	body, contentType := write(x.status)
	if contentType != "" {
		a.header["Content-Type"] = []string{contentType}
	}
	for name, values := range x.header {
		a.header[name] = slices.Clone(values)
	}
	a.WriteHeader(x.status)
	_, _ = a.Write(body)
}

func (s *Server) actLater(r *http.Request, body []byte, d time.Duration) {
	if !s.begin() {
		return
	}
	ctx := context.WithValue(context.WithoutCancel(r.Context()), lateKey{}, true)
	r = withBody(r.Clone(ctx), body)
	go func() {
		defer s.running.Done()
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				s.http.ErrorLog.Printf("panic in a late act: %v\n%s", v, debug.Stack())
			}
		}()
		if s.wait(context.Background(), d) {
			s.handler.ServeHTTP(&answer{header: http.Header{}}, r)
		}
	}()
}

type lateKey struct{}

// Late reports whether the provider acts on r late, by [Server.ActLate]: the
// client sent r before other requests, but the provider has acted on those
// first.
func Late(r *http.Request) bool { return r.Context().Value(lateKey{}) != nil }

func gatewayPage(status int) (body []byte, contentType string) {
	title := strconv.Itoa(status)
	if text := http.StatusText(status); text != "" {
		title += " " + text
	}
	page := fmt.Sprintf("<html>\r\n<head><title>%[1]s</title></head>\r\n<body><h1>%[1]s</h1></body>\r\n</html>\r\n", title)
	return []byte(page), "text/html; charset=utf-8"
}
