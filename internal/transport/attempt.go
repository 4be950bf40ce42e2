package transport

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/resend"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

// userAgent has no version: a provider may bind a session to it.
const userAgent = "providerauth-go"

var errIdempotency = errors.New("header Idempotency-Key: net/http may send the request again by itself, so the policy must be Safe")

var errCorrupt = errors.New("the body cannot be decompressed")

// attempt is a request of a call, and its outcome.
type attempt struct {
	answer
	made      bool // false: the call ended before there was anything to send
	success   bool
	unsent    bool  // it is proven that nothing was sent
	temporary bool  // no answer, but a later attempt may get an answer
	kind, err error // see apierror.Error
	took      time.Duration
}

// answer is the part of an answer that an error shows.
type answer struct {
	status     int // 0: none
	header     http.Header
	body       []byte
	sent       time.Time
	received   time.Time
	retryAfter time.Duration
	hinted     bool // there was a readable Retry-After
	read       apierror.Answer
}

// healthy reports whether the provider answered and showed no sign of trouble.
func (a *answer) healthy() bool {
	return a.status != 0 && a.status < 500 &&
		a.status != http.StatusRequestTimeout && a.status != http.StatusTooManyRequests
}

// attempt makes an attempt and fills r.now. It lends outer, the request of
// go-retryablehttp, to Call.Signer.
func (r *run) attempt(outer *http.Request) {
	r.now = attempt{}
	a := &r.now
	ctx := outer.Context()
	s := r.newSending()
	outer.Header = s.header(r.contentType())
	stamp := r.stamp()
	if !r.sign(ctx, outer) {
		return
	}
	a.made = true
	r.attempts++
	sent := time.Now()
	r.send(ctx, outer, s)
	if s.Learnt() { // nothing was written
		r.client.http2.Store(true)
		*a = attempt{made: true}
		sent = time.Now()
		r.send(ctx, outer, r.newSending())
	}
	if a.status != 0 {
		a.sent = sent
		r.observe(stamp)
	}
	a.took = time.Since(sent)
	if a.success {
		return
	}
	if r.call.Policy.ambiguous(a) {
		r.ambiguous = true
	}
	if a.status != 0 {
		last := a.answer
		r.last = &last
	}
}

func (r *run) newSending() *sending {
	s := new(sending)
	if s.once = r.call.Policy != Safe; !s.once {
		s.Spare = 1
	}
	return s
}

// send sends the request and fills r.now with the result.
func (r *run) send(ctx context.Context, outer *http.Request, s *sending) {
	limited, cancel := context.WithTimeout(ctx, r.limit(ctx))
	defer cancel()
	req := outer.WithContext(s.Watch(limited, cancel))
	s.load(req, r.body)
	if s.once {
		http2 := r.client.http2.Load()
		if http2 {
			resend.Unreplayable(req)
		}
		s.Learn = !http2 && resend.Learns(req)
	}
	rep, err := r.exchange(limited, cancel, req)
	a := &r.now
	a.received = rep.received
	if err != nil {
		r.unanswered(ctx, limited, s, outer.Header, err)
		return
	}
	r.answered(ctx, limited, rep)
}

// unrepeatedTimeout bounds an attempt of a call with the policy Once whose
// caller set no deadline. AssetPay's own SDK gives deposits 100 s.
const unrepeatedTimeout = 2 * time.Minute

// limit is the longest duration of an attempt. After a time limit, the fate of
// a call with the policy Once is unknown, so the caller's deadline is the
// limit.
func (r *run) limit(ctx context.Context) time.Duration {
	c := r.client
	if r.call.Policy != Once {
		return c.attemptTimeout
	}
	limit := max(c.attemptTimeout, unrepeatedTimeout)
	if _, ok := ctx.Deadline(); ok {
		limit = math.MaxInt64
	}
	if c.timeout > 0 {
		limit = min(limit, c.timeout)
	}
	return limit
}

// contentType is "" for a call without a body.
func (r *run) contentType() string {
	if r.body == nil {
		return ""
	}
	return r.client.contentType
}

// sign has the request signed, and reports whether it may be sent.
func (r *run) sign(ctx context.Context, req *http.Request) bool {
	r.ended = ctx.Err()
	if r.ended != nil || r.call.Signer == nil {
		return r.ended == nil
	}
	r.unsigned = r.call.Signer.Sign(ctx, req, r.body)
	if r.unsigned != nil {
		return false
	}
	if r.call.Policy != Safe && idempotencyKey(req.Header) {
		r.unsigned, r.now.kind = errIdempotency, providerauth.ErrInvalidRequest
		return false
	}
	r.ended = ctx.Err()
	return r.ended == nil
}

