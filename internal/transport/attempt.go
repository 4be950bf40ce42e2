package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/resend"
)

// userAgent has no version: a provider may bind a session to it.
const userAgent = "providerauth-go"

var errCorrupt = errors.New("the body cannot be decompressed")

// attempted is what came of one attempt.
type attempted struct {
	answer
	made      bool // false: the call ended before there was anything to send
	success   bool
	class     Class // of the body of an answer
	unsent    bool  // proven
	temporary bool  // without a status: it may be answered later
	kind, err error // see outcome.Cause
	took      time.Duration
}

// An answer is the part of it that an Error shows.
type answer struct {
	status     int // 0: none
	header     http.Header
	body       []byte
	received   time.Time
	retryAfter time.Duration
	hinted     bool // there was a readable Retry-After
}

// healthy reports whether the provider answered and showed no sign of trouble.
func (a *answer) healthy() bool {
	return a.status != 0 && a.status < 500 &&
		a.status != http.StatusRequestTimeout && a.status != http.StatusTooManyRequests
}

// attempt fills x.now. It lends outer, the loop's request, to Call.Prepare.
func (x *exchange) attempt(outer *http.Request) {
	x.now = attempted{}
	a := &x.now
	ctx := outer.Context()
	s := new(sending)
	if s.once = x.call.Policy != Safe; !s.once {
		s.Spare = 1
	}
	outer.Header = s.header(x.body != nil)
	if !x.sign(ctx, outer) {
		return
	}
	limited, cancel := context.WithTimeout(ctx, x.client.attemptTimeout)
	defer cancel()
	r := &http.Request{Method: x.call.Method, URL: &x.url, Header: outer.Header}
	s.load(r, x.body)
	a.made = true
	x.attempts++
	sent := time.Now()
	r = r.WithContext(s.Watch(limited, cancel))
	resp, err := x.client.rt.RoundTrip(r)
	a.received = time.Now()
	if resp != nil {
		if resp.Body == nil {
			resp.Body = http.NoBody
		}
		defer resp.Body.Close()
	}
	switch {
	case err != nil:
	case resp == nil:
		err = errNoResponse
	case resp.StatusCode < 100:
		err = errNoStatus
	}
	if err != nil {
		x.unanswered(ctx, limited, s, r.Header, err)
	} else {
		x.client.clock.Observe(sent, a.received, resp.Header)
		x.answered(ctx, limited, resp)
	}
	a.took = time.Since(sent)
	if a.success {
		return
	}
	if x.call.Policy.ambiguous(a) {
		x.ambiguous = true
	}
	if a.status != 0 {
		last := a.answer
		x.last = &last
	}
}

// sign has the request prepared, and reports whether it may be sent.
func (x *exchange) sign(ctx context.Context, r *http.Request) bool {
	if x.ended = ctx.Err(); x.ended != nil || x.call.Prepare == nil {
		return x.ended == nil
	}
	if x.unprepared = x.call.Prepare(ctx, r, x.body); x.unprepared != nil {
		return false
	}
	if x.call.Policy != Safe && idempotencyKey(r.Header) {
		x.unprepared, x.now.kind = errIdempotency, providerauth.ErrInvalidRequest
		return false
	}
	x.ended = ctx.Err()
	return x.ended == nil
}

// unanswered judges an attempt that brought no answer.
func (x *exchange) unanswered(ctx, limited context.Context, s *sending, h http.Header, err error) {
	a := &x.now
	a.unsent = s.unsent(x.client.pool != nil, err)
	if bad := unsendable(h); bad != "" && !s.Called() {
		x.attempts--
		a.unsent, a.kind, a.err = true, providerauth.ErrInvalidRequest, errors.New(bad)
		return
	}
	x.lost(ctx, limited, err)
	if s.Resent() || errors.Is(err, resend.Err) {
		a.err = resend.Err
	}
}

// lost says why there is no answer, or not all of it.
func (x *exchange) lost(ctx, limited context.Context, err error) {
	a := &x.now
	a.answer = answer{}
	switch {
	case ctx.Err() != nil:
		x.ended = ctx.Err()
		a.err = x.ended
	case limited.Err() != nil:
		a.temporary, a.err = true, timedOut(x.client.attemptTimeout)
	default:
		a.temporary, a.err = temporary(err), clean(err)
	}
}

// answered judges an answer: by its status first, then by its body.
func (x *exchange) answered(ctx, limited context.Context, resp *http.Response) {
	a := &x.now
	a.status, a.header = resp.StatusCode, resp.Header
	switch {
	case a.status < 200:
		// The connection has changed its protocol. Nobody asked for that, and
		// what follows is not a body.
		a.kind = providerauth.ErrBadResponse
		return
	case a.status < 300:
		x.accepted(ctx, limited, resp)
		return
	case a.status < 400:
		a.kind, a.err = providerauth.ErrBadResponse, x.redirected(resp.Header)
	}
	a.retryAfter, a.hinted = retryAfter(resp.Header, x.client.clock.Now())
	var whole bool
	var err error
	if a.body, whole, err = read(resp.Body, resp.ContentLength, maxErrorBody); !whole && err == nil {
		drain(resp.Body)
	}
	a.class = x.classify()
}

