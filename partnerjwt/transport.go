package partnerjwt

import (
	"net/http"

	"github.com/providerauth/providerauth-go/internal/attach"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/outcome"
)

// Transport returns an http.RoundTripper that puts a token on every request,
// for the endpoints of the Partner API that this package does not wrap. A nil
// base is the transport of Config.HTTPClient.
//
// Requests go to the scheme, host and port of Config.BaseURL only. A 401 replaces
// the token and sends the request once more with the new one, if its body can be
// rewound (GetBody); if its Date shows that the clocks differ, the new token
// takes that into account. Where no other token is to be had, the first 401 in a
// row sends the request once more with the same token, and any other goes to the
// caller.
//
// If a new token is answered 401 too, it was not the token: the answer goes to the
// caller, and for one second, doubling to a minute, 401s of that method and path
// replace nothing. After three of them, to different calls or with no call
// accepted between, those of any call replace nothing, for up to 5 seconds or
// until a new token helps. A changed secret ends both. Nothing else is repeated.
//
// An error of the RoundTripper itself is an [*Error] with Op "Transport" that
// matches [providerauth.ErrNotSent]: the request did not leave. Every other error is the
// base's, and whether the request was acted on is unknown.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = c.api.Base()
	}
	return attach.New(attach.Config[Token]{
		Base: base, Origin: c.base, Tokens: c.tokens, Clock: &c.clock,
		Attach: func(r *http.Request, t Token) error {
			header.Authorize(r.Header, t.secret.Bearer())
			return nil
		},
		Rejected: func(resp *http.Response) bool { return resp.StatusCode == http.StatusUnauthorized },
		Fail: func(reason *outcome.Cause) error {
			return &Error{Op: "Transport", RetryAfter: reason.RetryAfter, Fields: reason.Fields, Err: reason}
		},
	})
}

// HTTPClient returns an http.Client over [Client.Transport] that follows no
// redirects. All clients returned share one pool of connections, so it is cheap
// to call.
func (c *Client) HTTPClient() *http.Client {
	return &http.Client{
		Transport: c.Transport(nil),
		Timeout:   c.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}
