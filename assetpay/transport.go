package assetpay

import (
	"context"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/attach"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/outcome"
)

// keyHeader is spelled as AssetPay's page prints it.
const keyHeader = "api-key"

// peeked is how much of a 401 is read to see what it is about.
const peeked = 16 << 10

// Transport returns an http.RoundTripper that puts the API key on every
// request, for the endpoints below /secure, which the merchant calls. A nil
// base is the transport of Config.HTTPClient.
//
// Requests go to the scheme, host and port of Config.BaseURL only, and without
// an Authorization header: AssetPay takes one credential. Nothing is repeated.
//
// An error of the RoundTripper itself is an [*Error] with Op "Transport" that
// matches [providerauth.ErrNotSent]: the request did not leave. Every other error is the
// base's, and whether the request was acted on is unknown.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	return attach.New(attach.Config[string]{
		Base: c.over(base), Origin: c.base, Fail: unsent,
		Tokens: attach.Tokens[string]{Token: c.key},
		Attach: func(r *http.Request, key string) error {
			header.Delete(r.Header, "Authorization")
			header.Set(r.Header, keyHeader, key)
			return nil
		},
	})
}

// TransportFor returns an http.RoundTripper that puts the user's token on every
// request, for the endpoints below /client, which are called as that user. A
// nil base is the transport of Config.HTTPClient. It keeps a copy of req; one
// that is wrong is the error of every request.
//
// Requests go to the scheme, host and port of Config.BaseURL only, and without
// an api-key header. A 401 that is about the token (INVALID_TOKEN,
// TOKEN_EXPIRED, TOKEN_INVALID_OR_EXPIRED, UNAUTHORIZED, or no envelope of
// AssetPay's) replaces the token and sends the request once more with the new
// one, if its body can be rewound (GetBody). Where no other token is to be had,
// the first such answer in a row sends the request once more with the same token,
// and any other goes to the caller.
//
// If a new token is answered so too, it was not the token: the answer goes to the
// caller, and for one second, doubling to a minute, such answers to that user,
// method and path replace nothing. After three of them, to different calls or with
// no call accepted between, those to any call of the user replace nothing, for up
// to 5 seconds or until a new token helps. A changed secret ends both. Nothing
// else is repeated.
//
// Errors are as those of [Client.Transport].
func (c *Client) TransportFor(req AuthenticateClientRequest, base http.RoundTripper) http.RoundTripper {
	return attach.New(attach.Config[Token]{
		Base: c.over(base), Origin: c.base, Fail: unsent, Clock: &c.clock,
		Tokens: c.tokensOf(c.sourceOf(req)),
		Attach: func(r *http.Request, t Token) error {
			header.Delete(r.Header, keyHeader)
			header.Authorize(r.Header, t.authorization())
			return nil
		},
		Rejected: func(resp *http.Response) bool {
			return resp.StatusCode == http.StatusUnauthorized && rejects(resp.StatusCode, keyOf(attach.Peek(resp, peeked)))
		},
	})
}

// HTTPClient returns an http.Client over [Client.Transport] that follows no
// redirects. All clients returned share one pool of connections, so it is cheap
// to call.
func (c *Client) HTTPClient() *http.Client { return c.httpClient(c.Transport(nil)) }

// HTTPClientFor returns an http.Client over [Client.TransportFor] that follows
// no redirects. It shares the pool of [Client.HTTPClient].
func (c *Client) HTTPClientFor(req AuthenticateClientRequest) *http.Client {
	return c.httpClient(c.TransportFor(req, nil))
}

func (c *Client) httpClient(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: rt,
		Timeout:   c.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

func (c *Client) over(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		return c.api.Base()
	}
	return base
}

// key returns the API key for one request.
func (c *Client) key(ctx context.Context) (string, error) {
	if c.apiKey == nil {
		return "", unset("Transport", "APIKey")
	}
	return c.apiKey.Get(ctx)
}

// tokensOf are the user's tokens, replaced when they are rejected.
func (c *Client) tokensOf(user *fixedSource) attach.Tokens[Token] {
	return attach.Tokens[Token]{
		Token: user.Token, Keeper: c.cache.Of(user.who), Breaker: c.breaker,
		Key:    user.who.steamID + user.who.clientID, // the first has a fixed length
		Secret: func(t Token) *credential.Secret { return t.secret },
	}
}

// keyOf returns the error key of an answer, "" if it is not AssetPay's.
func keyOf(body []byte) string {
	key, _ := failureKey(body)
	return key
}

func unsent(reason *outcome.Cause) error {
	return &Error{Op: "Transport", RetryAfter: reason.RetryAfter, Fields: reason.Fields, Err: reason}
}
