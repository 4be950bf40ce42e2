package klas

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/providerauth/providerauth-go/internal/timebox"
)

// The names of the two kinds of endpoint.
const (
	opAuthenticate = "AuthenticateHandler"
	opMiddleware   = "Middleware"
)

// An endpoint is the handler of a webhook URL. It has auth or next. Both are
// functions because fmt prints the fields of any other value.
type endpoint struct {
	hook *Webhook
	op   string
	auth AuthenticatorFunc
	next http.HandlerFunc
}

// ServeHTTP answers a webhook. It waits for the body, the secrets and the
// operator's code until the context ends. Only this goroutine writes to w.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	if r.Method != http.MethodPost {
		e.refuseMethod(w, r, start)
		return
	}
	ctx, cancel := e.hook.bound(r.Context(), start)
	defer cancel()
	b := e.hook.buffers.Get().(*buffers)

	m, rep := e.decide(ctx, w, r, b)

	if rep.forget != nil {
		defer rep.forget.forgetBy(ctx) // after the report
	}
	o := &outcome{start: start, requestID: m.requestID, reply: rep, sendErr: errWriterPanicked}
	defer e.report(r, o)
	o.sendErr = e.send(w, b, rep)
	e.hook.recycle(b)
}

// decide returns the webhook and the reply to it. It verifies the signature
// before it looks at the body.
func (e *endpoint) decide(ctx context.Context, w http.ResponseWriter, r *http.Request, b *buffers) (m message, rep *reply) {
	cfg := &e.hook.cfg

	// Every answer is signed, whatever the request is.
	secrets, err := e.hook.secrets.Get(ctx)
	if err != nil {
		if r.Body != nil && r.Body != http.NoBody {
			endBody(w, r, nil)
		}
		return m, failed("", nil, err)
	}
	b.keys.Use(secrets)

	// Read.
	if rule := b.read(ctx, &e.hook.abandoned, w, r, cfg.MaxBodyBytes); rule != "" {
		return m, refused(StatusIntegrityCheckFailed, ErrBody, "body", rule)
	}

	// Verify.
	signature, rule := signatureOf(r.Header[SignatureHeader])
	if rule != "" {
		return m, refused(StatusIntegrityCheckFailed, ErrSignature, SignatureHeader, rule)
	}
	signer := b.keys.Verify(b.body, signature)
	if signer < 0 {
		return m, forged(r, b.body)
	}
	b.signer = signer

	// Decode.
	m, rule = decode(b.body)
	if rule != "" {
		return m, refused(StatusInvalidBody, ErrBody, "body", rule)
	}

	// Validate.
	if field, rule := e.validate(&m); rule != "" {
		return m, refused(StatusBadParams, ErrBody, field, rule)
	}
	if rule, reason := m.timestamp.defect(time.Now(), cfg.MaxAge); rule != "" {
		return m, refused(StatusBadParams, reason, "timestamp", rule)
	}

	// Call.
	j := e.job(ctx, r, &m, b.body)
	if e.hook.guard != nil {
		seen, err := timebox.Run(ctx, &e.hook.abandoned, j.seen, j.seenLate)
		switch {
		case err != nil:
			return m, operatorFailed("the ReplayGuard", err)
		case seen:
			return m, failed(StatusBadParams, ErrReplayed, errSeen)
		}
	}
	rep, err = timebox.Run(ctx, &e.hook.abandoned, j.do, j.doneLate)
	if err != nil {
		rep = operatorFailed("the handler", err)
	}
	if err != nil && err != timebox.ErrLate {
		rep.forget = j // the work has failed
	}
	return m, rep
}

// send signs the reply and writes it. The error is the reason for an unsent
// reply.
func (e *endpoint) send(w http.ResponseWriter, b *buffers, rep *reply) error {
	h := w.Header()
	body := rep.body
	switch {
	case body != nil:
		addHeader(h, rep.header)
	case rep.code == "":
		w.WriteHeader(http.StatusInternalServerError)
		return nil
	default:
		body = b.encode(rep)
	}
	values := [...]string{b.keys.Sign(b.signer, body), "application/json"}
	h[SignatureHeader], h["Content-Type"] = values[0:1:1], values[1:2:2]
	own, ok := w.(ownWriter)
	if !ok {
		_, err := w.Write(body)
		return err
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		return err
	}
	return own.FlushError() // shows whether the connection still takes the answer
}

