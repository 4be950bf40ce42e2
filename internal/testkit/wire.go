package testkit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A Wire is an HTTP server in memory with a record of the bytes on its
// connections. net/http canonicalises the header names of a received request,
// so a handler cannot see the client's spelling.
type Wire struct {
	conns  chan net.Conn
	closed chan struct{}
	client *http.Client

	mu             sync.Mutex
	sent, answered bytes.Buffer
}

// WireURL is a base URL for clients of a Wire. It has a path, which a client
// has to keep.
const WireURL = "http://127.0.0.1/base"

// NewWire starts a server with this handler, in a testing/synctest bubble. It
// closes at the end of the test.
func NewWire(t *testing.T, h http.Handler) *Wire {
	w := &Wire{conns: make(chan net.Conn), closed: make(chan struct{})}
	w.client = &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return w.dial() },
	}}
	server := &http.Server{Handler: h}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(w) })
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		_ = server.Shutdown(context.Background()) // Shutdown also waits for handlers that go on after their answer
		running.Wait()
	})
	return w
}

// Client returns an http.Client whose connections all lead to the server.
func (w *Wire) Client() *http.Client { return w.client }

// Sent returns the requests since the last call of Sent, in the order in which
// they were sent. Line ends are \n, and the header lines are sorted. All else
// is as sent.
func (w *Wire) Sent() string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.sent.Reset()
	return readable(w.sent.String())
}

// Answered returns the answers since the last call of Answered, in the form of
// Sent.
func (w *Wire) Answered() string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.answered.Reset()
	return readable(w.answered.String())
}

// readable makes a text of HTTP/1.1 messages.
func readable(raw string) string {
	var b strings.Builder
	for raw != "" {
		head, rest, ok := strings.Cut(raw, "\r\n\r\n")
		if !ok {
			return b.String() + "broken off: " + strconv.Quote(raw)
		}
		lines := strings.Split(head, "\r\n")
		slices.Sort(lines[1:])
		n := bodyLength(lines[1:], rest)
		body := rest[:n]
		raw = rest[n:]
		if b.Len() > 0 {
			b.WriteString("--\n")
		}
		b.WriteString(strings.Join(lines, "\n") + "\n")
		if body != "" {
			b.WriteString("\n" + strings.ReplaceAll(body, "\r\n", "\n") + "\n")
		}
	}
	return b.String()
}

// bodyLength returns how many bytes of rest belong to the message with this
// header.
func bodyLength(header []string, rest string) int {
	const lastChunk = "0\r\n\r\n"
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case strings.EqualFold(name, "Content-Length"):
			n, _ := strconv.Atoi(value)
			return min(n, len(rest))
		case strings.EqualFold(name, "Transfer-Encoding"):
			if i := strings.Index(rest, lastChunk); i >= 0 {
				return i + len(lastChunk)
			}
		}
	}
	return 0
}

func (w *Wire) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case w.conns <- server:
		return &recordedConn{Conn: client, wire: w}, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Accept is for http.Server.
func (w *Wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Close is for http.Server, which calls it once.
func (w *Wire) Close() error { close(w.closed); return nil }

// Addr is for http.Server.
func (w *Wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// A recordedConn is the client's end of a connection.
type recordedConn struct {
	net.Conn
	wire *Wire
}

func (c *recordedConn) Write(p []byte) (int, error) {
	c.wire.mu.Lock()
	c.wire.sent.Write(p) // first: the answer may come before Write returns
	c.wire.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *recordedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	c.wire.answered.Write(p[:n])
	return n, err
}

// OddFields and ErrOdd hold characters with several spellings in JSON, for the
// errors of the providers.
var (
	OddFields = map[string]string{"b": "rule <&>", "a": "é"}
	ErrOdd    = errors.New("cause <&>")
)

// Segments returns the parts of a JSON Web Token, header and payload decoded.
func Segments(token string) string {
	var b strings.Builder
	for i, part := range strings.Split(token, ".") {
		if decoded, err := base64.RawURLEncoding.DecodeString(part); err == nil && i < 2 {
			part = string(decoded)
		}
		b.WriteString(part + "\n")
	}
	return b.String()
}

// HS256 returns a JSON Web Token of these texts, signed by crypto/hmac.
func HS256(secret, header, payload string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strings.TrimSuffix(JWT(header, payload, ""), ".")))
	return JWT(header, payload, string(mac.Sum(nil)))
}

