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

// Refresh spends t's refresh token on a new token (POST /v2/auth/refresh). The
// request is repeated only if nothing was sent.
//
// Concurrent calls for the same refresh token are serialised. A later call fails if
// the refresh token was replaced in the meantime.
//
// If t is the Client's current token, Refresh also waits for a login or refresh
// under way, and the new token becomes the Client's token. If Kuna refuses, the
// Client logs in for its next token. If t is any other token, such as a token of
// [NewToken], Refresh does not change the Client's own token and does not keep the
// new token.
//
// Use of a replaced refresh token can end the session. If an answer to this Client
// has replaced t's refresh token, or t is from before a [Client.Login], nothing is
// sent and the error matches [providerauth.ErrInvalidRequest]. The Client remembers
// 65,536 such refresh tokens, each until it has expired, or for two days if it
// states no expiry. It does not know of refresh tokens spent by another Client or
// process.
//
// [Client.Token] refreshes by itself if needed. The error matches
// [ErrRefreshTokenExpired] only if Kuna calls the refresh token expired.
// [Client.Login] helps against any refusal. In key mode the error is
// [ErrNoSession], after [Client.Close] it matches [providerauth.ErrClosed].
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

// spend is Refresh for a token with a refresh token.
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

// A grantSpender spends a refresh token only while it belongs to the cache's token.
type grantSpender struct {
	client *Client
	id     credential.ID // of the refresh token
	// replaced receives if another flight has replaced the refresh token. It is a
	// channel because the flight may outlive the call which started it.
	replaced chan struct{}
}

// Retrieve refreshes the cache's token, or returns it unchanged if it has another
// refresh token.
func (g *grantSpender) Retrieve(ctx context.Context, a ask) (issued, error) {
	if a.Previous.secret == nil { // the store has lost the session, so nobody knows who spent what
		return issued{}, &deadGrant{errReplaced()}
	}
	if a.Previous.refresh.ID() != g.id {
		g.replaced <- struct{}{}
		return issued{Token: a.Previous, ID: a.Previous.secret.ID(), ExpiresAt: a.Previous.ExpiresAt}, nil
	}
	if g.client.grants.replaced(g.id) { // by an answer without a usable token
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

// renewable reports whether t has a refresh token which may still be sent.
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

// refresh spends the refresh token of t, and records its replacement. effect is the
// effect of a second refresh: the cache knows which refresh tokens may still be
// sent.
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

// spentBy returns the error of a refresh. After a refusal the refresh token must
// not be sent again. If the answer brought another refresh token but is unusable
// otherwise, the old refresh token is replaced too, and the new refresh token is
// not kept.
func spentBy(err error, replaced bool) error {
	var e *Error
	if errors.As(err, &e) && (replaced || refuses(e.StatusCode, e.Entries)) {
		return &deadGrant{e}
	}
	return err
}

// deadGrant is the error of a refresh whose refresh token must not be sent again.
type deadGrant struct{ refusal *Error }

func (d *deadGrant) Error() string   { return d.refusal.Error() }
func (d *deadGrant) Unwrap() []error { return []error{d.refusal, tokencache.ErrGrantRefused} }
