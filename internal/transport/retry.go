package transport

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/providerauth/providerauth-go/internal/apierror"
)

// run is a call on its way. go-retryablehttp counts and spaces its attempts;
// the hooks of the library are RoundTrip, checkRetry and backoff, in this file.
//
// The library's client belongs to this run: the library gives Backoff neither
// the context nor the request, so a shared client could not space a single
// call. It sees the status of every attempt, or the reason why there is none.
// It sees no header and no body: the http.Client in it parses Location before
// it asks whether to follow, and drains, closes and prints by rules of its own.
// All decisions look at the last attempt, and not at the library's values.
type run struct {
	client *Client
	call   Call
	url    url.URL
	body   []byte

	now attempt // the last
	progress
	library
}

// progress is the state of a run.
type progress struct {
	attempts  int     // so far, Call.Before included
	last      *answer // the last answer other than a success; nil: there is none
	ambiguous bool    // some attempt may have been acted on
	ended     error   // of the caller's context
	unsigned  error   // of Call.Signer

	cost int64         // taken from the budget
	wait time.Duration // before the next attempt
}

// library holds the values for go-retryablehttp.
type library struct {
	retries retryablehttp.Client
	request retryablehttp.Request
	http    http.Client
	outer   http.Request
	reply   http.Response
}

// noHeader keeps http.Client from following or copying headers. Nobody writes
// to it.
var noHeader = http.Header{}

// loop makes the attempts.
func (r *run) loop(ctx context.Context) {
	r.http = http.Client{Transport: r}
	r.retries.HTTPClient = &r.http
	r.retries.RetryMax = r.client.maxAttempts - 1
	r.retries.CheckRetry = r.checkRetry
	r.retries.Backoff = r.backoff
	r.retries.ErrorHandler = retryablehttp.PassthroughErrorHandler
	r.outer = *(&http.Request{Method: r.call.Method, URL: &r.url, Header: noHeader}).WithContext(ctx)
	r.request.Request = &r.outer
	_, err := r.retries.Do(&r.request)
	if ctx.Err() != nil && err == ctx.Err() { // a wait was interrupted
		r.ended = err
	}
}

var errEnded = errors.New("the call ended before there was a request")

// RoundTrip is an attempt: sign, send, read, judge. It sends a copy of the
// library's request, with a header, a body and a context of its own.
func (r *run) RoundTrip(outer *http.Request) (*http.Response, error) {
	r.attempt(outer)
	if r.now.status == 0 {
		return nil, cmp.Or(r.now.err, errEnded)
	}
	r.reply = http.Response{StatusCode: r.now.status, Header: noHeader, Body: http.NoBody, Request: outer}
	return &r.reply, nil
}

// checkRetry is the library's CheckRetry.
func (r *run) checkRetry(ctx context.Context, _ *http.Response, _ error) (bool, error) {
	if r.unsigned != nil || r.ended != nil && !r.now.made {
		return false, nil
	}
	r.report(ctx)
	stop, again := r.plan(ctx)
	r.log(ctx, stop)
	return again, nil
}

// backoff is the library's Backoff. plan has drawn the wait, while it knew the
// deadline.
func (r *run) backoff(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return r.wait }

// plan decides whether there is another attempt, and sets the wait before it.
// Where the policy would allow it, stop names the reason against it.
func (r *run) plan(ctx context.Context) (stop string, again bool) {
	a := &r.now
	r.wait = 0
	if a.healthy() {
		r.client.budget.put(max(r.cost, 1))
	}
	if a.success || !r.call.Policy.repeats(a) {
		return "", false
	}
	if err := ctx.Err(); err != nil {
		r.ended = err
		return "context", false
	}
	if r.attempts-r.call.Before >= r.client.maxAttempts {
		return "attempts", false
	}
	if a.retryAfter > maxRetryAfter {
		return "retry-after", false
	}
	wait := max(backoff(r.attempts-r.call.Before), a.retryAfter)
	if deadline, bounded := ctx.Deadline(); bounded && time.Until(deadline) <= wait {
		return "deadline", false
	}
	cost := int64(transientCost)
	if a.hinted {
		cost = throttledCost
	}
	if !r.client.budget.take(cost) {
		return "budget", false
	}
	r.cost += cost
	r.wait = wait
	return "", true
}

// result returns the result of Do.
func (r *run) result() (*Response, error) {
	a := &r.now
	switch {
	case r.unsigned != nil:
		return nil, r.fail(a.kind, r.unsigned, r.last)
	case r.ended != nil:
		e := r.fail(nil, r.ended, r.last)
		e.Temporary = !errors.Is(r.ended, context.Canceled)
		return nil, e
	case !a.success:
		e := r.fail(a.kind, a.err, &a.answer)
		e.Temporary = a.temporary
		return nil, e
	}
	return &Response{
		Status: a.status, Header: a.header, Body: a.body, Attempts: r.attempts, Sent: a.sent, Received: a.received,
		Answer: a.read, call: &r.call,
	}, nil
}

// fail is the error of the call with the answer a, which may be nil.
func (r *run) fail(kind, err error, a *answer) *apierror.Error {
	e := r.call.fail(kind, err)
	e.Attempts, e.Ambiguous = r.attempts, r.ambiguous
	if a != nil {
		e.Status, e.Header, e.Body, e.RetryAfter, e.Answer = a.status, a.header, a.body, a.retryAfter, a.read
		if a.read.Class == apierror.Unread {
			e.Body = kept(a.body)
		}
	}
	return e
}
