package transport

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/outcome"
	"github.com/providerauth/providerauth-go/internal/resend"
)

// A Call is one call of a provider's API.
type Call struct {
	// Op names the call in log lines and errors.
	Op string
	// Method is GET, POST and so on. GET, HEAD, OPTIONS and TRACE must be
	// Safe: net/http sends them again by itself when a connection dies.
	Method string
	// Path extends the base URL's and may have a query. A path that names a
	// host or has dot segments is refused.
	Path string
	// In becomes the body, as JSON; nil is no body. It is marshalled once,
	// before the first attempt, into bytes that nobody else has.
	In any
	// Policy says what may be repeated.
	Policy Policy
	// Prepare sets credentials, signature and timestamp. It is called for
	// every attempt, with headers that no other attempt has seen and the bytes
	// that will be sent, which it must not change. Only the header of r is
	// its to set; Idempotency-Key, which makes net/http repeat a request by
	// itself, is refused under every policy but Safe. The time that Prepare
	// takes does not count towards AttemptTimeout. Its error ends the call
	// without a request, and is passed on as it is. Optional.
	Prepare func(ctx context.Context, r *http.Request, body []byte) error
	// Classify recognises the provider's own failure envelope, and says whether
	// it proves that the provider did not act. Any class but Unread makes an
	// error of a 2xx too. Of any other answer Classify sees the first 16 KiB.
	// Optional: nil is Unread for all answers.
	Classify func(status int, body []byte) Class
	// Decode reads a successful answer, once, after the last attempt. If it
	// fails, the provider acted and there is no usable result: ErrBadResponse,
	// and ambiguous. The text of its error is kept, so it must show nothing of
	// the body; see Unmarshal. Optional.
	Decode func(*Response) error
}

// A Response is a successful answer: a 2xx that is no failure envelope.
type Response struct {
	Status   int
	Header   http.Header
	Body     []byte    // decompressed, at most 1 MiB
	Attempts int       // that were made, unsent ones included
	Received time.Time // when the header was there, by this machine's clock
}

var (
	noContext = &misuse{field: "ctx", rule: "must not be nil"}
	badMethod = &misuse{field: "method", rule: "is not one of HTTP"}
	unsafe    = &misuse{field: "method", rule: "may be sent again by net/http itself, so the policy must be Safe"}

	errIdempotency = errors.New("header Idempotency-Key: net/http may send the request again by itself, so the policy must be Safe")
)

// Do makes the call. It returns when there is a usable answer, when the policy
// allows no further attempt, or when ctx ends. Its errors are *Error.
//
// ctx bounds the whole call. Without a deadline the call takes at most
// MaxAttempts times AttemptTimeout, and 10 s for every wait between.
func (c *Client) Do(ctx context.Context, call Call) (*Response, error) {
	x := &exchange{client: c, call: call}
	var bad *misuse
	if x.url, x.body, bad = c.build(ctx, &call); bad != nil {
		return nil, x.misused(bad)
	}
	x.run(ctx)
	return x.result()
}

// Check returns the error of a call that Do would refuse without a request. It
// is for those who fetch a token first. The body of call is then marshalled,
// and good for several calls of Do.
func (c *Client) Check(ctx context.Context, call *Call) error {
	_, body, bad := c.build(ctx, call)
	if bad != nil {
		x := &exchange{client: c, call: *call}
		return x.misused(bad)
	}
	if body != nil {
		call.In = marshalled(body)
	}
	return nil
}

// marshalled is an In that is a body already. Nobody writes to it.
type marshalled []byte

func (x *exchange) misused(bad *misuse) *Error {
	return x.fail(&outcome.Cause{
		Kind: providerauth.ErrInvalidRequest, Err: bad.err, Fields: map[string]string{bad.field: bad.rule},
	}, nil)
}

// An exchange is a call on its way.
type exchange struct {
	client *Client
	call   Call
	url    url.URL
	body   []byte

	loop    retryablehttp.Client
	request retryablehttp.Request
	http    http.Client
	outer   http.Request

	attempts   int
	ambiguous  bool // in any attempt
	now        attempted
	last       *answer       // the last one that was no success; nil if there is none
	cost       int64         // taken from the budget
	wait       time.Duration // before the next attempt
	unprepared error         // of Call.Prepare
	ended      error         // of the caller's context
}

// build checks the call and makes what all attempts share.
func (c *Client) build(ctx context.Context, call *Call) (u url.URL, body []byte, bad *misuse) {
	switch {
	case ctx == nil:
		return u, nil, noContext
	case !isToken(call.Method):
		return u, nil, badMethod
	case call.Policy != Safe && resend.ByItself(call.Method):
		return u, nil, unsafe
	}
	if u, bad = join(&c.base, call.Path); bad != nil || call.In == nil {
		return u, nil, bad
	}
	if body, ok := call.In.(marshalled); ok {
		return u, body, nil
	}
	body, err := marshal(call.In)
	if err != nil {
		return u, nil, &misuse{"in", "cannot be written as JSON", err}
	}
	return u, body, nil
}

