package partnerjwt

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/providerauth/providerauth-go/internal/attach"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/outcome"
	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// Call makes one call of the Partner API. path extends Config.BaseURL and may
// have a query. in is sent as JSON, nil as no body; the answer is decoded into
// out, unless that is nil. GET and HEAD are repeated where that helps; any
// other method only if nothing was sent, or on a 429 that says when to come
// back. A 401 replaces the token once, as in [Client.Transport].
//
// Errors are [*Error]. If it is Ambiguous and not Retryable, look at what became
// of the call before making it again: the API has no idempotency keys.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var p check.Problems
	if check.Out(&p, "out", out); p != nil {
		return &Error{Op: "Call", Fields: p}
	}
	policy := transport.Once
	if method == http.MethodGet || method == http.MethodHead {
		policy = transport.Safe
	}
	call := transport.Call{Op: "Call", Method: method, Path: path, In: in, Policy: policy}
	if out != nil {
		call.Decode = func(r *transport.Response) error { return transport.Unmarshal(r.Body, out) }
	}
	return c.do(ctx, call)
}

// do makes the call with a token, and once more with another if that one is
// rejected.
func (c *Client) do(ctx context.Context, call transport.Call) error {
	if ctx == nil {
		return nilContext(call.Op)
	}
	if err := c.api.Check(ctx, &call); err != nil {
		return fail(call.Op, err)
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
		e := fail(call.Op, err).(*Error)
		sent += e.Attempts
		e.Attempts = sent
		result = e
		switch {
		case e.StatusCode == http.StatusUnauthorized:
			return attach.Rejected
		case e.StatusCode == 0, e.StatusCode >= http.StatusInternalServerError:
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

// answered makes the package's error of a call that was sent.
func answered(op string, e *transport.Error) *Error {
	own := &Error{
		Op: op, StatusCode: e.Status, Attempts: e.Attempts, RetryAfter: e.RetryAfter, Fields: e.Cause.Fields, Err: e.Cause,
		RequestID: text.Clip(e.Header.Get("X-Request-Id"), text.MaxCode), body: outcome.NewExcerpt(e.Body),
	}
	// PiTrade documents no error body: take what looks like one.
	var body struct {
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
		Error   json.RawMessage `json:"error"`
	}
	if json.Unmarshal(e.Body, &body) == nil {
		own.Code = text.Clip(text.JSONText(body.Code), text.MaxCode)
		own.Message = text.Clip(cmp.Or(text.JSONText(body.Message), text.JSONText(body.Error)), text.MaxMessage)
	}
	return own
}
