package klas

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/providerauth/providerauth-go/internal/hmacsig"
)

// firstRead is what is set aside for a body before any of it has come, whatever
// its Content-Length promises; keptBytes is what a pooled exchange may hold.
const (
	firstRead = 2 << 10
	keptBytes = 64 << 10
)

// An exchange is what one webhook needs beside what outlives it. It is pooled.
type exchange struct {
	*endpoint
	w     http.ResponseWriter
	r     *http.Request
	start time.Time
	ctx   *callContext

	keys   hmacsig.Keys
	signer int // the index of the secret that verified the request

	body []byte // as received
	in   bytes.Buffer
	dec  *jsontext.Decoder // of in
	wire wire

	accepted acceptance   // if the verdict is OK
	sheet    *answerSheet // the whole answer, of a handler behind Middleware; else nil
	out      bytes.Buffer
	enc      *jsontext.Encoder // to out

	closing  bool // the connection, after the answer
	answered bool

	call *call // nil after one that was left
}

func newExchange() *exchange {
	x := &exchange{body: make([]byte, 0, firstRead)}
	x.dec = jsontext.NewDecoder(&x.in)
	x.enc = jsontext.NewEncoder(&x.out)
	return x
}

// recycle puts x back. What was handed to the operator's code is not in it.
func (w *Webhook) recycle(x *exchange) {
	if c := x.call; c != nil {
		c.task, c.x, c.late = task{}, nil, false
	}
	if cap(x.body) > keptBytes {
		x.body = make([]byte, 0, firstRead)
	}
	if x.out.Cap() > keptBytes {
		x.out = bytes.Buffer{}
		x.enc.Reset(&x.out)
	}
	x.endpoint, x.w, x.r, x.ctx = nil, nil, nil, nil
	x.signer, x.wire, x.accepted, x.sheet = 0, wire{}, acceptance{}, nil
	x.closing, x.answered = false, false
	w.exchanges.Put(x)
}

// read reads the body to its end, and returns the rule that it breaks: then the
// connection is in the middle of it and has to be closed.
func (x *exchange) read(limit int64) (rule string) {
	x.body = x.body[:0]
	in := x.r.Body
	if in == nil || in == http.NoBody {
		return ""
	}
	// The deadline stays where the body is not read to its end, so that
	// net/http does not wait for the rest of it either. At its end it is
	// lifted: if the body was read and replaced before it got here, net/http
	// already reads on to notice when the client leaves, and would take the
	// deadline for that.
	timed := setReadDeadline(x.w, x.ctx.deadline)
	if x.r.ContentLength > limit {
		return "is too long"
	}
	for first := true; ; first = false {
		if len(x.body) == cap(x.body) {
			x.body = append(x.body, 0)[:len(x.body)]
		}
		n, err := in.Read(x.body[len(x.body):cap(x.body)])
		x.body = x.body[:len(x.body)+n]
		switch {
		case int64(len(x.body)) > limit:
			return "is too long"
		case err == io.EOF:
			if timed {
				setReadDeadline(x.w, time.Time{})
			}
			return ""
		case err != nil:
			return "was cut off or took too long"
		case !first && time.Until(x.ctx.deadline) < 0:
			return "was cut off or took too long"
		}
	}
}

// answer signs what the verdict says, writes it, and reports it.
func (x *exchange) answer(v verdict) { x.send(v, false) }

// answerEarly answers while the handler goes on. The length tells the client
// where the answer ends, and the connection carries no other.
func (x *exchange) answerEarly(v verdict) {
	x.closing = true
	x.send(v, true)
}

func (x *exchange) send(v verdict, early bool) {
	x.answered = true
	if err := x.write(v, early); err != nil && v.fault == nil {
		v.fault = &fault{err: err}
	}
	x.report(x.r, x.start, x.wire.RequestID, v)
}

const contentType = "application/json"

// write sends the bytes that it has signed.
func (x *exchange) write(v verdict, early bool) error {
	h := x.w.Header()
	if x.closing {
		h.Set("Connection", "close")
	}
	if v.code == "" && x.sheet == nil {
		x.w.WriteHeader(http.StatusInternalServerError)
		return nil
	}
	body := x.render(v)
	if x.sheet != nil {
		x.sheet.copyHeader(h)
	}
	values := &x.ctx.header
	values[0], values[1] = x.keys.Sign(x.signer, body), contentType
	h[SignatureHeader], h["Content-Type"] = values[0:1:1], values[1:2:2]
	if early {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	_, err := x.w.Write(body)
	if early && err == nil {
		x.w.(http.Flusher).Flush()
	}
	return err
}

// render returns the bytes of the answer, which are good until x is used again.
func (x *exchange) render(v verdict) []byte {
	if x.sheet != nil {
		return x.sheet.body.Bytes()
	}
	return x.encode(v.code)
}

// abandonBody keeps net/http from waiting for the body of a request: over HTTP/1
// it reads the rest before it sends the answer, for as long as the client likes.
// With the deadline over, reading fails, and the connection closes. It must close:
// if the body was read in front of the handler, the deadline ends the context of
// the connection instead.
func abandonBody(w http.ResponseWriter, r *http.Request) {
	setReadDeadline(w, time.Unix(1, 0))
	if r.ProtoMajor == 1 { // over HTTP/2 it would close the connection of other webhooks
		w.Header().Set("Connection", "close")
	}
}

// setReadDeadline does what http.ResponseController does, without the error
// that it makes for a writer that cannot.
func setReadDeadline(w http.ResponseWriter, t time.Time) bool {
	if d, ok := w.(interface{ SetReadDeadline(time.Time) error }); ok {
		return d.SetReadDeadline(t) == nil
	}
	if _, ok := w.(unwrapper); ok {
		return http.NewResponseController(w).SetReadDeadline(t) == nil
	}
	return false
}

// endsAnswers reports whether an answer of known length is complete when w is
// flushed. That of net/http is; wrappers may buffer, compress or drop the length.
func endsAnswers(w http.ResponseWriter) bool {
	if _, ok := w.(unwrapper); ok {
		return false
	}
	_, ok := w.(http.Flusher)
	return ok
}

type unwrapper interface{ Unwrap() http.ResponseWriter }