// classify has the provider's package read the answer's body.
func (x *exchange) classify() Class {
	if x.call.Classify == nil {
		return Unread
	}
	return x.call.Classify(x.now.status, x.now.body)
}

// accepted judges the body of a 2xx.
func (x *exchange) accepted(ctx, limited context.Context, resp *http.Response) {
	a := &x.now
	body, whole, err := read(resp.Body, resp.ContentLength, maxBody)
	switch {
	case err != nil && corrupt(err):
		a.kind, a.err = providerauth.ErrBadResponse, errCorrupt
	case err != nil:
		// Half an answer is none. The status would say that there is no use
		// in trying again.
		status := a.status
		if x.lost(ctx, limited, err); x.ended == nil {
			a.err = brokeOff(status, a.err)
		}
	case !whole:
		a.body = body
		a.kind, a.err = providerauth.ErrBadResponse, errTooLarge
	default:
		a.body = body
		a.class = x.classify()
		a.success = a.class == Unread
		if !a.success {
			a.retryAfter, a.hinted = retryAfter(resp.Header, x.client.clock.Now())
		}
	}
}

// redirected says whether an answer points to another host, and nothing else:
// what stands there may be a token.
func (x *exchange) redirected(h http.Header) error {
	text := "redirects are not followed"
	if u, err := x.url.Parse(h.Get("Location")); err == nil && !strings.EqualFold(u.Host, x.url.Host) {
		text += "; this one leads to another host"
	}
	return errors.New(text)
}

// log writes what may be known of an attempt: no URL, no header, no body.
func (x *exchange) log(ctx context.Context, stop string) {
	l := x.client.logger
	if l == nil || !l.Enabled(ctx, slog.LevelDebug) {
		return
	}
	a := &x.now
	attrs := []slog.Attr{
		slog.String("provider", x.client.provider),
		slog.String("op", x.call.Op),
		slog.Int("attempt", x.attempts),
		slog.Int("status", a.status),
		slog.Duration("duration", a.took),
		slog.Duration("wait", x.wait),
	}
	if a.err != nil {
		attrs = append(attrs, slog.String("error", a.err.Error()))
	}
	if stop != "" {
		attrs = append(attrs, slog.String("stopped_by", stop))
	}
	l.LogAttrs(ctx, slog.LevelDebug, "attempt", attrs...)
}

// A sending is what the transport is given for one attempt. It may still be
// reading from it when the attempt is over, so no two attempts share one.
type sending struct {
	body   []byte
	first  payload
	last   *payload // that net/http was given
	values [3]string
	once   bool
	resend.Guard
}

// A payload is a body of a type that net/http does not know. It writes the header
// before it reads such a body. Bodies of calls that may be repeated have a type
// that it does know: header and body leave in one write, and a server that
// refuses the connection is heard, where a second write would fail before that.
type payload struct{ bytes.Reader }

func (p *payload) Close() error { return nil }

// header returns what goes out unless Call.Prepare sets something else.
func (s *sending) header(body bool) http.Header {
	s.values = [3]string{"application/json", userAgent, "application/json"}
	h := make(http.Header, 6)
	h["Accept"] = s.values[0:1:1]
	h["User-Agent"] = s.values[1:2:2]
	if body {
		h["Content-Type"] = s.values[2:3:3]
	}
	return h
}

// load gives r the body.
func (s *sending) load(r *http.Request, body []byte) {
	if body == nil {
		return
	}
	s.body = body
	s.first.Reset(body)
	s.last = &s.first
	r.Body = s.reader()
	r.GetBody = s.rewind
	r.ContentLength = int64(len(body))
}

// rewind lets net/http start over on another connection if nothing was written
// to the one it chose first. Once the body has been read, the header is out: a
// request that may be sent once is not sent again then, not even with an
// idempotency key that a RoundTripper of the operator's has added.
func (s *sending) rewind() (io.ReadCloser, error) {
	if s.once && s.last.Len() < len(s.body) {
		return nil, resend.Err
	}
	s.last = new(payload)
	s.last.Reset(s.body)
	return s.reader(), nil
}

// reader returns the body that was loaded last, as net/http is to see it.
func (s *sending) reader() io.ReadCloser {
	if s.once {
		return s.last
	}
	return io.NopCloser(&s.last.Reader)
}

// unsent reports whether it is proven that no byte of the request left.
// Transports that do not come with the hooks prove it by the type of their
// error, or not at all. Our own pool never sends without them.
func (s *sending) unsent(ours bool, err error) bool {
	switch {
	case s.Connected():
		return false
	case s.Asked(), ours:
		return true
	}
	return beforeSending(err)
}
