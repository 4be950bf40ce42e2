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

// loginBody is what Kuna's page shows: the e-mail address travels as "token".
type loginBody struct {
	Token    string `json:"token"`
	Password string `json:"password"`
}

var errLogin = errors.New("the e-mail, the password or the merchant id is not accepted, or a proxy on the way dropped the header merchant_id (nginx does, unless underscores_in_headers is on)")

// Login logs in (POST /v2/auth/login), whatever token there is, and makes the
// new one the Client's. It waits for a login or refresh under way, not for a
// back-off. The request is repeated where that helps: a login that was lost
// harms nobody. Whether a new session ends older ones is not documented.
//
// [Client.Token] logs in by itself where that is needed. In key mode the error
// is [ErrNoSession]. A login that Kuna refuses is not Retryable.
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

// hold notes that the refresh token of t, a new token, is the cache's from now on.
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

// failAuth is fail for login and refresh: a refusal is explained by why, if by
// nothing else.
func failAuth(op string, err, why error) error {
	e := apierror.Of(err)
	if e.Status != 0 && !e.Answer.Later {
		e = e.Because(why)
	}
	return newError(op, e)
}

// asMerchant signs the two calls that have no credential in the header.
type asMerchant struct{ id string }

func (m asMerchant) Sign(_ context.Context, r *http.Request, _ []byte) error {
	header.Set(r.Header, merchantHeader, m.id)
	return nil
}
