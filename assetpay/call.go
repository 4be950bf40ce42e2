package assetpay

import (
	"context"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// Call makes a call as the merchant, with the API key, below /secure. path extends
// Config.BaseURL and may have a query. in is sent as JSON, nil as no body. The
// "data" of the answer's envelope is decoded into out; if no data is expected, out
// is nil. If out is not nil and the answer has no data, such as a 204 or "data"
// null, the error matches [providerauth.ErrBadResponse]: out would otherwise look
// like an empty answer.
//
// GET and HEAD are repeated where repeating helps. Any other method is repeated
// only if nothing was sent, or on a 429 with Retry-After.
//
// Errors are [*Error]. If the error is Ambiguous and not Retryable, find out
// whether the call took effect before repeating it.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	const op = "Call"
	if ctx == nil {
		return nilContext(op)
	}
	var p check.Problems
	p.Out("out", out)
	if err := invalid(op, p); err != nil {
		return err
	}
	if c.apiKey == nil {
		return unset(op, "APIKey")
	}
	return c.do(ctx, c.merchant(), newCall(op, method, path, in), out)
}

// CallFor makes a call as the user, with the user's token. It is for the endpoints
// below /client, which path includes. Otherwise it works like [Client.Call]. In
// addition it replaces a rejected token once, as [Client.TransportFor] does.
func (c *Client) CallFor(ctx context.Context, u User, method, path string, in, out any) error {
	const op = "CallFor"
	if ctx == nil {
		return nilContext(op)
	}
	user := c.sourceOf(u)
	user.problems.Out("out", out)
	if err := invalid(op, user.problems); err != nil {
		return err
	}
	return c.do(ctx, c.userOf(user), newCall(op, method, path, in), out)
}

func (c *Client) do(ctx context.Context, u session.User, call transport.Call, out any) error {
	resp, err := c.session.Do(ctx, u, call)
	if err != nil {
		return fail(call.Op, err)
	}
	if err := data(resp, call.Method, out); err != nil {
		return fail(call.Op, resp.Unusable(err))
	}
	return nil
}

func newCall(op, method, path string, in any) transport.Call {
	call := transport.Call{Op: op, Method: method, Path: path, In: in, Policy: transport.Once, Long: true}
	if method == http.MethodGet || method == http.MethodHead {
		call.Policy = transport.Safe
	}
	return call
}

// data decodes the data of a successful answer into out; out may be nil.
func data(resp *transport.Response, method string, out any) error {
	if len(resp.Body) > 0 || resp.Status != http.StatusNoContent && method != http.MethodHead {
		return envelopeOf(resp).open(out)
	}
	if out != nil {
		return errNoData
	}
	return nil
}
