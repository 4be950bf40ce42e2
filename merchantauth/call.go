package merchantauth

import (
	"context"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// keyHeader is spelled as Kuna's page on authentication prints it.
const keyHeader = "Api-key"

// Call makes a call of a private endpoint. path extends Config.BaseURL and may have
// a query. in is sent as JSON, nil as no body. The "data" of the answer is decoded
// into out; if no data is expected, out is nil. An answer without data matches
// [providerauth.ErrBadResponse], except an empty 204 or an empty answer to HEAD if
// out is nil. So does "data" null if out is not nil: out would otherwise look like
// an empty answer.
//
// GET and HEAD are repeated where repeating helps. Any other method is repeated
// only if nothing was sent, or on a 429 with Retry-After. If Kuna rejects the
// access token, Call replaces the token once, as [Client.Transport] does. A call
// with an ambiguous outcome is not repeated for a rejection.
//
// Errors are [*Error]. If the error is Ambiguous and not Retryable, find out
// whether the call took effect before repeating it.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	const op = "Call"
	var problems check.Problems
	problems.Out("out", out)
	if err := invalid(op, problems); err != nil {
		return err
	}
	call := transport.Call{Op: op, Method: method, Path: path, In: in, Policy: transport.Once, Long: true}
	if method == http.MethodGet || method == http.MethodHead {
		call.Policy = transport.Safe
	}
	resp, err := c.do(ctx, call)
	if err != nil {
		return err
	}
	if len(resp.Body) == 0 && (resp.Status == http.StatusNoContent || method == http.MethodHead) {
		if out != nil {
			return fail(op, resp.Unusable(errNoData))
		}
		return nil
	}
	if err := envelopeOf(resp).open(out); err != nil {
		return fail(op, resp.Unusable(err))
	}
	return nil
}

// do makes a call with the API key or with a token.
func (c *Client) do(ctx context.Context, call transport.Call) (*transport.Response, error) {
	if ctx == nil {
		return nil, nilContext(call.Op)
	}
	resp, err := c.session.Do(ctx, c.merchant(), call)
	if err != nil {
		return nil, fail(call.Op, err)
	}
	return resp, nil
}
