package merchantauth

import (
	"context"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/session"
)

// userAgent is the User-Agent of the package's own calls. The fingerprint in Kuna's
// tokens may depend on it, so it is also the default for other requests.
const userAgent = "providerauth-go"

// Transport returns an http.RoundTripper for private endpoints without a method in
// this package. It puts the credential on every request: the access token as
// Authorization, or the API key as Api-key, never both. If the request has none, it
// also sets Accept, User-Agent and, for requests with a body, Content-Type. A nil
// base is the transport of Config.HTTPClient.
//
// Requests go to the scheme, host and port of Config.BaseURL only. Kuna rejects the
// access token with a 401, or with a TokenExpiredError under any status in an
// answer without data. A rejection replaces the access token and sends the request
// once more with the new token, if its body can be rewound (GetBody). If no other
// token is available, the first rejection in a row sends the request once more with
// the same token, and any other rejection goes to the caller.
//
// If the new token is rejected too, the token was not the reason, so the answer
// goes to the caller. For the next 1 s, doubling to a minute, rejections of the
// same method and path replace no token. After three such cases, with different
// calls or with no call accepted in between, rejections of any call replace no
// token for up to 5 seconds, or until a new token helps. A changed password ends
// both pauses. Nothing else is repeated. With an API key nothing is replaced or
// repeated at all.
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
// base's; Kuna may have acted on the request. An answer with "errors" is no error
// of the RoundTripper, whatever its status.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	return c.session.Transport(c.merchant(), base)
}

// HTTPClient returns an http.Client over [Client.Transport]. The http.Client
// follows no redirects. All such clients share a pool of connections, so HTTPClient
// is cheap to call.
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

// complete sets the headers of every private call on Kuna's page, unless the caller
// has set them.
func complete(r *http.Request) {
	header.Default(r.Header, "Accept", "application/json")
	header.Default(r.Header, "User-Agent", userAgent)
	if r.Body != nil && r.Body != http.NoBody {
		header.Default(r.Header, "Content-Type", "application/json")
	}
}
