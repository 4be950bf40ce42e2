package merchantauth

import (
	"context"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/session"
)

// userAgent is that of the package's own calls. The fingerprint in Kuna's tokens
// may depend on it, so requests that state none get the same.
const userAgent = "providerauth-go"

// Transport returns an http.RoundTripper that puts the credential on every
// request, for the private endpoints that this package does not wrap: the
// access token as Authorization, or the API key as Api-key, never both. Where
// they are missing, it sets Accept, User-Agent and, on requests with a body,
// Content-Type too. A nil base is the transport of Config.HTTPClient.
//
// Requests go to the scheme, host and port of Config.BaseURL only. A 401, or an
// answer without data whose errors name a TokenExpiredError, under any status,
// replaces the access token and sends the request once more with the new token,
// if its body can be rewound (GetBody). Where no other token is to be had, the
// first such answer in a row sends the request once more with the same token,
// and any other goes to the caller.
//
// If a new token is answered so too, the token was not the reason: the answer
// goes to the caller, and for 1 s, doubling to a minute, such answers to that
// method and path replace nothing. After three of them, to different calls or
// with no call accepted between, those to any call replace nothing, for up to 5
// seconds or until a new token helps. A changed password ends both. Nothing
// else is repeated. With an API key nothing is replaced or repeated at all.
//
// An error of the RoundTripper itself is an [*Error] with Op "Transport" that
// matches [providerauth.ErrNotSent]: the request did not leave. Every other error is the
// base's, and whether the request was acted on is unknown. An answer with
// "errors" is no error of the RoundTripper, whatever its status.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	return c.session.Transport(c.merchant(), base)
}

// HTTPClient returns an http.Client over [Client.Transport] that follows no
// redirects. All clients returned share a pool of connections, so it is cheap
// to call.
func (c *Client) HTTPClient() *http.Client { return c.session.HTTPClient(c.Transport(nil)) }

// merchant makes requests with the API key, or with the session's token.
func (c *Client) merchant() session.User {
	if c.key != nil {
		return session.User{Credential: apiKey{c}}
	}
	return session.User{Credential: accessToken{c}, Keeper: c.cache.Of(struct{}{})}
}

// apiKey puts the API key on requests.
type apiKey struct{ client *Client }

func (a apiKey) Get(ctx context.Context) (*credential.Secret, error) {
	key, err := a.client.key.Get(ctx)
	if err != nil {
		return nil, err
	}
	return credential.New(key), nil
}

func (a apiKey) Set(r *http.Request, key *credential.Secret, _ []byte) error {
	complete(r)
	header.Delete(r.Header, "Authorization")
	header.Set(r.Header, keyHeader, key.Value())
	return nil
}

// accessToken puts the session's token on requests.
type accessToken struct{ client *Client }

func (a accessToken) Get(ctx context.Context) (*credential.Secret, error) {
	t, err := a.client.Token(ctx)
	return t.secret, err
}

func (a accessToken) Set(r *http.Request, s *credential.Secret, _ []byte) error {
	complete(r)
	header.Delete(r.Header, keyHeader)
	header.Authorize(r.Header, s.Bearer())
	return nil
}

// complete sets the headers of every private call on Kuna's page, unless the
// caller has set them.
func complete(r *http.Request) {
	header.Default(r.Header, "Accept", "application/json")
	header.Default(r.Header, "User-Agent", userAgent)
	if r.Body != nil && r.Body != http.NoBody {
		header.Default(r.Header, "Content-Type", "application/json")
	}
}
