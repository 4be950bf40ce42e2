package platformtoken

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
)

// A Player is a player of the merchant and the currency of a wallet.
type Player struct {
	// UserID is the merchant's own id of the player, at most 256 characters.
	// Required. Plain ASCII is safest: the platform may encode the body again
	// before it checks the signature.
	UserID string
	// Currency of the wallet, such as "BRL", at most 32 characters. Optional:
	// "" uses the player's live token of any currency. Without a live token, a
	// new token is made for the platform's default currency. A player has a
	// single live token, so requests for two currencies in turn invalidate a
	// token each time; see [Client.Token].
	Currency string
}

func (p Player) check() check.Problems {
	var problems check.Problems
	if !p.plain() {
		problems.Require("UserID", p.UserID)
		problems.AtMost(maxID, "UserID", p.UserID)
		problems.Optional("Currency", p.Currency)
		problems.AtMost(maxCurrency, "Currency", p.Currency)
	}
	return problems
}

// plain reports whether the player needs no closer check, as nearly all players
// do. It runs on every Token call.
func (p Player) plain() bool {
	return p.UserID != "" && len(p.UserID) <= maxID && len(p.Currency) <= maxCurrency && visible(p.UserID) && visible(p.Currency)
}

// Ids are kept in memory, and anybody may invent them, so their length is
// bounded.
const (
	maxID       = 256
	maxCurrency = 32
)

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// A TokenSource returns the tokens of one player. [Client.TokenSource] returns
// a TokenSource; tests may use their own.
type TokenSource interface {
	// Token returns a token valid now and for at least the expiry margin.
	Token(ctx context.Context) (Token, error)
}

// TokenSource returns a source of the player's tokens, with the behaviour of
// [Client.Token]. If p is invalid, every call of Token fails with that error.
func (c *Client) TokenSource(p Player) TokenSource { return c.sourceOf(p) }

func (c *Client) sourceOf(p Player) *source { return &source{c, p, p.check()} }

type source struct {
	client   *Client
	player   Player
	problems check.Problems
}

func (s *source) Token(ctx context.Context) (Token, error) {
	switch {
	case ctx == nil:
		return Token{}, nilContext("Token")
	case s.problems != nil:
		return Token{}, &Error{Op: "Token", Fields: maps.Clone(s.problems)}
	}
	t, err := s.client.cache.Get(ctx, s.player.UserID, s.player.Currency)
	if err != nil {
		return Token{}, fail("Token", err)
	}
	return t, nil
}

// A Token is a player's token. It is a value. Its secret is behind a pointer:
// no fmt verb, log handler or panic prints it. The zero Token is no token: its
// Value is "".
type Token struct {
	// Player owns the token. Its Currency is the currency the token was
	// requested for.
	Player Player
	// ExpiresAt is when the token expires, on this machine's clock: the life
	// stated by the answer, counted from its receipt.
	ExpiresAt time.Time
	// ExpiryAssumed is true if the platform stated no usable expiry. ExpiresAt
	// is then 24 hours after the token came.
	ExpiryAssumed bool

	secret  *credential.Secret
	suspect bool
}

// NewToken returns a Token for a fake [TokenSource].
func NewToken(value string, expiresAt time.Time) Token {
	return Token{ExpiresAt: expiresAt, secret: credential.New(value)}
}

// Value returns the token in the clear. No other method returns it.
func (t Token) Value() string { return t.secret.Value() }

// ID returns a short hash of the value, safe for logs; "" for the zero Token.
func (t Token) ID() string { return t.secret.ID().String() }

// Suspect reports whether the token may be invalid: the Client requested a new
// token, and the platform's answers were lost. Use the token all the same: a
// rejected call changes nothing. If it is rejected, call [Client.Invalidate].
// Calls through the Client do so by themselves.
func (t Token) Suspect() bool { return t.suspect }

func (t Token) suspected() Token {
	t.suspect = true
	return t
}

// SetAuthHeader sets the Authorization header of r, for calls that do not go
// through [Client.TransportFor]. Calls of the platform's API must be signed in
// addition, as [Client.Transport] does. The zero Token sets nothing.
func (t Token) SetAuthHeader(r *http.Request) { header.AuthorizeRequest(r, t.secret.Bearer()) }

// String names the token without its value.
func (t Token) String() string { return credential.Text("platformtoken", t.secret, t.ExpiresAt) }

// LogValue names the token without its value.
func (t Token) LogValue() slog.Value { return credential.LogValue(t.secret, t.ExpiresAt) }

// MarshalJSON always fails: use Value where a token is meant to leave the
// process.
func (t Token) MarshalJSON() ([]byte, error) { return nil, credential.ErrMarshal }
