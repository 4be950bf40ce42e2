package routertest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/klas/klastest"
)

const (
	secret = "routertest-secret"
	player = "12001"
	slow   = "slow" // a player whose Authenticator waits for the end of the test

	// handlerTimeout is for webhooks that are to be late, longTimeout for those that
	// are not to be late on a busy machine.
	handlerTimeout = 300 * time.Millisecond
	longTimeout    = 3 * time.Second
	// answerBy is the time for an answer, also after longTimeout. readTimeout is
	// longer, because it would end a body too.
	answerBy    = 5 * time.Second
	readTimeout = 8 * time.Second
)

// What a client accepts. Klas's client is not known: with gzip, as net/http has it
// by default, middleware that compresses wraps the writer.
const (
	plain = "identity"
	zip   = "gzip"
	own   = "" // net/http's, which also decompresses
)

// The tests wait most of the time, so that many run at once.
func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestStacks(t *testing.T) {
	for name, mount := range stacks() {
		for version, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
			t.Run(name+" over "+version, func(t *testing.T) {
				t.Parallel()
				for what, check := range checks {
					t.Run(what, func(t *testing.T) {
						t.Parallel()
						check(t, &server{mount: mount, http2: http2, handlerTimeout: handlerTimeout, readTimeout: readTimeout})
					})
				}
			})
		}
	}
}

var checks = map[string]func(*testing.T, *server){
	"klastest passes": klastestPasses,
	"a stalled body is answered at HandlerTimeout":                  stalledBody,
	"a stalled body is ended by a ReadTimeout below HandlerTimeout": shortReadTimeout,
	"a slow Authenticator is answered for at HandlerTimeout":        slowAuthenticator,
	"another method with a stalled body is answered at once":        stalledMethod,
	"a client that accepts gzip gets the signature of plain bytes":  acceptsGzip,
	"a webhook after a late one is answered":                        goesOn,
}

func klastestPasses(t *testing.T, s *server) {
	s.handlerTimeout = longTimeout
	s.start(t)
	err := klastest.TestURL(t.Context(), s.URL+path, klastest.Options{
		Secret: secret, PlayerID: player, MaxBodyBytes: maxBody, HandlerTimeout: longTimeout, Client: s.Client(),
	})
	if err != nil {
		t.Error(err)
	}
}

// stalledBody: where the handler cannot reach the deadlines of the connection, the
// answer leaves the connection to net/http, which over HTTP/1 waits for the rest of
// a short body, without the ReadTimeout if the handler has left a goroutine that
// reads. shortReadTimeout is what the operator does about that.
func stalledBody(t *testing.T, s *server) {
	s.start(t)
	a := s.stall(t, http.MethodPost)
	a.want(t, "ERR_INTEGRITY_CHECK_FAILED")
	if s.deadlines.Load() {
		s.ends(t, a)
	}
	s.idle(t)
}

func shortReadTimeout(t *testing.T, s *server) {
	s.handlerTimeout, s.readTimeout = longTimeout, 2*time.Second // which has to do for a handshake, too
	s.start(t)
	a := s.stall(t, http.MethodPost)
	if a.status != http.StatusServiceUnavailable { // http.TimeoutHandler's: with the body ends its context
		a.want(t, "ERR_INTEGRITY_CHECK_FAILED")
	}
	s.ends(t, a)
}

func stalledMethod(t *testing.T, s *server) {
	s.handlerTimeout = time.Hour
	s.start(t)
	a := s.stall(t, http.MethodPut)
	if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != http.MethodPost {
		t.Errorf("status %d, Allow %q; want 405 with Allow: POST", a.status, a.header.Get("Allow"))
	}
	s.ends(t, a)
}

func slowAuthenticator(t *testing.T, s *server) {
	s.start(t)
	s.post(t, slow, zip).want(t, "ERR_UNKNOWN")
	if s.waiting.Load() != 1 {
		t.Error("the Authenticator has returned, or was not called")
	}
	close(s.release)
	s.idle(t)
}

func acceptsGzip(t *testing.T, s *server) {
	s.handlerTimeout = longTimeout
	s.start(t)
	for _, encoding := range []string{zip, own} {
		s.post(t, player, encoding).want(t, "OK")
		s.post(t, "nobody", encoding).want(t, "ERR_BAD_PARAMS")
	}
}

func goesOn(t *testing.T, s *server) {
	s.handlerTimeout = longTimeout / 2
	s.start(t)
	s.post(t, slow, plain).want(t, "ERR_UNKNOWN")
	s.post(t, player, plain).want(t, "OK")
}

// maxBody is above what an http.Client buffers, so that it sends a part of a body.
const maxBody = 10_000

// A server is a stack with its http.Server.
type server struct {
	*httptest.Server
	mount mount
	http2 bool

	handlerTimeout, readTimeout time.Duration

	active    atomic.Int32  // requests in the outermost handler
	deadlines atomic.Bool   // the handler reaches the deadlines of the connection
	waiting   atomic.Int32  // slow Authenticators
	release   chan struct{} // ends them; closed at the end of the test, or before
}

