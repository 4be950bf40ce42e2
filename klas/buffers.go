package klas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/hmacsig"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

// firstRead is the initial space for a body, whatever its Content-Length
// promises. keptBytes bounds the size of pooled buffers.
const (
	firstRead = 2 << 10
	keptBytes = 64 << 10
)

// buffers is the pooled memory of a webhook. Only the goroutine of the request
// touches it. While another goroutine reads the body, the field body is nil: its
// memory belongs to that goroutine, which may outlive the webhook.
type buffers struct {
	body   []byte // as received
	keys   hmacsig.Keys
	signer int // the index of the secret that verified the request
	out    bytes.Buffer
	enc    *json.Encoder // to out
}

func newBuffers() *buffers {
	b := &buffers{}
	b.enc = json.NewEncoder(&b.out)
	b.enc.SetEscapeHTML(false)
	return b
}

// recycle puts b back, without long buffers.
func (w *Webhook) recycle(b *buffers) {
	b.signer = 0
	if cap(b.body) > keptBytes {
		b.body = nil
	}
	if b.out.Cap() > keptBytes {
		b.out = bytes.Buffer{}
	}
	w.buffers.Put(b)
}

// read reads the body on a goroutine of its own, and returns the broken rule.
// If a rule is broken, the connection is in the middle of the body and closes.
func (b *buffers) read(ctx context.Context, a *timebox.Abandoned, w http.ResponseWriter, r *http.Request, limit int64) (rule string) {
	space := b.body[:0]
	b.body = nil // it belongs to the reader, which may be abandoned
	if r.Body == nil || r.Body == http.NoBody {
		b.body = space
		return ""
	}
	if r.ContentLength > limit {
		endBody(w, r, nil)
		return tooLong
	}
	in, returned := r.Body, make(chan struct{}) // code in front may change r after the answer
	body, err := timebox.Run(ctx, a, func(ctx context.Context) ([]byte, error) {
		defer close(returned)
		return readAll(ctx, in, space, limit)
	}, nil)
	if err == nil {
		b.body = body
		return ""
	}
	if err == timebox.ErrLate {
		endBody(w, r, returned)
		return "did not come to its end within Config.HandlerTimeout"
	}
	endBody(w, r, nil)
	switch {
	case err == errBodyTooLong:
		return tooLong
	case err == http.ErrBodyReadAfterClose:
		return "was closed in front of the handler"
	}
	return "was cut off"
}

const tooLong = "is longer than Config.MaxBodyBytes"

var errBodyTooLong = errors.New(tooLong)

// readAll appends the body to space. Between two reads it checks ctx, and
// returns when ctx has ended.
func readAll(ctx context.Context, body io.Reader, space []byte, limit int64) ([]byte, error) {
	if cap(space) == 0 {
		space = make([]byte, 0, firstRead)
	}
	for {
		if len(space) == cap(space) {
			space = append(space, 0)[:len(space)]
		}
		n, err := body.Read(space[len(space):cap(space)])
		space = space[:len(space)+n]
		switch {
		case int64(len(space)) > limit:
			return nil, errBodyTooLong
		case err == io.EOF:
			return space, nil
		case err != nil:
			return nil, err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
	}
}

// endBody ends the reading of an incomplete body, so net/http does not wait for
// the rest, and closes the connection. Over HTTP/2 only the stream ends: the
// connection carries other webhooks. If a reader is under way, endBody waits
// for it to return: net/http lifts the deadline of a read under way when the
// handler returns.
func endBody(w http.ResponseWriter, r *http.Request, returned <-chan struct{}) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	if !endReading(w) {
		closeLater(r)
		return
	}
	if returned != nil {
		wait := time.NewTimer(grace)
		defer wait.Stop()
		select {
		case <-returned:
		case <-wait.C: // the deadline does not reach this body
		}
	}
}

// endReading makes every read of the body fail, and reports whether the writer
// supports it. A wrapper of the writer may panic.
func endReading(w http.ResponseWriter) (ok bool) {
	defer func() { _ = recover() }()
	return http.NewResponseController(w).SetReadDeadline(past) == nil
}

// past is a deadline in the past.
var past = time.Unix(1, 0)

type connKey struct{}

// ConnContext is for the field ConnContext of an http.Server. With it, a
// connection whose body stalls closes soon after its answer also where middleware
// hides the http.ResponseWriter of net/http, as http.TimeoutHandler and every
// wrapper without the method Unwrap do. Without it, net/http holds such a
// connection until the client closes it, also beyond Server.ReadTimeout. Behind
// other writers it has no effect.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// closeLater closes the connection after the answer, if [ConnContext] has kept it.
// net/http waits for up to 256 KiB of the rest of a body, and without a deadline
// if a read was under way when the handler returned. Ending a read before would
// end the request's context, which http.TimeoutHandler answers itself.
func closeLater(r *http.Request) {
	c, ok := r.Context().Value(connKey{}).(net.Conn)
	if !ok || r.ProtoMajor != 1 || r.Context().Err() != nil {
		return // if the context has ended, the connection may serve another request
	}
	context.AfterFunc(r.Context(), func() {
		time.AfterFunc(grace, func() {
			defer func() { _ = recover() }() // of the operator's net.Conn
			_ = c.SetReadDeadline(past)
		})
	})
}

// grace is the time for a reader to notice its past deadline, and for net/http
// to write an answer after the handler.
const grace = 100 * time.Millisecond

// An answer is the body of an answer written by this package. An answer other
// than OK has the status_code only, as Klas documents it.
type answer struct {
	Currency   string     `json:"currency,omitempty"`
	Balance    string     `json:"balance,omitempty"`
	StatusCode StatusCode `json:"status_code"`
}

// encode returns the bytes of the answer. They are valid until the next use of
// b.
func (b *buffers) encode(rep *reply) []byte {
	b.out.Reset()
	_ = b.enc.Encode(answer{rep.currency, rep.balance, rep.code}) // strings always encode
	return bytes.TrimSuffix(b.out.Bytes(), newline)
}

var newline = []byte("\n") // the encoder ends with a line feed, Klas's samples do not
