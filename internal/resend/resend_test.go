package resend_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/resend"
)

type conn struct {
	net.Conn
	protocol string
}

func (c conn) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{NegotiatedProtocol: c.protocol}
}

// hooks are what net/http calls: a connection is asked for, is there, and the
// header is written.
func hooks(ctx context.Context, steps string, protocol string) {
	trace := httptrace.ContextClientTrace(ctx)
	for _, step := range steps {
		switch step {
		case 'a':
			trace.GetConn("api.example.com:443")
		case 'c':
			trace.GotConn(httptrace.GotConnInfo{Conn: conn{protocol: protocol}})
		case 'w':
			trace.WroteHeaders()
		}
	}
}

func TestGuardStepsInBeforeARequestIsWrittenAgainOverHTTP2(t *testing.T) {
	for name, tc := range map[string]struct {
		spare           int
		protocol, steps string
		resent          bool
	}{
		"once":                              {0, "h2", "acw", false},
		"again":                             {0, "h2", "acwac", true},
		"again, without a header written":   {0, "h2", "acac", false},
		"again, as spared":                  {1, "h2", "acwacw", false},
		"again, once more than spared":      {1, "h2", "acwacwac", true},
		"over HTTP/1, where it is harmless": {0, "http/1.1", "acwacw", false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			g := &resend.Guard{Spare: tc.spare}
			ctx = g.Watch(ctx, cancel)
			hooks(ctx, tc.steps, tc.protocol)
			if g.Resent() != tc.resent || (ctx.Err() != nil) != tc.resent {
				t.Errorf("resent %v, context %v", g.Resent(), ctx.Err())
			}
		})
	}
}

func TestGuardTellsHowFarARequestCame(t *testing.T) {
	for steps, want := range map[string][3]bool{"": {}, "a": {true, true, false}, "ac": {true, true, true}} {
		g := &resend.Guard{}
		hooks(g.Watch(t.Context(), func() {}), steps, "h2")
		if got := [3]bool{g.Called(), g.Asked(), g.Connected()}; got != want {
			t.Errorf("%q: called, asked, connected %v, want %v", steps, got, want)
		}
	}
}

func TestGuard_StepIn(t *testing.T) {
	t.Run("it steps in as Watch does", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		g := &resend.Guard{}
		ctx = g.StepIn(ctx, cancel)
		hooks(ctx, "cw", "h2")
		if g.Resent() || ctx.Err() != nil {
			t.Errorf("sent once: resent %v, context %v", g.Resent(), ctx.Err())
		}
		hooks(ctx, "c", "h2")
		if !g.Resent() || ctx.Err() == nil {
			t.Errorf("sent again: resent %v, context %v", g.Resent(), ctx.Err())
		}
	})
}

func TestMethodsThatNetHTTPSendsAgain(t *testing.T) {
	for method, want := range map[string]bool{
		"": true, "GET": true, "HEAD": true, "OPTIONS": true, "TRACE": true,
		"POST": false, "PUT": false, "PATCH": false, "DELETE": false, "get": false,
	} {
		if resend.ByItself(method) != want {
			t.Errorf("%q: %v", method, !want)
		}
	}
}

func TestHideKey(t *testing.T) {
	h := http.Header{"Idempotency-Key": {"1"}, "X-Idempotency-Key": {"2"}, "x-idempotency-KEY": {"3"}, "Other": {"4"}}
	resend.HideKey(h)
	want := http.Header{"idempotency-key": {"1"}, "x-idempotency-key": {"2"}, "x-idempotency-KEY": {"3"}, "Other": {"4"}}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got %v, want %v", h, want)
	}
}

func TestHideKey_netHTTP(t *testing.T) {
	for name, body := range map[string]io.Reader{"a body": strings.NewReader("order"), "no body": nil, "an empty body": strings.NewReader("")} {
		acts, err := act(t, body, func(r *http.Request) *http.Request {
			resend.HideKey(r.Header)
			return r
		})
		if acts != 1 || err == nil {
			t.Errorf("%s: the server acted %d times (%v)", name, acts, err)
		}
	}
}

// act makes a request with an Idempotency-Key on a connection that is kept from
// the request before, and returns how often the server acted on it. The server
// closes the connection without an answer.
func act(t *testing.T, body io.Reader, watch func(*http.Request) *http.Request) (acts int, err error) {
	t.Helper()
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			n.Add(1)
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	client := server.Client()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", "1")
	if resp, err = client.Transport.RoundTrip(watch(r)); err == nil {
		resp.Body.Close()
	}
	return int(n.Load()), err
}