func (s *server) start(t *testing.T) {
	t.Helper()
	s.release = make(chan struct{})
	hook, err := klas.New(klas.Config{
		Secrets: providerauth.StaticSecrets(secret), MaxBodyBytes: maxBody, HandlerTimeout: s.handlerTimeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	balance, err := providerauth.ParseAmount("30")
	if err != nil {
		t.Fatal(err)
	}
	h := hook.AuthenticateHandler(klas.AuthenticatorFunc(
		func(_ context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			switch req.PlayerID {
			case player:
			case slow:
				s.waiting.Add(1)
				<-s.release
				s.waiting.Add(-1)
			default:
				return klas.AuthenticateResponse{}, &klas.Refusal{Err: errors.New("no such player")}
			}
			return klas.AuthenticateResponse{Currency: "EUR", Balance: balance}, nil
		}))
	stack := s.mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.deadlines.Store(http.NewResponseController(w).SetWriteDeadline(time.Time{}) == nil)
		h.ServeHTTP(w, r)
	}))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.active.Add(1)
		defer s.active.Add(-1)
		stack.ServeHTTP(w, r)
	}))
	s.Config.ReadHeaderTimeout = readTimeout
	s.Config.ReadTimeout = s.readTimeout
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if s.http2 {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() {
		select {
		case <-s.release:
		default:
			close(s.release)
		}
		s.CloseClientConnections()
		s.Close()
	})
}

// An answer is read to its end, and decompressed.
type answer struct {
	status int
	header http.Header
	body   []byte
	begun  time.Time // when a body that stalls was sent
	conn   net.Conn  // that it came on over HTTP/1
}

func (a *answer) want(t *testing.T, code string) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Errorf("status %d, want 200", a.status)
	}
	if got := a.header.Values("X-Signature"); len(got) != 1 || got[0] != signature(a.body) {
		t.Errorf("%d signatures, and not that of the %d bytes of the answer", len(got), len(a.body))
	}
	var got struct {
		StatusCode string `json:"status_code"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil || got.StatusCode != code {
		t.Errorf("answer %.200q (%v), want %s", a.body, err, code)
	}
}

func signature(body []byte) string {
	return klastest.NewRequest(secret, body).Header.Get("X-Signature")
}

func webhook(player string) []byte {
	return fmt.Appendf(nil, `{"request_id":"r-%d","timestamp":%d,"session_id":"s-1","player_id":%q}`, requests.Add(1), time.Now().Unix(), player)
}

var requests atomic.Int64

// post sends a webhook. Accept-Encoding is net/http's own for "".
func (s *server) post(t *testing.T, player, encoding string) *answer {
	t.Helper()
	r := klastest.NewRequest(secret, webhook(player))
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	return s.send(t, r, answerBy)
}

func (s *server) send(t *testing.T, r *http.Request, by time.Duration) *answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), by)
	defer cancel()
	target, err := http.NewRequest(r.Method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r = r.WithContext(ctx)
	r.URL, r.Host = target.URL, ""
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	if want := 1 + btoi(s.http2); resp.ProtoMajor != want {
		t.Errorf("the answer came over %s, want HTTP/%d", resp.Proto, want)
	}
	return read(t, resp)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func read(t *testing.T, resp *http.Response) *answer {
	t.Helper()
	defer resp.Body.Close()
	in := io.Reader(resp.Body)
	switch encoding := resp.Header.Get("Content-Encoding"); encoding {
	case "":
	case "gzip":
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		in = unzipped
	default:
		t.Fatalf("Content-Encoding %q", encoding)
	}
	body, err := io.ReadAll(in)
	if err != nil {
		t.Fatalf("the answer is cut off: %v", err)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: body}
}

// stall sends half a body, and nothing after it.
func (s *server) stall(t *testing.T, method string) *answer {
	t.Helper()
	body := webhook(player)
	r := klastest.NewRequest(secret, body)
	r.Method, r.URL.Path = method, path
	r.Header.Set("Accept-Encoding", zip)
	half := body[:len(body)/2]
	begun := time.Now()
	var a *answer
	if s.http2 {
		in, out := io.Pipe()
		t.Cleanup(func() { in.Close() })
		go func() { _, _ = out.Write(half) }() // ends with the pipe
		r.Body, r.GetBody = in, nil
		a = s.send(t, r, s.readTimeout+answerBy)
	} else {
		a = s.stallConn(t, r, half)
	}
	if took := time.Since(begun); took > answerBy {
		t.Errorf("answered after %v, when the ReadTimeout of the server ended the body", took)
	}
	a.begun = begun
	return a
}

// stallConn sends half of the body of r on a connection of its own.
func (s *server) stallConn(t *testing.T, r *http.Request, half []byte) *answer {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	head := new(bytes.Buffer)
	fmt.Fprintf(head, "%s %s HTTP/1.1\r\nHost: operator.test\r\nContent-Length: %d\r\n", r.Method, path, r.ContentLength)
	if err := r.Header.Write(head); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "%s\r\n%s", head, half); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(s.readTimeout + answerBy)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	a := read(t, resp)
	a.conn = conn
	return a
}

// ends waits for the end of the connection and of the handler, by the ReadTimeout
// of the server where the handler cannot reach the deadlines of the connection. Over
// HTTP/2 only the stream ends.
func (s *server) ends(t *testing.T, a *answer) {
	t.Helper()
	by := a.begun.Add(answerBy)
	if !s.deadlines.Load() {
		by = by.Add(s.readTimeout)
	}
	if a.conn != nil {
		if err := a.conn.SetReadDeadline(by); err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, a.conn)
		if n > 0 {
			t.Errorf("%d bytes after the answer", n)
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Error("the connection stays open")
		}
	}
	s.idle(t)
}

// idle waits until no request is in a handler.
func (s *server) idle(t *testing.T) {
	t.Helper()
	for by := time.Now().Add(answerBy); s.active.Load() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(by) {
			t.Fatalf("%d handlers have not returned", s.active.Load())
		}
	}
}
