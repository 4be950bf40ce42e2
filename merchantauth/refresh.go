package merchantauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/tokencache"
	"github.com/providerauth/providerauth-go/internal/transport"
)

type refreshBody struct {
	RefreshToken string `json:"refreshToken"`
}

// Refresh spends t's refresh token on a new token (POST /v2/auth/refresh). It
// is one request, which is repeated only if nothing was sent.
//
// Of one refresh token there is one Refresh at a time; another waits for its
// end, and is made only if the refresh token has not been replaced by then. If
// t is the Client's current token, this waits for a login or refresh under way,
// too, and the new token is the Client's from then on; if Kuna refuses, the
// Client's next token is from a login. If t is any other token, such as one of
// [NewToken], the Client's own is left alone and the new one is not kept.
//
// A replaced refresh token that is used again can end the session. If an answer
// to this Client has replaced t's, or t is from before a [Client.Login], nothing
// is sent and the error matches [providerauth.ErrInvalidRequest]. The Client remembers 65,536
// such refresh tokens, each until it has expired: if it does not say when, for
// two days. What another Client or process has spent, it cannot know.
//
// [Client.Token] refreshes by itself where that is needed. A refresh token that
// Kuna calls expired matches [ErrRefreshTokenExpired], one that it refuses for
// another reason does not: [Client.Login] helps against both. In key mode the
// error is [ErrNoSession], after [Client.Close] it matches [providerauth.ErrClosed].
func (c *Client) Refresh(ctx context.Context, t Token) (Token, error) {
	const op = "Refresh"
	if err := c.needSession(op, ctx); err != nil {
		return Token{}, err
	}
	if t.refresh == nil {
		return Token{}, invalidToken("has no refresh token")
	}
	next, err := c.spend(ctx, t)
	if err != nil {
		return Token{}, fail(op, err)
	}
	return next, nil
}

// spend is Refresh of a token that has a refresh token.
func (c *Client) spend(ctx context.Context, t Token) (Token, error) {
	id := t.refresh.ID()
	leave, err := c.grants.enter(ctx, id)
	if err != nil {
		return Token{}, err
	}
	defer leave()
	switch {
	case c.grants.replaced(id):
		return Token{}, errReplaced()
	case !c.grants.isCurrent(id):
		next, err := c.refresh(ctx, t, apierror.Acts)
		return next.Token, err
	}
	spender := &grantSpender{client: c, id: id, replaced: make(chan struct{}, 1)}
	next, err := c.cache.Renew(ctx, struct{}{}, struct{}{}, spender)
	select {
	case <-spender.replaced:
		return Token{}, errReplaced()
	default:
		return next, err
	}
}

// A grantSpender spends a refresh token, if it still is the refresh token of the
// cache's token.
type grantSpender struct {
	client *Client
	id     credential.ID // of the refresh token
	// replaced receives if a flight has just replaced the refresh token. It is a
	// channel because the flight may outlive the call that started it.
	replaced chan struct{}
}

// Retrieve refreshes the cache's token, or leaves it as it is.
func (g *grantSpender) Retrieve(ctx context.Context, a ask) (issued, error) {
	if a.Previous.refresh.ID() != g.id {
		g.replaced <- struct{}{}
		return issued{Token: a.Previous, ID: a.Previous.secret.ID(), ExpiresAt: a.Previous.ExpiresAt}, nil
	}
	if g.client.grants.replaced(g.id) { // by an answer that brought no token
		return issued{}, &deadGrant{errReplaced()}
	}
	return refresher{g.client, apierror.Acts}.Retrieve(ctx, a)
}

func invalidToken(rule string) *Error {
	return &Error{Op: "Refresh", Fields: map[string]string{"t": rule}}
}

func errReplaced() *Error {
	return invalidToken("has a refresh token that was replaced by a later one, and must not be sent again")
}

var errRefresh = errors.New("the refresh token is not accepted")

// renewable reports whether there is a refresh token that can be spent.
func (c *Client) renewable(t Token) bool {
	return t.refresh != nil && time.Now().Before(t.RefreshExpiresAt) && !c.grants.replaced(t.refresh.ID())
}

// refresher gets the cache's tokens by a refresh.
type refresher struct {
	client *Client
	effect apierror.Effect // of a second refresh
}

// Retrieve spends the refresh token of the previous token. It needs no password.
func (r refresher) Retrieve(ctx context.Context, a ask) (issued, error) {
	next, err := r.client.refresh(ctx, a.Previous, r.effect)
	if err != nil {
		return issued{}, err
	}
	r.client.hold(next.Token)
	return next, nil
}

// refresh spends the refresh token of t, and notes if an answer replaces it.
// effect is that of a second refresh: the cache knows what may still be spent.
func (c *Client) refresh(ctx context.Context, t Token, effect apierror.Effect) (issued, error) {
	const op = "Refresh"
	resp, err := c.session.API.Do(ctx, transport.Call{
		Op: op, Method: http.MethodPost, Path: "/v2/auth/refresh", Policy: transport.Rotating, Effect: effect,
		In: refreshBody{t.refresh.Value()}, Signer: asMerchant{c.merchantID}, Reader: authReader{},
	})
	if err != nil {
		return issued{}, spentBy(failAuth(op, err, errRefresh), false)
	}
	var s sessionData
	var next issued
	if err = s.read(envelopeOf(resp)); err == nil {
		next, err = c.received(&s, resp.Timing(), t)
	}
	replaced := s.refresh != "" && s.refresh != t.refresh.Value()
	if replaced {
		c.grants.replace(t.refresh.ID(), spentUntil(t, resp.Timing()), next.Token.refresh.ID())
	}
	if err != nil {
		return issued{}, spentBy(failAuth(op, resp.Unusable(err), errRefresh), replaced)
	}
	return next, nil
}

// spentBy is the error of a refresh. After a refusal the refresh token must not be
// sent again. An answer that brings another refresh token and cannot be used
// beyond that has replaced the old one, too. It is not kept in part.
func spentBy(err error, replaced bool) error {
	var e *Error
	if errors.As(err, &e) && (replaced || refuses(e.StatusCode, e.Entries)) {
		return &deadGrant{e}
	}
	return err
}

// deadGrant is the error of a refresh whose refresh token is not to be sent
// again.
type deadGrant struct{ refusal *Error }

func (d *deadGrant) Error() string   { return d.refusal.Error() }
func (d *deadGrant) Unwrap() []error { return []error{d.refusal, tokencache.ErrGrantRefused} }
