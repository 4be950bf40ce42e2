package klas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Middleware returns the handler for one of Klas's other endpoints (/balance,
// /bet, /credit, /refund, /terminate): it verifies the webhook, gives it to
// next, and signs what next writes. Mount it without a method pattern, as
// AuthenticateHandler, and keep handlers that change a body, compression for
// one, outside it.
//
// next reads the verified bytes from the body of its request and need not look
// at the signature. The body is a JSON object with a request_id and without a
// status_code; anything else is answered as in the package's table. All other
// fields are left to next.
//
// What next writes is buffered, up to Config.MaxBodyBytes, and goes out byte for
// byte as application/json with the rest of its header. A status other than 200,
// a panic, an answer that is too long or not a JSON object, and the end of
// Config.HandlerTimeout are answered ERR_UNKNOWN instead, so that nothing of an
// error page reaches Klas.
//
// Every answer needs a status_code. An answer with a request_id and without a
// status_code is answered ERR_UNKNOWN instead: signed, it would be a webhook that
// anybody could send back.
//
// ERR_UNKNOWN after the time has passed does not stop next, which runs on as an
// [Authenticator] does: what it books then is booked. So it should look at the
// context of its request before it does, and answer a repeat by transfer_id. If
// next has not begun when the time has passed, it does not begin.
//
// Klas signs no path: while its secret is good, a recorded webhook verifies at
// every endpoint.
func (w *Webhook) Middleware(next http.Handler) http.Handler {
	e := &endpoint{hook: w, op: "Middleware", act: (*exchange).pass}
	if next != nil {
		e.next = func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) }
	}
	return e
}

func (x *exchange) pass() verdict {
	if v := x.timely(Timestamp(x.wire.Timestamp)); v.code != "" {
		return v
	}
	body := bytes.Clone(x.body) // next may keep the reader
	c := x.prepare()
	c.sheet = &answerSheet{header: http.Header{}, limit: x.hook.cfg.MaxBodyBytes}
	c.r = x.r.Clone(x.ctx)
	c.r.Body, c.r.ContentLength, c.r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	if v := x.run(c); v.code != "" {
		return v
	}
	v := x.vet(c.sheet)
	if v.fault == nil {
		x.sheet = c.sheet
	}
	return v
}

// vet decides whether an answer of next is sent. It refuses an answer that parse
// would accept as a webhook, so nothing that is signed here is accepted here.
func (x *exchange) vet(a *answerSheet) verdict {
	switch {
	case a.status != 0 && a.status != http.StatusOK:
		return unfit("status", fmt.Sprintf("must be 200, is %d", a.status))
	case a.tooBig:
		return failed(StatusUnknown, errTooBig)
	case a.header.Get("Content-Encoding") != "":
		return unfit("Content-Encoding", "must not be set: what is signed is the body")
	}
	var read wire
	if rule := x.decode(a.body.Bytes(), &read); rule != "" {
		return unfit("body", rule)
	}
	if _, rule := read.defect(); rule == "" {
		return unfit("body", "must have a status_code: with its request_id, it could be sent back as a webhook")
	}
	return verdict{code: StatusCode(read.StatusCode)}
}

// An answerSheet is the http.ResponseWriter of a handler behind Middleware.
type answerSheet struct {
	header http.Header
	status int
	body   bytes.Buffer
	limit  int64
	tooBig bool
}

var errTooBig = errors.New("the answer is longer than Config.MaxBodyBytes")

func (a *answerSheet) Header() http.Header { return a.header }

func (a *answerSheet) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

func (a *answerSheet) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.tooBig = a.tooBig || int64(a.body.Len()+len(p)) > a.limit; a.tooBig {
		return 0, errTooBig
	}
	return a.body.Write(p)
}

// copyHeader leaves out what describes the body or the connection.
func (a *answerSheet) copyHeader(to http.Header) {
	for _, name := range []string{
		SignatureHeader, "Content-Type", "Content-Length",
		"Connection", "Keep-Alive", "Trailer", "Transfer-Encoding", "Upgrade",
	} {
		a.header.Del(name)
	}
	for name, values := range a.header {
		if !strings.HasPrefix(name, http.TrailerPrefix) {
			to[name] = values
		}
	}
}
