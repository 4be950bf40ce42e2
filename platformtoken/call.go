package platformtoken

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

// Call makes one signed call that takes no token, such as /player/register.
// path extends Config.BaseURL. in is sent as JSON, nil as no body; its members
// must come in the documented order, so use structs and not maps. The "data" of
// the answer's envelope is decoded into out; where none is expected, out is
// nil. An answer without data matches [providerauth.ErrBadResponse] if out is not nil, so
// that no out is taken for an answer that was never written.
//
// GET and HEAD, which no documented endpoint takes, are repeated where that
// helps; any other method only if nothing was sent, or on a 429 that says when
// to come back.
//
// Errors are [*Error]. If it is Ambiguous and not Retryable, look at what became
// of the call before making it again.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	const op = "Call"
	var problems check.Problems
	if check.Out(&problems, "out", out); problems != nil {
		return &Error{Op: op, Fields: problems}
	}
	return c.do(ctx, newCall(op, method, path, in, out))
}

// CallFor makes one signed call with the player's token. The rest is as with
// [Client.Call]; in addition an answer that says that the token is dead
// replaces it once, as in [Client.TransportFor].
func (c *Client) CallFor(ctx context.Context, p Player, method, path string, in, out any) error {
	const op = "CallFor"
	var problems check.Problems
	if check.Out(&problems, "out", out); problems != nil {
		return &Error{Op: op, Fields: problems}
	}
	return c.doFor(ctx, p, newCall(op, method, path, in, out))
}

func newCall(op, method, path string, in, out any) transport.Call {
	call := transport.Call{Op: op, Method: method, Path: path, In: in, Policy: transport.Once, Classify: classify}
	if method == http.MethodGet || method == http.MethodHead {
		call.Policy = transport.Safe
	}
	call.Decode = func(r *transport.Response) error { return open(r.Body, out) }
	return call
}

// post is a call of an endpoint that is known.
func post(op, path string, policy transport.Policy, in any, decode func(body []byte) error) transport.Call {
	return transport.Call{
		Op: op, Method: http.MethodPost, Path: path, In: in, Policy: policy, Classify: classify,
		Decode: func(r *transport.Response) error { return decode(r.Body) },
	}
}

// do makes a call without a token.
func (c *Client) do(ctx context.Context, call transport.Call) error {
	if ctx == nil {
		return nilContext(call.Op)
	}
	call.Prepare = c.prepare(c.language)
	if _, err := c.api.Do(ctx, call); err != nil {
		return called(call.Op, err)
	}
	return nil
}

// doFor makes a call with a token, and once more with another if that one is
// rejected.
func (c *Client) doFor(ctx context.Context, p Player, call transport.Call) error {
	if ctx == nil {
		return nilContext(call.Op)
	}
	if problems := p.check(); problems != nil {
		return &Error{Op: call.Op, Fields: problems}
	}
	if err := c.api.Check(ctx, &call); err != nil {
		return fail(call.Op, err)
	}
	tokens := c.tokensOf(p)
	path, _, _ := strings.Cut(call.Path, "?")
	path = "/" + strings.TrimPrefix(path, "/")
	prepare := c.prepare(c.language)
	var result *Error
	contested, err := tokens.Use(ctx, call.Method, path, true, func(t Token) attach.Verdict {
		call.Prepare = func(ctx context.Context, r *http.Request, body []byte) error {
			header.Authorize(r.Header, t.secret.Bearer())
			return prepare(ctx, r, body)
		}
		_, err := c.api.Do(ctx, call)
		if err == nil {
			result = nil
			return attach.Accepted
		}
		e := called(call.Op, err)
		if result != nil {
			if e.Attempts == 0 {
				return attach.Unclear // the first answer stands
			}
			e.Attempts += result.Attempts
		}
		result = e
		switch {
		case e.StatusCode == 0, call.Policy != transport.Safe && outcome.Ambiguous(e):
			return attach.Unclear
		case c.rejects(path, e.StatusCode, e.Code, e.refusal):
			e.rejected = true
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
