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

// A Player is a player of the merchant, with the wallet that is meant.
type Player struct {
	// UserID is the merchant's own id of the player, at most 256 characters.
	// Required. Plain ASCII is safest: the platform may rebuild what it checks
	// the signature of.
	UserID string
	// Currency of the wallet, such as "BRL", at most 32 characters. Optional:
	// with "" a live token of the player is used whatever it was made for, and a new one is made for
	// the platform's default. A player has one live token, so asking for two
	// currencies in turn kills one token for the other each time; see
	// [Client.Token].
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

// plain reports whether the player is like nearly all of them, and needs no
// closer look: it is on the way of every token that is handed out.
func (p Player) plain() bool {
	return p.UserID != "" && len(p.UserID) <= maxID && len(p.Currency) <= maxCurrency && visible(p.UserID) && visible(p.Currency)
}

// Ids are kept in memory, and anybody may make them up.
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

// A TokenSource returns the tokens of one player. [Client.TokenSource] makes
// one; tests may use their own.
type TokenSource interface {
	// Token returns a token that is valid now and for at least the expiry
	// margin.
	Token(ctx context.Context) (Token, error)
}

// TokenSource returns a source of the player's tokens, which come from the
// Client as those of [Client.Token] do. If p is invalid, every call of Token
// fails with that error.
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

// A Token is a player's token. It is a value; what is secret in it is behind a
// pointer, so that no fmt verb, log handler or panic prints it. The zero Token
// is no token: its Value is "".
type Token struct {
	// Player is whose token it is, and the currency that it was made for.
	Player Player
	// ExpiresAt is when the token expires, on this machine's clock: the life that
	// its answer states, counted from its receipt.
	ExpiresAt time.Time
	// ExpiryAssumed is true if the platform said nothing usable of the expiry,
	// and ExpiresAt is 24 hours after the token came.
	ExpiryAssumed bool

	secret  *credential.Secret
	suspect bool
}

// NewToken returns a Token for a fake [TokenSource].
func NewToken(value string, expiresAt time.Time) Token {
	return Token{ExpiresAt: expiresAt, secret: credential.New(value)}
}

// Value returns the token in the clear. It is the one way to it.
func (t Token) Value() string { return t.secret.Value() }

// ID returns a short hash of the value, safe for logs; "" for the zero Token.
func (t Token) ID() string { return t.secret.ID().String() }

// Suspect reports whether the token may be dead: a new one was asked for, and
// the platform's answers were lost. It is worth trying all the same, since a
// dead token is refused, which does no harm; call [Client.Invalidate] then.
// Calls through the Client do so by themselves.
func (t Token) Suspect() bool { return t.suspect }

func (t Token) suspected() Token {
	t.suspect = true
	return t
}

// SetAuthHeader sets the Authorization header of r, for calls that do not go
// through [Client.TransportFor]. Calls of the platform's API have to be signed
// in addition, as [Client.Transport] does. The zero Token sets nothing.
func (t Token) SetAuthHeader(r *http.Request) { header.AuthorizeRequest(r, t.secret.Bearer()) }

// String names the token without its value.
func (t Token) String() string { return credential.Text("platformtoken", t.secret, t.ExpiresAt) }

// LogValue names the token without its value.
func (t Token) LogValue() slog.Value { return credential.LogValue(t.secret, t.ExpiresAt) }

// MarshalJSON always fails: use Value where a token is meant to leave the
// process.
func (t Token) MarshalJSON() ([]byte, error) { return nil, credential.ErrMarshal }
