package resend_test

import (
	"context"
	"crypto/tls"
	"errors"
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

func TestGuard_Track(t *testing.T) {
	t.Run("net/http alone sends a request again after its connection has ended", func(t *testing.T) {
		acts, _ := act(t, strings.NewReader("order"), func(r *http.Request) *http.Request { return r })
		if acts != 2 {
			t.Errorf("the server acted %d times; at once, Track is not needed any more", acts)
		}
	})

	for name, size := range map[string]int{"a small request": 5, "a request that is not read to its end": 8 << 20} {
		t.Run(name+" is not sent again after its connection has ended", func(t *testing.T) {
			g := new(resend.Guard)
			acts, err := act(t, strings.NewReader(strings.Repeat("x", size)), func(r *http.Request) *http.Request {
				r = r.WithContext(g.Watch(r.Context(), func() {}))
				g.Track(r)
				return r
			})
			if acts != 1 || err == nil {
				t.Errorf("the server acted %d times (%v)", acts, err)
			}
		})
	}

	for _, tc := range []struct {
		name     string
		protocol string
		saw      func(r *http.Request, trace *httptrace.ClientTrace)
		again    bool
	}{
		{"a body that was not read may be rewound", "", func(*http.Request, *httptrace.ClientTrace) {}, true},
		{"a body that was read may not", "", func(r *http.Request, _ *httptrace.ClientTrace) { read(r) }, false},
		{"a body that was read may be rewound after an answer", "", func(r *http.Request, trace *httptrace.ClientTrace) {
			read(r)
			trace.GotFirstResponseByte()
		}, true},
		{"a body that was read may be rewound over HTTP/2, where its second sending is watched", "h2", func(r *http.Request, _ *httptrace.ClientTrace) { read(r) }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := new(resend.Guard)
			r, err := http.NewRequest(http.MethodPost, "https://api.example.com/", strings.NewReader("order"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Idempotency-Key", "1")
			r = r.WithContext(g.Watch(t.Context(), func() {}))
			g.Track(r)
			hooks(r.Context(), "acw", tc.protocol)
			tc.saw(r, httptrace.ContextClientTrace(r.Context()))
			body, err := r.GetBody()
			if got := err == nil; got != tc.again || g.Resent() == tc.again {
				t.Fatalf("rewound %v, resent %v (%v)", got, g.Resent(), err)
			}
			if err != nil {
				return
			}
			hooks(r.Context(), "acw", "")
			if b, err := io.ReadAll(body); string(b) != "order" || err != nil {
				t.Errorf("read %q, %v", b, err)
			}
			if _, err := r.GetBody(); !errors.Is(err, resend.Err) && tc.protocol == "" {
				t.Errorf("after another sending: %v", err)
			}
		})
	}

	t.Run("a hook of the caller is called as well", func(t *testing.T) {
		called := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotFirstResponseByte: func() { called = true }})
		r, err := http.NewRequest(http.MethodPost, "https://api.example.com/", strings.NewReader("order"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Idempotency-Key", "1")
		g := new(resend.Guard)
		r = r.WithContext(g.Watch(ctx, func() {}))
		g.Track(r)
		if httptrace.ContextClientTrace(r.Context()).GotFirstResponseByte(); !called {
			t.Error("it was not")
		}
	})

	t.Run("a GetBody that returns no body is an error", func(t *testing.T) {
		g := new(resend.Guard)
		r := &http.Request{
			Header: http.Header{"Idempotency-Key": nil}, Body: io.NopCloser(strings.NewReader("")),
			GetBody: func() (io.ReadCloser, error) { return nil, nil },
		}
		g.Track(r)
		if body, err := r.GetBody(); body != nil || err == nil {
			t.Errorf("got %v, %v", body, err)
		}
	})
}

func read(r *http.Request) { _, _ = io.ReadAll(r.Body) }
