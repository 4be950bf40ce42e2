package transport_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// TestMain is a client with nothing configured when it is started by
// TestLoopWritesNothingToStandardError.
func TestMain(m *testing.M) {
	if target := os.Getenv("TRANSPORT_TEST_CHILD"); target != "" {
		u, err := url.Parse(target)
		if err != nil {
			panic(err)
		}
		_, err = transport.New(transport.Config{BaseURL: u}).Do(context.Background(), transport.Call{Op: "Child", Method: "GET"})
		if e := (*apierror.Error)(nil); !errors.As(err, &e) || e.Attempts != 3 {
			panic(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A wire is a network of net.Pipes: a real server and a real client run on it
// inside a synctest bubble.
type wire struct {
	accept   chan net.Conn
	done     chan struct{}
	once     sync.Once
	dials    atomic.Int32
	requests atomic.Int32
}

func newWire() *wire { return &wire{accept: make(chan net.Conn), done: make(chan struct{})} }

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.accept:
		return c, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error   { w.once.Do(func() { close(w.done) }); return nil }
func (w *wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	w.dials.Add(1)
	client, server := net.Pipe()
	reset := new(atomic.Bool)
	select {
	case w.accept <- &serverConn{server, reset}:
		return &clientConn{client, reset}, nil
	case <-w.done:
		return nil, refusedDial
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type serverConn struct {
	net.Conn
	reset *atomic.Bool
}

// Reset is what closing a socket with unread data does.
func (c *serverConn) Reset() {
	c.reset.Store(true)
	c.Conn.Close()
}

type clientConn struct {
	net.Conn
	reset *atomic.Bool
}

func (c *clientConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.broken("read", err)
}

func (c *clientConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.broken("write", err)
}

func (c *clientConn) broken(op string, err error) error {
	if err != nil && c.reset.Load() {
		return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, syscall.ECONNRESET)}
	}
	return err
}

var (
	refusedDial = &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	silent      = log.New(io.Discard, "", 0)
)

// serve runs a server on w and returns what reaches it.
func (w *wire) serve(t *testing.T, h http.HandlerFunc) *http.Transport {
	t.Helper()
	server := &http.Server{ErrorLog: silent, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.requests.Add(1)
		if _, err := io.Copy(io.Discard, r.Body); err != nil { // a server notices a hang-up when it has read all
			return
		}
		h(rw, r)
	})}
	go func() { _ = server.Serve(w) }()
	rt := &http.Transport{DialContext: w.dial}
	t.Cleanup(func() {
		rt.CloseIdleConnections()
		w.Close()
		server.Close()
	})
	return rt
}

// script hands every connection to f, with the bytes of its first request read
// if read is true.
func (w *wire) script(t *testing.T, read bool, f func(c *serverConn)) *http.Transport {
	t.Helper()
	go func() {
		for {
			c, err := w.Accept()
			if err != nil {
				return
			}
			go func() {
				if read {
					if !readRequest(c) {
						return
					}
					w.requests.Add(1)
				}
				f(c.(*serverConn))
			}()
		}
	}()
	rt := &http.Transport{DialContext: w.dial}
	t.Cleanup(func() {
		rt.CloseIdleConnections()
		w.Close()
	})
	return rt
}

func readRequest(c io.Reader) bool {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

// answer is what a fake transport returns.
func answer(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

func parse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// client returns one whose calls go through rt; changes may be nil.
func client(t testing.TB, rt http.RoundTripper, changes func(*transport.Config)) *transport.Client {
	t.Helper()
	cfg := transport.Config{
		Provider:   "acme",
		BaseURL:    parse(t, "http://api.example/v1"),
		HTTPClient: &http.Client{Transport: rt},
	}
	if changes != nil {
		changes(&cfg)
	}
	return transport.New(cfg)
}

// post is a call with a body.
func post(p transport.Policy) transport.Call {
	return transport.Call{Op: "CreateOrder", Method: "POST", Path: "/orders", In: map[string]int{"id": 1}, Policy: p}
}

// failure makes sure that err is an *Error.
func failure(t testing.TB, err error) *apierror.Error {
	t.Helper()
	var e *apierror.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want an *Error", err, err)
	}
	return e
}

// signer is a Signer.
type signer func(ctx context.Context, r *http.Request, body []byte) error

func (f signer) Sign(ctx context.Context, r *http.Request, body []byte) error {
	return f(ctx, r, body)
}

// reader is a Reader of classes.
type reader func(status int, body []byte) apierror.Class

func (f reader) Read(_ *transport.Call, status int, _ http.Header, body []byte) apierror.Answer {
	return apierror.Answer{Class: f(status, body)}
}

// decoded makes the call and decodes its answer.
func decoded(ctx context.Context, c *transport.Client, call transport.Call, out any) error {
	resp, err := c.Do(ctx, call)
	if err != nil {
		return err
	}
	if err := transport.Unmarshal(resp.Body, out); err != nil {
		return resp.Unusable(err)
	}
	return nil
}

func retryable(e *apierror.Error) bool {
	_, ok := apierror.Facts{StatusCode: e.Status, RetryAfter: e.RetryAfter, Err: e}.Retryable()
	return ok
}

// certificate is valid in a synctest bubble too, where it is the year 2000.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"api.example"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func trusted() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(certificate().Leaf)
	return pool
}

// text is the error's text with the fields, as a provider's error prints them.
func text(e *apierror.Error) string {
	s := e.Error()
	for field, rule := range e.Fields {
		s += ": " + field + " " + rule
	}
	return s
}