// What the loop and its http.Client see of a request and of every answer.
// Neither writes to them.
var (
	noHeader = http.Header{}
	stub     = &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
)

// run has go-retryablehttp count and space the attempts. Each call has a loop
// of its own, whose transport is the exchange itself. Whatever comes of an
// attempt, it hands the loop the same empty success: neither the loop nor the
// http.Client in it sees a status, header, body or error that it could follow,
// parse, drain, log or repeat by rules of its own.
func (x *exchange) run(ctx context.Context) {
	x.http = http.Client{Transport: x}
	x.loop.HTTPClient = &x.http
	x.loop.RetryMax = x.client.maxAttempts - 1
	x.loop.CheckRetry = x.again
	x.loop.Backoff = x.pause
	x.loop.ErrorHandler = retryablehttp.PassthroughErrorHandler
	x.outer = *(&http.Request{Method: x.call.Method, URL: &x.url, Header: noHeader}).WithContext(ctx)
	x.request.Request = &x.outer
	if _, err := x.loop.Do(&x.request); err != nil {
		x.ended = err // a wait was interrupted; nothing else fails up there
	}
}

// RoundTrip is one attempt. The loop's request is not the one that is sent.
func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	x.attempt(r)
	return stub, nil
}

// again is asked by the loop after every attempt.
func (x *exchange) again(ctx context.Context, _ *http.Response, _ error) (bool, error) {
	if x.unprepared != nil || x.ended != nil && !x.now.made {
		return false, nil
	}
	stop, ok := x.plan(ctx)
	x.log(ctx, stop)
	return ok, nil
}

// pause is asked by the loop after again, which decided while the answer was
// at hand.
func (x *exchange) pause(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return x.wait }

// plan decides whether there is another attempt, and sets the wait before it.
// Where only something else than the policy forbids it, stop says what.
func (x *exchange) plan(ctx context.Context) (stop string, ok bool) {
	a := &x.now
	x.wait = 0
	if a.healthy() {
		x.client.budget.put(max(x.cost, 1))
	}
	if a.success || !x.call.Policy.repeats(a) {
		return "", false
	}
	if err := ctx.Err(); err != nil {
		x.ended = err
		return "context", false
	}
	if x.attempts >= x.client.maxAttempts {
		return "attempts", false
	}
	if a.retryAfter > maxRetryAfter {
		return "retry-after", false
	}
	wait := max(backoff(x.attempts), a.retryAfter)
	if deadline, bounded := ctx.Deadline(); bounded && time.Until(deadline) <= wait {
		return "deadline", false
	}
	cost := int64(transientCost)
	if a.hinted {
		cost = throttledCost
	}
	if !x.client.budget.take(cost) {
		return "budget", false
	}
	x.cost += cost
	x.wait = wait
	return "", true
}

// result turns what the loop left behind into what Do returns.
func (x *exchange) result() (*Response, error) {
	a := &x.now
	switch {
	case x.unprepared != nil:
		return nil, x.fail(&outcome.Cause{Kind: a.kind, Err: x.unprepared}, x.last)
	case x.ended != nil:
		later := !errors.Is(x.ended, context.Canceled)
		return nil, x.fail(&outcome.Cause{Err: x.ended, Temporary: later}, x.last)
	case !a.success:
		return nil, x.fail(&outcome.Cause{Kind: a.kind, Err: a.err, Temporary: a.temporary}, &a.answer)
	}
	resp := &Response{Status: a.status, Header: a.header, Body: a.body, Attempts: x.attempts, Received: a.received}
	if x.call.Decode != nil {
		if err := x.call.Decode(resp); err != nil {
			x.ambiguous = true
			return nil, x.fail(&outcome.Cause{Kind: providerauth.ErrBadResponse, Err: err}, &a.answer)
		}
	}
	return resp, nil
}

// fail completes cause and wraps it. a is the answer that goes with it, or nil.
func (x *exchange) fail(cause *outcome.Cause, a *answer) *Error {
	cause.Ambiguous = x.ambiguous
	cause.Repeatable = x.call.Policy == Safe
	e := &Error{provider: x.client.provider, Op: x.call.Op, Attempts: x.attempts, Cause: cause}
	if a != nil {
		cause.RetryAfter, cause.Status = a.retryAfter, a.status
		e.Status, e.Header, e.Body, e.RetryAfter = a.status, a.header, a.body, a.retryAfter
		if len(e.Body) > maxErrorBody && x.now.class == Unread {
			e.Body = append([]byte(nil), e.Body[:maxErrorBody]...)
		}
	}
	return e
}
