package merchantauth

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
)

// A TokenSource returns tokens. *[Client] is one; tests may use their own.
type TokenSource interface {
	// Token returns a token that is valid now and for at least the expiry
	// margin.
	Token(ctx context.Context) (Token, error)
}

var _ TokenSource = (*Client)(nil)

// A Token is an access token, with the refresh token that came with it. It is a
// value; what is secret in it is behind a pointer, so that no fmt verb, log
// handler or panic prints it. The zero Token is no token: its Value is "".
type Token struct {
	// ExpiresAt is when the access token expires, on this machine's clock: the
	// life that its answer states, counted from its receipt.
	ExpiresAt time.Time
	// RefreshExpiresAt is when the refresh token expires, on the same clock:
	// its own exp, or 2 days after it came if it does not say; zero if there
	// is none.
	RefreshExpiresAt time.Time

	secret  *credential.Secret
	refresh *credential.Secret // nil if there is none
}

// NewToken returns a Token for a fake [TokenSource], or for [Client.Refresh] of
// one that was kept elsewhere. refresh may be "".
func NewToken(access, refresh string, expiresAt, refreshExpiresAt time.Time) Token {
	return Token{
		ExpiresAt: expiresAt, RefreshExpiresAt: refreshExpiresAt,
		secret: credential.New(access), refresh: credential.New(refresh),
	}
}

// Value returns the access token in the clear. It is the one way to it.
func (t Token) Value() string { return t.secret.Value() }

// RefreshToken returns the refresh token in the clear, "" if there is none. It
// is the one way to it, for those who keep sessions of their own; a [Client]
// needs no help with its one.
func (t Token) RefreshToken() string { return t.refresh.Value() }

// ID returns a short hash of the access token, safe for logs; "" for the zero
// Token.
func (t Token) ID() string { return t.secret.ID().String() }

// SetAuthHeader sets the Authorization header of r, for calls that do not go
// through [Client.Transport]. The zero Token sets nothing.
func (t Token) SetAuthHeader(r *http.Request) { header.AuthorizeRequest(r, t.secret.Bearer()) }

// String names the token without its values.
func (t Token) String() string { return credential.Text("merchantauth", t.secret, t.ExpiresAt) }

// LogValue names the token without its values.
func (t Token) LogValue() slog.Value { return credential.LogValue(t.secret, t.ExpiresAt) }

// MarshalJSON always fails: use Value and RefreshToken where a token is meant
// to leave the process.
func (t Token) MarshalJSON() ([]byte, error) { return nil, credential.ErrMarshal }
