package partnerjwt

import (
	"context"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// Call makes a call of the Partner API. path extends Config.BaseURL and may
// have a query. in is sent as JSON, nil as no body; the answer is decoded into
// out, unless out is nil. GET and HEAD are repeated where useful. Any other
// method is repeated only if nothing was sent, or on a 429 stating a wait. A
// 401 replaces the token once, as in [Client.Transport].
//
// Errors are [*Error]. If it is Ambiguous and not Retryable, find out whether
// the call took effect before making it again: the API has no idempotency keys.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var p check.Problems
	p.Out("out", out)
	if err := invalid("Call", p); err != nil {
		return err
	}
	policy := transport.Once
	if method == http.MethodGet || method == http.MethodHead {
		policy = transport.Safe
	}
	return c.do(ctx, transport.Call{Op: "Call", Method: method, Path: path, In: in, Policy: policy, Long: true}, out)
}

// do makes the call with a token, and decodes the answer into out, unless out
// is nil.
func (c *Client) do(ctx context.Context, call transport.Call, out any) error {
	if ctx == nil {
		return nilContext(call.Op)
	}
	resp, err := c.session.Do(ctx, c.partner(), call)
	if err != nil {
		return fail(call.Op, err)
	}
	if out == nil {
		return nil
	}
	if err := transport.Unmarshal(resp.Body, out); err != nil {
		return fail(call.Op, resp.Unusable(err))
	}
	return nil
}
