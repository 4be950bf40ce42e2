package klas

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

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
	keys   hmacsig.Keys
	signer int // the index of the secret that verified the request

	body []byte // as received
	in   bytes.Reader
	dec  *json.Decoder // over in
	wire authenticateBody

	answer acceptance   // if the verdict is OK
	sheet  *answerSheet // the whole answer, of a handler behind Middleware; else nil
	out    bytes.Buffer
	enc    *json.Encoder // to out

	call *call // nil after one that was left
}

func newExchange() *exchange {
	x := &exchange{body: make([]byte, 0, firstRead)}
	x.dec = json.NewDecoder(&x.in)
	x.enc = json.NewEncoder(&x.out)
	return x
}

// recycle puts x back. What was handed to the operator's code is not in it.
func (w *Webhook) recycle(x *exchange) {
	if x.call != nil && !x.call.reuse() {
		x.call = nil
	}
	if cap(x.body) > keptBytes || x.out.Cap() > keptBytes {
		return
	}
	x.signer, x.wire, x.answer, x.sheet = 0, authenticateBody{}, acceptance{}, nil
	w.exchanges.Put(x)
}

// read reads the body to its end, and returns the rule that it breaks: then the
// connection is in the middle of it and has to be closed.
func (x *exchange) read(w http.ResponseWriter, r *http.Request, limit int64, deadline time.Time) (rule string) {
	x.body = x.body[:0]
	if r.Body == nil || r.Body == http.NoBody {
		return ""
	}
	// The deadline stays where the body is not read to its end, so that
	// net/http does not wait for the rest of it either. At its end it is
	// lifted: if the body was read and replaced before it got here, net/http
	// already reads on to notice when the client leaves, and would take the
	// deadline for that.
	timed := setReadDeadline(w, deadline)
	if r.ContentLength > limit {
		return "is too long"
	}
	for first := true; ; first = false {
		if len(x.body) == cap(x.body) {
			x.body = append(x.body, 0)[:len(x.body)]
		}
		n, err := r.Body.Read(x.body[len(x.body):cap(x.body)])
		x.body = x.body[:len(x.body)+n]
		switch {
		case int64(len(x.body)) > limit:
			return "is too long"
		case err == io.EOF:
			if timed {
				setReadDeadline(w, time.Time{})
			}
			return ""
		case err != nil:
			return "was cut off or took too long"
		case !first && time.Until(deadline) < 0:
			return "was cut off or took too long"
		}
	}
}

// setReadDeadline does what http.ResponseController does, without the error
// that it makes for a writer that cannot.
func setReadDeadline(w http.ResponseWriter, t time.Time) bool {
	if d, ok := w.(interface{ SetReadDeadline(time.Time) error }); ok {
		return d.SetReadDeadline(t) == nil
	}
	if _, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return http.NewResponseController(w).SetReadDeadline(t) == nil
	}
	return false
}
