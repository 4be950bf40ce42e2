package assetpay

import (
	"context"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/session"
)

// keyHeader is spelled as AssetPay's page prints it.
const keyHeader = "api-key"

// Transport returns an http.RoundTripper that puts the API key on every
// request, for the endpoints below /secure, which the merchant calls. A nil
// base is the transport of Config.HTTPClient.
//
// Requests go to the scheme, host and port of Config.BaseURL only, and without
// an Authorization header: AssetPay takes a single credential. Nothing is
// repeated.
//
// An error of the RoundTripper itself is an [*Error] with Op "Transport" that
// matches [providerauth.ErrNotSent]: the request did not leave. Every other error is the
// base's, and whether the request was acted on is unknown.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	return c.session.Transport(c.merchant(), base)
}

// TransportFor returns an http.RoundTripper that puts the user's token on every
// request, for the endpoints below /client, which are called as that user. A
// nil base is the transport of Config.HTTPClient. It keeps a copy of u; if u is
// invalid, every request fails with that error.
//
// Requests go to the scheme, host and port of Config.BaseURL only, and without
// an api-key header. A 401 that is about the token (INVALID_TOKEN,
// TOKEN_EXPIRED, TOKEN_INVALID_OR_EXPIRED, UNAUTHORIZED, or no envelope of
// AssetPay's within 100 ms), and TOKEN_EXPIRED under another failing status but
// 408, replaces the token and sends the request once more with the new
// token, if its body can be rewound (GetBody). Where no other token is to be
// had, the first such answer in a row sends the request once more with the same
// token, and any other goes to the caller.
//
// If a new token is answered so too, the token was not the reason: the answer
// goes to the caller, and for 1 s, doubling to a minute, such answers to that
// user, method and path replace nothing. After three of them, to different
// calls or with no call accepted between, those to any call of the user replace
// nothing, for up to 5 seconds or until a new token helps. A changed secret
// ends both. Nothing else is repeated.
//
// Errors are as those of [Client.Transport].
func (c *Client) TransportFor(u User, base http.RoundTripper) http.RoundTripper {
	return c.session.Transport(c.userOf(c.sourceOf(u)), base)
}

// HTTPClient returns an http.Client over [Client.Transport] that follows no
// redirects. All clients returned share a pool of connections, so it is cheap
// to call.
func (c *Client) HTTPClient() *http.Client { return c.session.HTTPClient(c.Transport(nil)) }

// HTTPClientFor returns an http.Client over [Client.TransportFor] that follows
// no redirects. It shares the pool of [Client.HTTPClient].
func (c *Client) HTTPClientFor(u User) *http.Client {
	return c.session.HTTPClient(c.TransportFor(u, nil))
}

// merchant makes requests with the API key.
func (c *Client) merchant() session.User { return session.User{Credential: apiKey{c}} }

// apiKey puts the API key on requests.
type apiKey struct{ client *Client }

func (a apiKey) Get(ctx context.Context) (*credential.Secret, error) {
	if a.client.apiKey == nil {
		return nil, unset("Transport", "APIKey")
	}
	key, err := a.client.apiKey.Get(ctx)
	if err != nil {
		return nil, err
	}
	return credential.New(key), nil
}

func (a apiKey) Set(r *http.Request, key *credential.Secret, _ []byte) error {
	header.Delete(r.Header, "Authorization")
	header.Set(r.Header, keyHeader, key.Value())
	return nil
}

// userOf makes requests with the user's token.
func (c *Client) userOf(s *fixedSource) session.User {
	return session.User{
		Credential: clientToken{s}, Keeper: c.cache.Of(s.who),
		Key: s.who.steamID + s.who.clientID, // the first has a fixed length
	}
}

// clientToken puts the user's token on requests.
type clientToken struct{ source *fixedSource }

func (t clientToken) Get(ctx context.Context) (*credential.Secret, error) {
	token, err := t.source.Token(ctx)
	return token.secret, err
}

func (t clientToken) Set(r *http.Request, s *credential.Secret, _ []byte) error {
	header.Delete(r.Header, keyHeader)
	header.Authorize(r.Header, authorization(s, t.source.client.bare))
	return nil
}
