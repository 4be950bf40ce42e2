package merchantauth

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
)

// A TokenSource returns tokens. *[Client] is a TokenSource; tests may use their
// own.
type TokenSource interface {
	// Token returns a token valid for at least the expiry margin.
	Token(ctx context.Context) (Token, error)
}

var _ TokenSource = (*Client)(nil)

// A Token is an access token, with the refresh token of the same answer. It is a
// value. Its secrets are behind pointers, so no fmt verb, log handler or panic
// prints them. The zero Token is no token: its Value is "".
type Token struct {
	// ExpiresAt is when the access token expires, on this machine's clock: the life
	// stated by its answer, counted from its receipt.
	ExpiresAt time.Time
	// RefreshExpiresAt is when the refresh token expires, on the same clock: its
	// own exp, or 2 days after its receipt if it states none; zero if there is no
	// refresh token.
	RefreshExpiresAt time.Time

	secret  *credential.Secret
	refresh *credential.Secret // nil if there is no refresh token
}

// NewToken returns a Token for a fake [TokenSource], or to [Client.Refresh] a token
// kept elsewhere. refresh may be "".
func NewToken(access, refresh string, expiresAt, refreshExpiresAt time.Time) Token {
	return Token{
		ExpiresAt: expiresAt, RefreshExpiresAt: refreshExpiresAt,
		secret: credential.New(access), refresh: credential.New(refresh),
	}
}

// Value returns the access token in the clear. No other method does.
func (t Token) Value() string { return t.secret.Value() }

// RefreshToken returns the refresh token in the clear, "" if there is none. No
// other method does. It is for programs with sessions of their own; a [Client]
// refreshes its own token by itself.
func (t Token) RefreshToken() string { return t.refresh.Value() }

// ID returns a short hash of the access token, safe for logs; "" for the zero
// Token.
func (t Token) ID() string { return t.secret.ID().String() }

// SetAuthHeader sets the Authorization header of r, for calls outside
// [Client.Transport]. The zero Token sets nothing.
func (t Token) SetAuthHeader(r *http.Request) { header.AuthorizeRequest(r, t.secret.Bearer()) }

// String names the token without its values.
func (t Token) String() string { return credential.Text("merchantauth", t.secret, t.ExpiresAt) }

// LogValue names the token without its values.
func (t Token) LogValue() slog.Value { return credential.LogValue(t.secret, t.ExpiresAt) }

// MarshalJSON always fails: use Value and RefreshToken where a token is meant
// to leave the process.
func (t Token) MarshalJSON() ([]byte, error) { return nil, credential.ErrMarshal }
