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

// Transport returns an http.RoundTripper for the merchant's endpoints below
// /secure. It puts the API key on every request. A nil base is the transport of
// Config.HTTPClient.
//
// Requests go to the scheme, host and port of Config.BaseURL only, and without
// an Authorization header: AssetPay takes a single credential. Nothing is
// repeated.
//
// A base that is no *http.Transport runs on a goroutine of its own if the request's
// context can end; its panic is an error there. If base ignores the end of the
// context, RoundTrip returns [context.Cause] and base goes on alone:
// [providerauth.Stats].Abandoned counts it, and the body of its late answer is
// closed. RoundTrip closes the request's body too, but base may still read from it,
// as net/http allows every RoundTripper: do not use the body again. The body of an
// answer is the base's own: a Read may take longer than the context.
//
// An error of the RoundTripper itself is an [*Error] with Op "Transport" matching
// [providerauth.ErrNotSent]: the request was not sent. Every other error is the
// base's; AssetPay may have acted on the request.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	return c.session.Transport(c.merchant(), base)
}

// TransportFor returns an http.RoundTripper for the endpoints below /client, which
// are called as a user. It puts the user's token on every request. A nil base is
// the transport of Config.HTTPClient. It keeps a copy of u; if u is invalid, every
// request fails with that error.
//
// Requests go to the scheme, host and port of Config.BaseURL only, and without an
// api-key header. AssetPay rejects the token with a 401 (INVALID_TOKEN,
// TOKEN_EXPIRED, TOKEN_INVALID_OR_EXPIRED, UNAUTHORIZED, or no envelope of
// AssetPay's within 100 ms), or with TOKEN_EXPIRED under any other failing status
// but 408. A rejection replaces the token and sends the request once more with the
// new token, if its body can be rewound (GetBody). If no other token is available,
// the first rejection in a row sends the request once more with the same token, and
// any other rejection goes to the caller.
//
// If the new token is rejected too, the token was not the reason, so the answer
// goes to the caller. For the next 1 s, doubling to a minute, rejections of the
// same user, method and path replace no token. After three such cases, with
// different calls or with no call accepted in between, rejections of any call of
// the user replace no token for up to 5 seconds, or until a new token helps. A
// changed secret ends both pauses. Nothing else is repeated.
//
// Errors are as those of [Client.Transport].
func (c *Client) TransportFor(u User, base http.RoundTripper) http.RoundTripper {
	return c.session.Transport(c.userOf(c.sourceOf(u)), base)
}

// HTTPClient returns an http.Client over [Client.Transport]. The http.Client
// follows no redirects. All such clients share a pool of connections, so HTTPClient
// is cheap to call.
func (c *Client) HTTPClient() *http.Client { return c.session.HTTPClient(c.Transport(nil)) }

// HTTPClientFor returns an http.Client over [Client.TransportFor]. It follows no
// redirects, and shares the pool of [Client.HTTPClient].
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
