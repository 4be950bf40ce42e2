package merchantauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/tokencache"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// merchantHeader is spelled as Kuna's page prints it, and goes out on login and
// refresh only.
const merchantHeader = "merchant_id"

type (
	ask    = tokencache.Ask[struct{}, struct{}, Token]
	issued = tokencache.Issued[Token]
)

// loginBody is the body on Kuna's page: the e-mail address is sent as "token".
type loginBody struct {
	Token    string `json:"token"`
	Password string `json:"password"`
}

var errLogin = errors.New("the e-mail, the password or the merchant id is not accepted, or a proxy on the way dropped the header merchant_id (nginx does, unless underscores_in_headers is on)")

// Login logs in (POST /v2/auth/login), even if the Client has a valid token, and
// the new token becomes the Client's token. Login waits for a login or refresh
// under way, but not for a back-off. The request is repeated where repeating helps:
// a lost login does no harm. Kuna does not document whether a new session ends
// older sessions.
//
// [Client.Token] logs in by itself if needed. In key mode the error is
// [ErrNoSession]. A login refused by Kuna is not Retryable.
func (c *Client) Login(ctx context.Context) (Token, error) {
	if err := c.needSession("Login", ctx); err != nil {
		return Token{}, err
	}
	t, err := c.cache.Replace(ctx, struct{}{}, struct{}{}, loginer{c})
	if err != nil {
		return Token{}, fail("Login", err)
	}
	return t, nil
}

// loginer gets the cache's tokens by a login.
type loginer struct{ client *Client }

// Retrieve logs in.
func (l loginer) Retrieve(ctx context.Context, _ ask) (issued, error) {
	c := l.client
	password, version, err := c.password.GetVersion(ctx)
	if err != nil {
		return issued{}, fail("Login", err)
	}
	result, err := c.login(ctx, password)
	if err != nil {
		return issued{SecretVersion: version}, err
	}
	c.hold(result.Token)
	result.SecretVersion = version
	return result, nil
}

// hold records the refresh token of t, a new token, as the cache's refresh token.
func (c *Client) hold(t Token) { c.grants.hold(t.refresh.ID(), t.RefreshExpiresAt) }

func (c *Client) login(ctx context.Context, password string) (issued, error) {
	const op = "Login"
	resp, err := c.session.API.Do(ctx, transport.Call{
		Op: op, Method: http.MethodPost, Path: "/v2/auth/login", Policy: transport.Safe, Effect: apierror.Renews,
		In: loginBody{c.email.Value(), password}, Signer: asMerchant{c.merchantID}, Reader: authReader{},
	})
	if err != nil {
		return issued{}, failAuth(op, err, errLogin)
	}
	var s sessionData
	if err := s.read(envelopeOf(resp)); err != nil {
		return issued{}, failAuth(op, resp.Unusable(err), errLogin)
	}
	t, err := c.received(&s, resp.Timing(), Token{})
	if err != nil {
		return issued{}, failAuth(op, resp.Unusable(err), errLogin)
	}
	return t, nil
}

// failAuth is fail for login and refresh: unless a later call can succeed, why
// becomes the cause of an answer without another cause.
func failAuth(op string, err, why error) error {
	e := apierror.Of(err)
	if e.Status != 0 && !e.Answer.Later {
		e = e.Because(why)
	}
	return newError(op, e)
}

// asMerchant signs the two authentication calls, which have no credential in their
// headers.
type asMerchant struct{ id string }

func (m asMerchant) Sign(_ context.Context, r *http.Request, _ []byte) error {
	header.Set(r.Header, merchantHeader, m.id)
	return nil
}
