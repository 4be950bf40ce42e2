package platformtoken

import (
	"context"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// Call makes a signed call without a token, such as /player/register. path
// extends Config.BaseURL. in is sent as JSON, nil as no body; its members must
// come in the documented order, so use structs and not maps. The "data" of the
// answer's envelope is decoded into out; pass nil if no data is expected. An
// answer without data matches [providerauth.ErrBadResponse] if out is not nil:
// an out without error is always written.
//
// GET and HEAD, which no documented endpoint takes, are repeated where useful.
// Any other method is repeated only if nothing was sent, or on a 429 stating a
// wait.
//
// Errors are [*Error]. If it is Ambiguous and not Retryable, find out whether
// the call took effect before making it again.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	const op = "Call"
	var problems check.Problems
	problems.Out("out", out)
	if err := invalid(op, problems); err != nil {
		return err
	}
	resp, err := c.do(ctx, newCall(op, method, path, in))
	if err != nil {
		return err
	}
	return decode(op, resp, out)
}

// CallFor makes a signed call with the player's token. It behaves as
// [Client.Call]. In addition a rejection replaces the token once, as in
// [Client.TransportFor].
func (c *Client) CallFor(ctx context.Context, p Player, method, path string, in, out any) error {
	const op = "CallFor"
	var problems check.Problems
	problems.Out("out", out)
	if err := invalid(op, problems); err != nil {
		return err
	}
	resp, err := c.doFor(ctx, p, newCall(op, method, path, in))
	if err != nil {
		return err
	}
	return decode(op, resp, out)
}

func newCall(op, method, path string, in any) transport.Call {
	call := transport.Call{Op: op, Method: method, Path: path, In: in, Policy: transport.Once, Long: true}
	if method == http.MethodGet || method == http.MethodHead {
		call.Policy = transport.Safe
	}
	return call
}

// post is a call of a documented endpoint.
func post(op, path string, policy transport.Policy, in any) transport.Call {
	return transport.Call{Op: op, Method: http.MethodPost, Path: path, In: in, Policy: policy}
}

// do makes a call without a token.
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

// doFor makes a call with the player's token.
func (c *Client) doFor(ctx context.Context, p Player, call transport.Call) (*transport.Response, error) {
	if ctx == nil {
		return nil, nilContext(call.Op)
	}
	if err := invalid(call.Op, p.check()); err != nil {
		return nil, err
	}
	call.Reader = playerReader{c}
	resp, err := c.session.Do(ctx, c.userOf(p), call)
	if err != nil {
		return nil, fail(call.Op, err)
	}
	return resp, nil
}

// decode decodes the data of an answer into out.
func decode(op string, resp *transport.Response, out any) error {
	if err := envelopeOf(resp).open(out); err != nil {
		return fail(op, resp.Unusable(err))
	}
	return nil
}