// An ownWriter is the http.ResponseWriter of net/http itself. A wrapper may
// compress the answer and so change its length, and may not be flushed before
// the answer is complete.
type ownWriter interface {
	FlushError() error
	SetReadDeadline(time.Time) error
}

// refuseMethod answers 405, and does not wait for a body.
func (e *endpoint) refuseMethod(w http.ResponseWriter, r *http.Request, start time.Time) {
	w.Header().Set("Allow", http.MethodPost)
	if r.Body != nil && r.Body != http.NoBody {
		endBody(w, r, nil)
	}
	w.WriteHeader(http.StatusMethodNotAllowed)
	e.report(r, &outcome{start: start, reply: refused("", nil, "method", "must be POST")})
}

// bound returns the context of a webhook. It has the values of the request's
// context, and ends after HandlerTimeout or at the deadline of the request. It
// does not end with the request's context: net/http ends the request's context
// also if the client has sent everything and closes its half of the connection.
func (w *Webhook) bound(parent context.Context, start time.Time) (context.Context, context.CancelFunc) {
	deadline := start.Add(w.cfg.HandlerTimeout)
	if d, ok := parent.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	return context.WithDeadline(context.WithoutCancel(parent), deadline)
}

// forged is the reply to a body with a wrong signature. If the length of the
// body differs from the request's Content-Length, code in front of the handler
// has read or changed the body.
func forged(r *http.Request, body []byte) *reply {
	switch {
	case r.ContentLength >= 0 && int64(len(body)) != r.ContentLength:
		rule := fmt.Sprintf("has %d bytes, its Content-Length is %d: code in front of the handler has read or changed it", len(body), r.ContentLength)
		return refused(StatusIntegrityCheckFailed, ErrBody, "body", rule)
	case len(body) == 0:
		return refused(StatusIntegrityCheckFailed, ErrBody, "body", "is empty: either it was sent so, or code in front of the handler has read it")
	}
	return refused(StatusIntegrityCheckFailed, ErrSignature, SignatureHeader, "is not that of the body")
}

// validate returns the field and the broken rule of a verified body unfit for
// this endpoint.
func (e *endpoint) validate(m *message) (field, rule string) {
	if field, rule = m.defect(); rule != "" || e.op != opAuthenticate {
		return field, rule
	}
	return m.incomplete()
}

// A job is the operator's part of a webhook. It may go on after the answer, so it
// holds none of the pooled buffers.
type job struct {
	*endpoint
	key          string              // the webhook's name for the ReplayGuard
	authenticate AuthenticateRequest // for auth
	pass         *http.Request       // for next
}

func (e *endpoint) job(ctx context.Context, r *http.Request, m *message, body []byte) *job {
	j := &job{endpoint: e}
	if e.hook.guard != nil {
		j.key = replayKey(body)
	}
	if e.op == opAuthenticate {
		j.authenticate = AuthenticateRequest{
			RequestID: m.requestID, Timestamp: m.timestamp, SessionID: m.sessionID, PlayerID: m.playerID,
		}
	} else {
		j.pass = passed(ctx, r, bytes.Clone(body))
	}
	return j
}

// do runs the operator's code.
func (j *job) do(ctx context.Context) (*reply, error) {
	switch {
	case j.auth != nil:
		return j.callAuthenticator(ctx)
	case j.next != nil:
		return j.callNext(ctx)
	}
	return nil, errNone
}

// doneLate is called when do ends after the answer ERR_UNKNOWN. The work of a
// handler may have succeeded. An Authenticator changes nothing.
func (j *job) doneLate(_ *reply, err error) {
	j.hook.ended(err)
	if err != nil || j.op == opAuthenticate {
		j.forget()
	}
}

// An outcome is a request with its reply.
type outcome struct {
	start     time.Time
	requestID string
	reply     *reply
	sendErr   error // nil if the reply left
}

// report passes the outcome to OnResult and the Logger.
func (e *endpoint) report(r *http.Request, o *outcome) {
	cfg := &e.hook.cfg
	if cfg.OnResult == nil && cfg.Logger == nil {
		return
	}
	res := Result{
		Code: o.reply.code, RequestID: o.requestID, Duration: time.Since(o.start),
		Err: o.reply.fault.error(e.op), SendErr: o.sendErr,
	}
	if r.URL != nil {
		res.Path = r.URL.Path
	}
	logResult(r.Context(), cfg.Logger, res, o.reply.fault)
	notify(r.Context(), cfg, res)
}
