// Package resend keeps net/http from sending a request again by itself.
package resend

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
)

// Err is what became of a request if a Guard had to step in.
var Err = errors.New("there was no answer, and net/http was about to send the request again by itself")

// ByItself reports whether net/http sends a request with this method again when
// the connection it was sent on turns out to be dead. Twice does no harm there.
func ByItself(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

const (
	askedConn  = 1 << iota // a connection was asked for
	gotConn                // and was there: from here on, bytes may have gone out
	wroteHeads             // the header was written
)

// A Guard follows what becomes of one request. The transport may still call it
// when the request is over, so no two requests share one.
type Guard struct {
	// Spare is how often net/http may send the request again by itself.
	Spare int

	trace  httptrace.ClientTrace
	saw    atomic.Uint32
	cancel context.CancelFunc
	mu     sync.Mutex
	conn   net.Conn // the last one that was there
	again  bool     // it was about to be sent once too often
}

// Watch returns ctx with the hooks of the Guard. cancel ends ctx.
func (g *Guard) Watch(ctx context.Context, cancel context.CancelFunc) context.Context {
	g.trace.GetConn = g.getConn
	return g.StepIn(ctx, cancel)
}

// StepIn returns ctx with the hooks that Resent and Connected need. It is cheaper
// than Watch: Asked is always false.
func (g *Guard) StepIn(ctx context.Context, cancel context.CancelFunc) context.Context {
	g.cancel = cancel
	g.trace.GotConn = g.gotConn
	g.trace.WroteHeaders = g.wroteHeaders
	return httptrace.WithClientTrace(ctx, &g.trace)
}

func (g *Guard) getConn(string) { g.saw.Or(askedConn) }

func (g *Guard) wroteHeaders() { g.saw.Or(wroteHeads) }

// gotConn steps in. Before Go 1.27, net/http sends a request over HTTP/2 again,
// with any method and without a limit, if the server resets it with
// PROTOCOL_ERROR, which gateways also do when they dislike the answer: thousands
// of times within one attempt. Every version does so, rightly, if the server says
// that it has not processed the request; that cannot be told apart here, and
// takes no account of how often an attempt may be made. Nothing is written once
// the context is cancelled. (Over HTTP/1 a request with headers written is only
// sent again if no byte got out, if its method is safe, or if it has an
// idempotency key: see HideKey.)
func (g *Guard) gotConn(info httptrace.GotConnInfo) {
	written := g.saw.Or(gotConn)&wroteHeads != 0
	g.mu.Lock()
	defer g.mu.Unlock()
	if written && overHTTP2(g.conn) {
		if g.again = g.Spare == 0; g.again {
			g.cancel()
		}
		g.Spare--
	}
	g.conn = info.Conn
}

func overHTTP2(c net.Conn) bool {
	secure, ok := c.(interface{ ConnectionState() tls.ConnectionState })
	return ok && secure.ConnectionState().NegotiatedProtocol == "h2"
}

// HideKey spells the names of idempotency keys in h in lower case. net/http sends
// a request with the header Idempotency-Key or X-Idempotency-Key again, whatever
// its method, when a kept connection ends without an answer. The provider may have
// acted by then, and need not know that header. net/http looks for these
// spellings only; servers do not care.
func HideKey(h http.Header) {
	for _, name := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}

// Resent reports whether the Guard had to step in.
func (g *Guard) Resent() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.again
}

// Called reports whether any hook was: a transport need not know of them.
func (g *Guard) Called() bool { return g.saw.Load() != 0 }

// Asked reports whether a connection was asked for, and Connected whether it
// was there.
func (g *Guard) Asked() bool { return g.saw.Load()&askedConn != 0 }

// Connected reports whether there was a connection, so that bytes may have gone
// out.
func (g *Guard) Connected() bool { return g.saw.Load()&gotConn != 0 }