// unanswered judges an attempt without an answer.
func (r *run) unanswered(ctx, limited context.Context, s *sending, h http.Header, err error) {
	a := &r.now
	a.unsent = err != timebox.ErrLate && s.unsent(r.client.pool != nil, err)
	if bad := unsendable(h); bad != "" && !s.Called() {
		r.attempts--
		a.unsent, a.kind, a.err = true, providerauth.ErrInvalidRequest, errors.New(bad)
		return
	}
	refused := s.Refused(err)
	r.lost(ctx, limited, err)
	switch {
	case refused && r.ended == nil:
		a.unsent, a.temporary = true, true
		a.kind, a.err = providerauth.ErrNotSent, resend.ErrRefused
	case s.Resent() || errors.Is(err, resend.Err):
		a.err = resend.Err
	}
}

// lost says why there is no answer, or not all of it.
func (r *run) lost(ctx, limited context.Context, err error) {
	a := &r.now
	a.answer = answer{}
	switch {
	case ctx.Err() != nil:
		r.ended = ctx.Err()
		a.err = r.ended
	case limited.Err() != nil:
		a.temporary, a.err = true, timedOut(r.limit(ctx))
	default:
		a.temporary, a.err = temporary(err), clean(err)
	}
}

// answered judges an answer: by its status first, then by its body.
func (r *run) answered(ctx, limited context.Context, rep reply) {
	a := &r.now
	a.status, a.header = rep.status, rep.header
	switch {
	case a.status < 200:
		// The connection has changed its protocol. Nobody asked for a change,
		// and the following bytes are not a body.
		a.kind = providerauth.ErrBadResponse
		a.read = r.read()
		return
	case a.status < 300:
		r.succeeded(ctx, limited, rep)
		return
	case a.status < 400:
		a.kind, a.err = providerauth.ErrBadResponse, r.redirected(rep.header)
	}
	a.retryAfter, a.hinted = retryAfter(rep.header, r.client.clock.Now())
	a.body = rep.body
	a.read = r.read()
}

// read has the provider's package read the answer.
func (r *run) read() apierror.Answer {
	reader := r.call.Reader
	if reader == nil {
		reader = r.client.reader
	}
	if reader == nil {
		return apierror.Answer{}
	}
	return reader.Read(&r.call, r.now.status, r.now.header, r.now.body)
}

// succeeded judges the body of a 2xx.
func (r *run) succeeded(ctx, limited context.Context, rep reply) {
	a := &r.now
	switch {
	case rep.broken != nil && corrupt(rep.broken):
		a.kind, a.err = providerauth.ErrBadResponse, errCorrupt
		a.read = r.read()
	case rep.broken != nil:
		// Half an answer is no answer. Its status would wrongly forbid another
		// attempt.
		status := a.status
		if r.lost(ctx, limited, rep.broken); r.ended == nil {
			a.err = brokeOff(status, a.err)
		}
	case !rep.whole:
		a.body = rep.body
		a.kind, a.err = providerauth.ErrBadResponse, tooLarge(r.maxBody())
		a.read = r.read()
	default:
		a.body = rep.body
		a.read = r.read()
		a.success = a.read.Class == apierror.Unread
		if !a.success {
			a.retryAfter, a.hinted = retryAfter(rep.header, r.client.clock.Now())
		}
	}
}

// redirected says whether an answer points to another host, and nothing else:
// its Location may be a token.
func (r *run) redirected(h http.Header) error {
	text := "redirects are not followed"
	if u, err := r.url.Parse(h.Get("Location")); err == nil && !strings.EqualFold(u.Host, r.url.Host) {
		text += "; this one leads to another host"
	}
	return errors.New(text)
}

// log writes a record of an attempt, without URL, header and body.
func (r *run) log(ctx context.Context, stop string) {
	l := r.client.logger
	if l == nil || !l.Enabled(ctx, slog.LevelDebug) {
		return
	}
	a := &r.now
	attrs := []slog.Attr{
		slog.String("provider", r.client.provider),
		slog.String("op", r.call.Op),
		slog.Int("attempt", r.attempts),
		slog.Int("status", a.status),
		slog.Duration("duration", a.took),
		slog.Duration("wait", r.wait),
	}
	if a.err != nil {
		attrs = append(attrs, slog.String("error", a.err.Error()))
	}
	if stop != "" {
		attrs = append(attrs, slog.String("stopped_by", stop))
	}
	l.LogAttrs(ctx, slog.LevelDebug, "attempt", attrs...)
}
