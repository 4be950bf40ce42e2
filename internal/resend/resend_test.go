package resend_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"testing"

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
