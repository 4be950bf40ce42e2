package assetpay

import (
	"context"
	"net/http"
	"strings"

	"github.com/providerauth/providerauth-go/internal/attach"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// Call makes one call as the merchant, with the API key: what is below
// /secure. path extends Config.BaseURL and may have a query. in is sent as
// JSON, nil as no body. The "data" of the answer's envelope is decoded into
// out; where none is expected, out is nil. An answer without data, such as a
// 204 or "data" null, matches [providerauth.ErrBadResponse] if out is not nil, so that no
// out is taken for an answer that was never written.
//
// GET and HEAD are repeated where that helps; any other method only if nothing
// was sent, or on a 429 that says when to come back.
//
// Errors are [*Error]. If it is Ambiguous and not Retryable, look at what became
// of the call before making it again.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	const op = "Call"
	if ctx == nil {
		return nilContext(op)
	}
	var p check.Problems
	if check.Out(&p, "out", out); p != nil {
		return &Error{Op: op, Fields: p}
	}
	if c.apiKey == nil {
		return unset(op, "APIKey")
	}
	call := newCall(op, method, path, in, out)
	if err := c.api.Check(ctx, &call); err != nil {
		return fail(op, err)
	}
	key, err := c.apiKey.Get(ctx)
	if err != nil {
		return notSent(op, err)
	}
	call.Prepare = withKey(key)
	if _, err := c.api.Do(ctx, call); err != nil {
		return fail(op, err)
	}
	return nil
}

// CallFor makes one call as the user, with the user's token: what is below
// /client. The rest is as with [Client.Call]; in addition a 401 that is about
// the token replaces it once, as in [Client.TransportFor].
func (c *Client) CallFor(ctx context.Context, req AuthenticateClientRequest, method, path string, in, out any) error {
	const op = "CallFor"
	if ctx == nil {
		return nilContext(op)
	}
	user := c.sourceOf(req)
	if check.Out(&user.problems, "out", out); user.problems != nil {
		return &Error{Op: op, Fields: user.problems}
	}
	call := newCall(op, method, path, in, out)
	if err := c.api.Check(ctx, &call); err != nil {
		return fail(op, err)
	}
	tokens := c.tokensOf(user)
	path, _, _ = strings.Cut(path, "?")
	var sent int
	var result *Error
	contested, err := tokens.Use(ctx, method, path, true, func(t Token) attach.Verdict {
		call.Prepare = func(_ context.Context, r *http.Request, _ []byte) error {
			header.Authorize(r.Header, t.authorization())
			return nil
		}
		resp, err := c.api.Do(ctx, call)
		if err == nil {
			sent, result = sent+resp.Attempts, nil
			return attach.Accepted
		}
		e := fail(op, err).(*Error)
		sent += e.Attempts
		e.Attempts = sent
		result = e
		switch {
		case e.StatusCode == 0:
			return attach.Unclear
		case rejects(e.StatusCode, e.Key):
			return attach.Rejected
		case e.StatusCode >= http.StatusInternalServerError:
			return attach.Unclear
		}
		return attach.Accepted
	})
	switch {
	case err != nil:
		return notSent(op, err)
	case result == nil:
		return nil
	case contested > 0:
		return result.contested(contested)
	}
	return result
}

func newCall(op, method, path string, in, out any) transport.Call {
	call := transport.Call{Op: op, Method: method, Path: path, In: in, Policy: transport.Once, Classify: classify}
	if method == http.MethodGet || method == http.MethodHead {
		call.Policy = transport.Safe
	}
	call.Decode = func(r *transport.Response) error {
		if len(r.Body) == 0 && (r.Status == http.StatusNoContent || method == http.MethodHead) {
			if out != nil {
				return errNoData
			}
			return nil
		}
		var env envelope
		return env.open(r.Body, out)
	}
	return call
}
