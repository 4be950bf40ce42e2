package partnerjwt

import (
	"context"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/session"
)

// Transport returns an http.RoundTripper that puts a token on every request,
// for the endpoints of the Partner API without a typed method here. A nil base
// is the transport of Config.HTTPClient.
//
// Requests go to the scheme, host and port of Config.BaseURL only. A 401
// replaces the token and sends the request once more with the new token, if its
// body can be rewound (GetBody); if its Date shows a clock difference, the new
// token takes the difference into account. If no other token is available, the
// first 401 in a row sends the request once more with the same token, and any
// other 401 goes to the caller.
//
// If a new token is answered 401 too, the token was not the reason. The answer
// goes to the caller, and for 1 s, doubling to a minute, 401s of the same
// method and path replace nothing. After three such 401s, to different calls or
// with no call accepted between, 401s of any call replace nothing, for up to 5
// seconds or until a new token helps. A changed secret ends both. Nothing else
// is repeated.
//
// A base that is no *http.Transport runs on a goroutine of its own if the
// request's context can end; its panic is an error there. If base ignores the
// end of the context, RoundTrip returns [context.Cause] and base goes on alone:
// [providerauth.Stats].Abandoned counts it, and the body of its late answer is
// closed. RoundTrip closes the request's body too, but base may still read from
// it, as net/http allows every RoundTripper: do not use the body again. The
// body of an answer is the base's own: a Read may take longer than the context.
//
// An error of the RoundTripper itself is an [*Error] with Op "Transport"
// matching [providerauth.ErrNotSent]: the request did not leave. Every other
// error is the base's, and whether the request was acted on is unknown.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	return c.session.Transport(c.partner(), base)
}

// HTTPClient returns an http.Client over [Client.Transport] that follows no
// redirects. All clients returned share a pool of connections, so it is cheap
// to call.
func (c *Client) HTTPClient() *http.Client { return c.session.HTTPClient(c.Transport(nil)) }

// partner makes all requests.
func (c *Client) partner() session.User {
	return session.User{Credential: bearer{c}, Keeper: c.cache.Of(struct{}{})}
}

// bearer puts the client's token on requests.
type bearer struct{ client *Client }

func (b bearer) Get(ctx context.Context) (*credential.Secret, error) {
	t, err := b.client.Token(ctx)
	return t.secret, err
}

func (b bearer) Set(r *http.Request, s *credential.Secret, _ []byte) error {
	header.Authorize(r.Header, s.Bearer())
	return nil
}
