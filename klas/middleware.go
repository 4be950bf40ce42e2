package klas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/providerauth/providerauth-go/internal/header"
)

// Middleware returns a handler for Klas's other endpoints (/balance, /bet,
// /credit, /refund, /terminate): it verifies the webhook, gives it to next, and
// signs the answer of next. Mount it without a method pattern, as
// AuthenticateHandler. Handlers that change a body, such as compression, belong
// outside it.
//
// next reads the verified bytes from the body of its request and need not look
// at the signature. The body is a JSON object with a request_id and without a
// status_code; anything else is answered as in the package's table. All other
// fields are left to next.
//
// The answer of next is buffered, up to Config.MaxBodyBytes, and goes out byte
// for byte as application/json with the rest of its header. A status other than
// 200, a panic, an answer too long or not a JSON object, and the end of
// Config.HandlerTimeout are answered ERR_UNKNOWN instead. No part of an error
// page reaches Klas.
//
// Every answer needs a status_code. An answer with a request_id and without a
// status_code is answered ERR_UNKNOWN instead: signed, it would be a webhook
// anybody could send back.
//
// ERR_UNKNOWN at the end of Config.HandlerTimeout does not stop next. It runs
// on as an [Authenticator] does, and a bet booked then is booked. So next
// should look at the context of its request before it books, and answer a
// repeat by transfer_id. If next has not begun by then, it does not begin.
//
// Accept-Encoding is removed from the request of next: an upstream that
// compresses would send bytes that cannot be signed.
//
// Klas signs no path: while its secret is good, a recorded webhook verifies at
// every endpoint.
func (w *Webhook) Middleware(next http.Handler) http.Handler {
	e := &endpoint{hook: w, op: opMiddleware}
	if next != nil {
		e.next = next.ServeHTTP
	}
	return e
}

// passed is the request for next. It asks for no encoding: the signature covers
// the body as it stands.
func passed(ctx context.Context, r *http.Request, body []byte) *http.Request {
	out := r.Clone(context.WithValue(ctx, connKey{}, nil)) // the connection belongs to the outer request
	out.Body, out.ContentLength, out.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	header.Delete(out.Header, "Accept-Encoding")
	return out
}

// callNext runs next, and returns its answer if the answer may be sent.
func (j *job) callNext(context.Context) (*reply, error) {
	a := &answerSheet{header: http.Header{}, limit: j.hook.cfg.MaxBodyBytes}
	j.next(a, j.pass)
	a.close()
	code, err := a.vet()
	if err != nil {
		return nil, err
	}
	return &reply{code: code, body: a.body.Bytes(), header: a.sent}, nil
}

// vet decides whether an answer of next is sent. It refuses an answer that
// would be accepted as a webhook, so no signed answer is accepted as a request.
// The sheet is closed: nothing writes to it any more.
func (a *answerSheet) vet() (StatusCode, error) {
	switch {
	case a.status != http.StatusOK:
		return "", unfit("status", fmt.Sprintf("must be 200, is %d", a.status))
	case a.tooBig:
		return "", errTooBig
	case a.encoded():
		return "", unfit("Content-Encoding", "must not be set: the body is signed as it is")
	}
	m, rule := decode(a.body.Bytes())
	if rule != "" {
		return "", unfit("body", rule)
	}
	if _, rule := m.defect(); rule == "" {
		return "", unfit("body", "must have a status_code: with its request_id, it could be sent back as a webhook")
	}
	return StatusCode(m.statusCode), nil
}

// An answerSheet is the http.ResponseWriter of a handler behind Middleware. As
// with net/http, the first write fixes the header, and writes after the handler
// fail.
type answerSheet struct {
	header http.Header // of the handler
	limit  int64

	mu     sync.Mutex // goroutines left behind by the handler may write
	sent   http.Header
	status int
	body   bytes.Buffer
	tooBig bool
	closed bool
}

var errTooBig = errors.New("the answer is longer than Config.MaxBodyBytes")

func (a *answerSheet) Header() http.Header { return a.header }

func (a *answerSheet) WriteHeader(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writeHeaderLocked(status)
}

func (a *answerSheet) writeHeaderLocked(status int) {
	if a.status == 0 && status >= 200 && !a.closed {
		a.status, a.sent = status, a.header.Clone()
	}
}

func (a *answerSheet) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return 0, http.ErrHandlerTimeout
	}
	a.writeHeaderLocked(http.StatusOK)
	if a.tooBig = a.tooBig || int64(a.body.Len()+len(p)) > a.limit; a.tooBig {
		return 0, errTooBig
	}
	return a.body.Write(p)
}

// close ends the answer.
func (a *answerSheet) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writeHeaderLocked(http.StatusOK)
	a.closed = true
}

// encoded reports whether next has set a Content-Encoding, in any capitalisation.
func (a *answerSheet) encoded() bool {
	for name, values := range a.sent {
		if strings.EqualFold(name, "Content-Encoding") && strings.Join(values, "") != "" {
			return true
		}
	}
	return false
}

// ownHeader are the headers describing the body or the connection.
var ownHeader = []string{
	SignatureHeader, "Content-Type", "Content-Length",
	"Connection", "Keep-Alive", "Trailer", "Transfer-Encoding", "Upgrade",
}

// addHeader copies the header of next, except for ownHeader in any
// capitalisation, and trailers.
func addHeader(to, from http.Header) {
	for _, name := range ownHeader {
		header.Delete(from, name)
	}
	for name, values := range from {
		if !strings.HasPrefix(name, http.TrailerPrefix) {
			to[name] = values
		}
	}
}
