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

// firstRead is the space for a body before any of it has come, whatever its
// Content-Length promises. keptBytes is the most that pooled buffers hold.
const (
	firstRead = 2 << 10
	keptBytes = 64 << 10
)

// buffers is the pooled memory of a webhook. Only the goroutine of the
// request touches it; the reader of a body has the space to itself.
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

// read reads the body, and returns the rule that it breaks. Then the connection
// is in the middle of the body and closes.
func (b *buffers) read(ctx context.Context, a *timebox.Abandoned, w http.ResponseWriter, r *http.Request, limit int64) (rule string) {
	space := b.body[:0]
	b.body = nil // it belongs to the reader, which may be abandoned
	var err error
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		b.body = space
		return ""
	case r.ContentLength > limit:
		err = errBodyTooLong
	case deadliner(w) != nil:
		b.body, err = readHere(ctx, w, r, space, limit)
	default:
		b.body, err = timebox.Run(ctx, a, func(ctx context.Context) ([]byte, error) {
			return readAll(ctx, r.Body, space, limit)
		})
	}
	if err == nil {
		return ""
	}
	endBody(w, r)
	switch {
	case err == errBodyTooLong:
		return tooLong
	case err == http.ErrBodyReadAfterClose:
		return "was closed in front of the handler"
	case timebox.Over(ctx):
		return "did not come to its end within Config.HandlerTimeout"
	}
	return "was cut off"
}

// readHere reads the body on this goroutine, and ends the reading at the deadline.
// The deadline of the connection is touched only then: a ReadTimeout of the
// server stays.
func readHere(ctx context.Context, w http.ResponseWriter, r *http.Request, space []byte, limit int64) ([]byte, error) {
	deadline, _ := ctx.Deadline()
	ended := make(chan struct{})
	d := deadliner(w)
	timer := time.AfterFunc(time.Until(deadline), func() {
		defer close(ended)
		_ = d.SetReadDeadline(past)
	})
	body, err := readAll(ctx, r.Body, space, limit)
	if !timer.Stop() {
		<-ended // nothing may touch the connection after the handler
		endBody(w, r)
	}
	return body, err
}

const tooLong = "is longer than Config.MaxBodyBytes"

var errBodyTooLong = errors.New(tooLong)

// readAll appends the body to space. It ends between two reads if the context
// has ended.
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

// endBody ends the reading of a body that did not come to its end, so that
// net/http does not wait for the rest, and closes the connection. Over HTTP/2 only
// the stream ends: the connection carries other webhooks.
func endBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	if d := deadliner(w); d != nil {
		_ = d.SetReadDeadline(past)
		return
	}
	closeLater(r)
}

// past is a deadline that makes every read fail, also a read that is under way.
var past = time.Unix(1, 0)

type setsReadDeadline interface{ SetReadDeadline(time.Time) error }

// deadliner returns the writer of net/http, which sets the deadline for reading
// the body; nil if middleware hides it.
func deadliner(w http.ResponseWriter) setsReadDeadline {
	for {
		switch t := w.(type) {
		case setsReadDeadline:
			return t
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}

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
	if !ok || r.ProtoMajor != 1 {
		return
	}
	context.AfterFunc(r.Context(), func() {
		time.AfterFunc(grace, func() { _ = c.SetReadDeadline(past) })
	})
}

// grace is the time between the end of a handler and the end of its reading.
const grace = 100 * time.Millisecond

// An answer is the body of an answer that this package writes. An answer other
// than OK has the status_code only, as Klas documents it.
type answer struct {
	Currency   string     `json:"currency,omitempty"`
	Balance    string     `json:"balance,omitempty"`
	StatusCode StatusCode `json:"status_code"`
}

// encode returns the bytes of the answer, which are good until b is used again.
func (b *buffers) encode(rep *reply) []byte {
	b.out.Reset()
	_ = b.enc.Encode(answer{rep.currency, rep.balance, rep.code}) // strings always encode
	return bytes.TrimSuffix(b.out.Bytes(), newline)
}

var newline = []byte("\n") // the encoder ends with a line feed, Klas's samples do not
