// Package resend keeps net/http from sending a request again by itself.
package resend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// ErrRefused is the result of a request refused by the server over HTTP/2 as
// often as allowed, each time before it was processed.
var ErrRefused = errors.New("the server refused the request before it processed it")

// Err is the error of a request stopped by a Guard.
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

// A Guard follows a single request. The transport may still call it when the
// request is over, so no two requests share a Guard.
type Guard struct {
	// Spare is how often net/http may send the request again by itself although
	// the server may have processed it.
	Spare int
	// Refusals is how often net/http may send the request again after the
	// server proved it unprocessed.
	Refusals int
	// Learn stops a request before anything is written if its connection speaks
	// HTTP/2: see Unreplayable.
	Learn bool

	trace  httptrace.ClientTrace
	saw    atomic.Uint32
	cancel context.CancelFunc
	mu     sync.Mutex
	conn   net.Conn // the connection at the last gotConn
	again  bool     // it was about to be sent once too often
	proven bool     // and the server has processed none of it so far
	spent  bool     // the server may have processed an earlier sending
	http2  bool     // a connection spoke HTTP/2
	learnt bool     // and Learn stopped the request
}

// Watch returns ctx with the hooks of the Guard. cancel ends ctx.
func (g *Guard) Watch(ctx context.Context, cancel context.CancelFunc) context.Context {
	g.trace.GetConn = g.getConn
	return g.StepIn(ctx, cancel)
}

// StepIn returns ctx with the hooks for Resent and Connected. It is cheaper
// than Watch: Asked is always false.
func (g *Guard) StepIn(ctx context.Context, cancel context.CancelFunc) context.Context {
	g.cancel = cancel
	g.trace.GotConn = g.gotConn
	g.trace.WroteHeaders = g.wroteHeaders
	return httptrace.WithClientTrace(ctx, &g.trace)
}

func (g *Guard) getConn(string) { g.saw.Or(askedConn) }

func (g *Guard) wroteHeaders() { g.saw.Or(wroteHeads) }

// gotConn steps in. Every version of net/http sends a request over HTTP/2
// again, with any method, if the server declares the request unprocessed:
// REFUSED_STREAM, or GOAWAY with an earlier stream as the last. Before Go 1.27,
// net/http also does so, without a limit, after PROTOCOL_ERROR. But gateways
// also reset a stream with PROTOCOL_ERROR if they dislike its answer. net/http
// never uses the connection of a PROTOCOL_ERROR again, so the same connection
// proves a refusal. From Go 1.27 on, another connection proves it too. Nothing
// is written once the context is cancelled. (Over HTTP/1 a request with headers
// written is only sent again if no byte got out, if its method is safe, or if
// it has an idempotency key: see HideKey.)
func (g *Guard) gotConn(info httptrace.GotConnInfo) {
	written := g.saw.Or(gotConn)&wroteHeads != 0
	g.mu.Lock()
	defer g.mu.Unlock()
	if written && g.http2 {
		g.resending(onlyRefusals || same(info.Conn, g.conn))
	}
	g.conn, g.http2 = info.Conn, overHTTP2(info.Conn)
	if g.http2 && g.Learn && !written {
		g.learnt = true
		g.cancel()
	}
}

// same reports whether a and b are the same connection.
func same(a, b net.Conn) bool { return reflect.TypeOf(a).Comparable() && a == b }

// resending counts a sending, and stops the request if there are too many.
func (g *Guard) resending(refused bool) {
	left := &g.Spare
	switch {
	case refused && g.Refusals > 0:
		left = &g.Refusals
	case !refused:
		g.spent = true
	}
	if *left > 0 {
		*left--
		return
	}
	g.again, g.proven = true, refused && !g.spent
	g.cancel()
}

// onlyRefusals reports whether net/http sends requests over HTTP/2 again after
// proven refusals only.
var onlyRefusals = newer(runtime.Version())

// newer reports whether a version of Go is 1.27 or later.
func newer(version string) bool {
	var minor int
	if _, err := fmt.Sscanf(version, "go1.%d", &minor); err != nil {
		return false
	}
	return minor >= 27
}

// Unreplayable takes away the means to send r again, for an HTTP/2 connection
// before Go 1.27. There a request with a body and without GetBody is sent again
// only if nothing was written. Otherwise the error of net/http names the
// reason, and Guard.Refused reads it. Over HTTP/1 such a request would get lost
// on a dead kept connection. So the caller has to know the protocol:
// Guard.Learn.
func Unreplayable(r *http.Request) {
	if !onlyRefusals && r.Body != nil && r.Body != http.NoBody {
		r.GetBody = nil
	}
}

// Learns reports whether a Guard of r has to learn the protocol of the
// connection.
func Learns(r *http.Request) bool {
	return !onlyRefusals && r.Body != nil && r.Body != http.NoBody && r.GetBody != nil
}

// refusal reports whether err, of a request after Unreplayable, proves the
// request unprocessed. net/http has no type for this error. The text can no
// longer change: the versions before Go 1.27 are finished.
func refusal(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "http2: Transport: cannot retry err [") &&
		(strings.Contains(text, "; REFUSED_STREAM") || strings.Contains(text, "graceful shutdown GOAWAY]"))
}

func overHTTP2(c net.Conn) bool {
	secure, ok := c.(interface{ ConnectionState() tls.ConnectionState })
	return ok && secure.ConnectionState().NegotiatedProtocol == "h2"
}

// HideKey spells the names of idempotency keys in h in lower case. net/http
// sends a request with the header Idempotency-Key or X-Idempotency-Key again,
// whatever its method, when a kept connection ends without an answer. The
// provider may have acted by then, and need not know the header. net/http looks
// for these spellings only; servers do not care.
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

// Refused reports whether the server proved the request unprocessed. err is the
// error of the request.
func (g *Guard) Refused(err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.proven || g.http2 && !g.spent && refusal(err)
}

// MayRewind reports whether the server has certainly refused the request that
// net/http is about to send again, even if net/http has read from its body. The
// Guard then counts the sending.
func (g *Guard) MayRewind() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.http2 && onlyRefusals
}

// Learnt reports whether the Guard has stopped the request because of its field
// Learn: the connection speaks HTTP/2. Nothing of the request was written.
func (g *Guard) Learnt() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.learnt
}

// Called reports whether any hook was: a transport need not know of them.
func (g *Guard) Called() bool { return g.saw.Load() != 0 }

// Asked reports whether a connection was asked for, and Connected whether it
// was there.
func (g *Guard) Asked() bool { return g.saw.Load()&askedConn != 0 }

// Connected reports whether there was a connection: bytes may have gone out.
func (g *Guard) Connected() bool { return g.saw.Load()&gotConn != 0 }