// JWT returns a JSON Web Token of these texts.
func JWT(header, payload, signature string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(header)) + "." + enc([]byte(payload)) + "." + enc([]byte(signature))
}

// Must fails the test for an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// Calls makes a call with each body, and returns the requests. A call without a
// request stands as Refused.
func (w *Wire) Calls(t *testing.T, bodies []Body, call func(in any) error) string {
	t.Helper()
	var s Sheet
	for _, b := range bodies {
		err := call(b.In)
		sent := w.Sent()
		switch {
		case sent == "" && err != nil:
			sent = Refused
		case err != nil:
			t.Errorf("%s: %v", b.Name, err)
		}
		s.Add(b.Name, sent)
	}
	return s.String()
}

// Targets makes calls of every method and of easily changed paths, and returns
// the requests.
func (w *Wire) Targets(t *testing.T, call func(method, path string, in any) error) string {
	t.Helper()
	var s Sheet
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		Must(t, call(method, "/a/b?q=%26+x&q=2", nil))
		Must(t, call(method, "a%2Fb/%C3%A9", map[string]int{"a": 1}))
		s.Add(method, w.Sent())
	}
	return s.String()
}

// Requests sends requests by an http.Client of the SDK, as a program may build
// them, and adds the bytes to s.
func (w *Wire) Requests(t *testing.T, s *Sheet, title string, hc *http.Client) {
	t.Helper()
	send := func(name, method string, body io.Reader, header http.Header) {
		t.Helper()
		r, err := http.NewRequest(method, WireURL+"/some%2Fpath?q=1", body)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range header {
			r.Header[name] = values
		}
		resp, err := hc.Do(r)
		if err != nil {
			t.Fatalf("%s %s: %v", title, name, err)
		}
		resp.Body.Close()
		s.Add(title+" "+name, w.Sent())
	}
	send("without body", http.MethodGet, nil, nil)
	send("POST without body", http.MethodPost, nil, nil)
	send("with a body", http.MethodPost, strings.NewReader(`{"a": "<&>"}`), nil)
	send("with a body of unknown length", http.MethodPost, struct{ io.Reader }{strings.NewReader(`{"a":1}`)}, nil)
	send("with headers of its own", http.MethodPost, strings.NewReader(`{}`), http.Header{
		"content-type": {"text/plain"}, "ACCEPT-LANGUAGE": {"fr"}, "Accept": {"*/*"}, "User-Agent": {"operator"}, "x-own": {"1", "2"},
	})
	send("with headers that the SDK sets", http.MethodPost, strings.NewReader(`{}`), http.Header{
		"authorization": {"Bearer other"}, "AUTHORIZATION": {"Bearer other"}, "Api-Key": {"other"}, "API-KEY": {"other"}, "Merchant_id": {"other"},
		"Sign": {"other"}, "SIGN": {"other"}, "Timestamp": {"1"}, "Idempotency-Key": {"k-1"}, "X-Idempotency-Key": {"k-2"},
	})
}

// Post sends a body to the path, from WireURL on, by an http.Client of the SDK,
// and returns the requests.
func (w *Wire) Post(t *testing.T, hc *http.Client, path, body string) string {
	t.Helper()
	resp, err := hc.Post(WireURL+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return w.Sent()
}

// Answer returns a handler. Its answers are JSON with this status and body. A
// path in paths, from WireURL on, has its own body.
func Answer(status int, body string, paths map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := body
		if other, ok := paths[strings.TrimPrefix(r.URL.Path, "/base")]; ok {
			text = other
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, text)
	})
}

// FailOnce is a handler. It answers a request to Path, from WireURL on, with a
// failure, and leaves all others to Next.
type FailOnce struct {
	Path   string
	Status int
	Header http.Header
	Body   string
	Next   http.Handler

	failed atomic.Bool
}

// Again makes the next request to the path fail too.
func (f *FailOnce) Again() { f.failed.Store(false) }

// ServeHTTP answers a request.
func (f *FailOnce) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/base"+f.Path || f.failed.Swap(true) {
		f.Next.ServeHTTP(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}

// Throttled is the header of a 429 after which a call is made again in 5 seconds.
var Throttled = http.Header{"Retry-After": {"5"}}
