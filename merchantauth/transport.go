package merchantauth

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/providerauth/providerauth-go/internal/attach"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/transport"
)

const (
	// userAgent is that of the package's own calls. The fingerprint in Kuna's
	// tokens may depend on it, so requests that state none get the same.
	userAgent = "providerauth-go"

	// peeked is how much of an answer is read to see whether it says that the
	// token has expired; such answers are short.
	peeked = 16 << 10
)

// Transport returns an http.RoundTripper that puts the credential on every
// request, for the private endpoints that this package does not wrap: the
// access token as Authorization, or the API key as Api-key, never both. Where
// they are missing, it sets Accept, User-Agent and, on requests with a body,
// Content-Type too. A nil base is the transport of Config.HTTPClient.
//
// Requests go to the scheme, host and port of Config.BaseURL only. A 401, or an
// answer without data whose errors name a TokenExpiredError, under any status,
// replaces the access token and sends the request once more with the new one, if
// its body can be rewound (GetBody). Where no other token is to be had, the first
// such answer in a row sends the request once more with the same token, and any
// other goes to the caller.
//
// If a new token is answered so too, it was not the token: the answer goes to the
// caller, and for one second, doubling to a minute, such answers to that method
// and path replace nothing. After three of them, to different calls or with no
// call accepted between, those to any call replace nothing, for up to 5 seconds or
// until a new token helps. A changed password ends both. Nothing else is repeated.
// With an API key nothing is replaced or repeated at all.
//
// An error of the RoundTripper itself is an [*Error] with Op "Transport" that
// matches [providerauth.ErrNotSent]: the request did not leave. Every other error is the
// base's, and whether the request was acted on is unknown. An answer with
// "errors" is no error of the RoundTripper, whatever its status.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = c.api.Base()
	}
	if c.key != nil {
		return attach.New(attach.Config[string]{
			Base: base, Origin: c.base, Fail: unsent,
			Tokens: attach.Tokens[string]{Token: c.key.Get},
			Attach: func(r *http.Request, key string) error {
				complete(r)
				header.Delete(r.Header, "Authorization")
				header.Set(r.Header, keyHeader, key)
				return nil
			},
		})
	}
	return attach.New(attach.Config[Token]{
		Base: base, Origin: c.base, Fail: unsent, Clock: &c.clock,
		Tokens: c.tokens,
		Attach: func(r *http.Request, t Token) error {
			complete(r)
			header.Delete(r.Header, keyHeader)
			header.Authorize(r.Header, t.secret.Bearer())
			return nil
		},
		Rejected: rejected,
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

// rejected reports whether an answer is about the access token. One that has
// data beside its errors may have been acted on, so it is handed on.
func rejected(resp *http.Response) bool {
	if resp.StatusCode == http.StatusUnauthorized {
		return true
	}
	kind := strings.ToLower(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode < 200: // the connection speaks another protocol from here on
		return false
	case resp.ContentLength > peeked, kind != "" && !strings.Contains(kind, "json"):
		return false
	}
	head := attach.Peek(resp, peeked)
	if !bytes.Contains(head, []byte(nameTokenExpired)) {
		return false
	}
	var env envelope
	if classify(resp.StatusCode, head) != transport.Refused || json.Unmarshal(head, &env) != nil {
		return false // it may have been acted on
	}
	return slices.ContainsFunc(entries(env.Errors), expired)
}

// complete sets what Kuna's page has on every private call, where the caller
// has not.
func complete(r *http.Request) {
	header.Default(r.Header, "Accept", "application/json")
	header.Default(r.Header, "User-Agent", userAgent)
	if r.Body != nil && r.Body != http.NoBody {
		header.Default(r.Header, "Content-Type", "application/json")
	}
}
