package merchantauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/outcome"
	"github.com/providerauth/providerauth-go/internal/tokencache"
	"github.com/providerauth/providerauth-go/internal/transport"
)

type refreshBody struct {
	RefreshToken string `json:"refreshToken"`
}

// Refresh spends t's refresh token on a new token (POST /v2/auth/refresh). It
// is one request, which is repeated only if nothing was sent.
//
// If t is the Client's current token, this waits for a login or refresh under
// way, and the new token is the Client's from then on; if Kuna refuses, the
// Client's next token is from a login. If t is an earlier token of the
// Client's, whose refresh token has been replaced since, nothing is sent and
// the error matches [ErrInvalidRequest]: a replaced refresh token that is used
// again can end the session. If t is any other token, such as one of
// [NewToken], the Client's own is left alone and the new one is not kept.
//
// [Client.Token] refreshes by itself where that is needed. A refresh token that
// Kuna calls expired matches [ErrRefreshTokenExpired], one that it refuses for
// another reason does not: [Client.Login] helps against both. In key mode the
// error is [ErrNoSession].
func (c *Client) Refresh(ctx context.Context, t Token) (Token, error) {
	const op = "Refresh"
	if err := c.needSession(op, ctx); err != nil {
		return Token{}, err
	}
	if t.refresh == nil {
		return Token{}, invalidToken("has no refresh token")
	}
	known, current := c.grants.find(t.refresh.ID())
	switch {
	case !known:
		next, err := c.refresh(ctx, t)
		if err != nil {
			return Token{}, fail(op, err)
		}
		return next, nil
	case !current:
		return Token{}, errReplaced()
	}
	replaced := false
	next, err := c.cache.Force(ctx, struct{}{}, struct{}{}, true, func(ctx context.Context, a ask) (issued, error) {
		if replaced = a.Previous.refresh.ID() != t.refresh.ID(); replaced { // a moment ago
			return c.forCache(a.Previous), nil
		}
		return c.renew(ctx, a)
	})
	switch {
	case err != nil:
		return Token{}, fail(op, err)
	case replaced:
		return Token{}, errReplaced()
	}
	return next, nil
}

func invalidToken(rule string) *Error {
	return &Error{Op: "Refresh", Fields: map[string]string{"t": rule}}
}

func errReplaced() *Error {
	return invalidToken("has a refresh token that was replaced by a later one, and must not be sent again")
}

var (
	errRefresh   = errors.New("the refresh token is not accepted")
	errDeadToken = &outcome.Cause{Kind: ErrBadResponse, Err: errors.New("the access token is one that was rejected before"), Ambiguous: true}
)

// renewable reports whether there is a refresh token that can be spent.
func renewable(t Token) bool {
	return t.refresh != nil && time.Now().Before(t.RefreshExpiresAt)
}

// renew is a refresh for the cache.
func (c *Client) renew(ctx context.Context, a ask) (issued, error) {
	t, err := c.refresh(ctx, a.Previous)
	switch {
	case err != nil:
		return issued{}, err
	case t.secret.ID() == a.Dead && t.refresh.ID() != a.Previous.refresh.ID():
		// The cache will not take it, and what was sent is spent.
		return issued{}, &deadGrant{&Error{Op: "Refresh", Attempts: 1, Err: errDeadToken}}
	}
	return c.forCache(t), nil
}

// refresh spends the refresh token of t.
func (c *Client) refresh(ctx context.Context, t Token) (Token, error) {
	const op = "Refresh"
	var next Token
	var replaced bool
	_, err := c.api.Do(ctx, transport.Call{
		Op: op, Method: http.MethodPost, Path: "/v2/auth/refresh", Policy: transport.Rotating,
		In:      refreshBody{t.refresh.Value()},
		Prepare: c.asMerchant, Refusal: refused,
		Decode: func(r *transport.Response) error {
			var s session
			err := s.read(r.Body)
			if err == nil {
				next, err = c.received(&s, r.Received, t)
			}
			replaced = s.refresh != "" && s.refresh != t.refresh.Value()
			return err
		},
	})
	if err == nil {
		return next, nil
	}
	e := failAuth(op, err, errRefresh)
	// An answer that brings another refresh token and cannot be used beyond
	// that has replaced the old one, too. It is not kept in part.
	if e.refuses() || replaced {
		return Token{}, &deadGrant{e}
	}
	return Token{}, e
}

// deadGrant is the error of a refresh whose refresh token is not to be sent
// again.
type deadGrant struct{ refusal *Error }

func (d *deadGrant) Error() string   { return d.refusal.Error() }
func (d *deadGrant) Unwrap() []error { return []error{d.refusal, tokencache.ErrGrantRefused} }

// Retryable says that the next turn, a login, need not wait for long: it does
// not ask for the same again. The refusal itself says otherwise to callers.
func (d *deadGrant) Retryable() (time.Duration, bool) { return 0, true }

// grants are the refresh tokens that the cache has held, the last one being
// the current one; so many that the oldest have expired at Kuna when they are
// forgotten.
type grants struct {
	mu   sync.Mutex
	last []credential.ID
}

const maxGrants = 256

func (g *grants) add(id credential.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.last); n > 0 && g.last[n-1] == id {
		return
	}
	if len(g.last) == maxGrants {
		g.last = slices.Delete(g.last, 0, 1)
	}
	g.last = append(g.last, id)
}

// find reports whether the cache has held the refresh token, and whether it
// still does.
func (g *grants) find(id credential.ID) (known, current bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.last, id)
	return i >= 0, i >= 0 && g.last[len(g.last)-1] == id
}
