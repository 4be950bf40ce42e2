package merchantauth

import (
	"context"
	"net/http"
	"strings"

	"github.com/providerauth/providerauth-go/internal/attach"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/outcome"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// keyHeader is spelled as Kuna's page on authentication prints it.
const keyHeader = "Api-key"

// Call makes one call of a private endpoint. path extends Config.BaseURL and
// may have a query. in is sent as JSON, nil as no body. The "data" of the
// answer is decoded into out; where none is expected, out is nil. An answer
// without data matches [providerauth.ErrBadResponse], and so does "data" null if out is not
// nil, so that no out is taken for an answer that was never written.
//
// GET and HEAD are repeated where that helps; any other method only if nothing
// was sent, or on a 429 that says when to come back. An answer that says that
// the access token is not good replaces it once, as in [Client.Transport]; but
// a call whose outcome is unclear is not made again for that.
//
// Errors are [*Error]. If it is Ambiguous and not Retryable, look at what became
// of the call before making it again.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	const op = "Call"
	var problems check.Problems
	if check.Out(&problems, "out", out); problems != nil {
		return &Error{Op: op, Fields: problems}
	}
	call := transport.Call{Op: op, Method: method, Path: path, In: in, Policy: transport.Once}
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
		return open(r.Body, out)
	}
	return c.do(ctx, call)
}

// do makes the call with the API key; or with a token, and once more with
// another if that one is rejected.
func (c *Client) do(ctx context.Context, call transport.Call) error {
	if ctx == nil {
		return nilContext(call.Op)
	}
	if err := c.api.Check(ctx, &call); err != nil {
		return fail(call.Op, err)
	}
	call.Classify = classify
	if c.key != nil {
		key, err := c.key.Get(ctx)
		if err != nil {
			return notSent(call.Op, err)
		}
		call.Prepare = func(_ context.Context, r *http.Request, _ []byte) error {
			header.Set(r.Header, keyHeader, key)
			return nil
		}
		if _, err := c.api.Do(ctx, call); err != nil {
			return fail(call.Op, err)
		}
		return nil
	}
	var sent int
	var result *Error
	path, _, _ := strings.Cut(call.Path, "?")
	contested, err := c.tokens.Use(ctx, call.Method, path, true, func(t Token) attach.Verdict {
		call.Prepare = func(_ context.Context, r *http.Request, _ []byte) error {
			header.Authorize(r.Header, t.secret.Bearer())
			return nil
		}
		resp, err := c.api.Do(ctx, call)
		if err == nil {
			sent, result = sent+resp.Attempts, nil
			return attach.Accepted
		}
		e := fail(call.Op, err)
		sent += e.Attempts
		e.Attempts = sent
		result = e
		switch {
		case e.StatusCode == 0, call.Policy != transport.Safe && outcome.Ambiguous(e):
			return attach.Unclear
		case e.rejects():
			return attach.Rejected
		case e.StatusCode >= http.StatusInternalServerError:
			return attach.Unclear
		}
		return attach.Accepted
	})
	switch {
	case err != nil:
		return notSent(call.Op, err)
	case result == nil:
		return nil
	case contested > 0:
		return result.contested(contested)
	}
	return result
}
