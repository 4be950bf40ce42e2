package partnerjwt

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
)

// A TokenSource returns tokens. *[Client] implements it; tests may use their
// own.
type TokenSource interface {
	// Token returns a token valid now and for at least the expiry margin.
	Token(ctx context.Context) (Token, error)
}

var _ TokenSource = (*Client)(nil)

// A Token is a partner's signed token. It is a value. Its secret is behind a
// pointer: no fmt verb, log handler or panic prints it. The zero Token is no
// token: its Value is "".
type Token struct {
	// ExpiresAt is when the token expires, on this machine's clock, and less than
	// Config.Lifetime after it was made: see Config.Backdate.
	ExpiresAt time.Time

	secret *credential.Secret
}

// NewToken returns a Token for a fake [TokenSource].
func NewToken(value string, expiresAt time.Time) Token {
	return Token{ExpiresAt: expiresAt, secret: credential.New(value)}
}

// Value returns the token in the clear. No other method returns it.
func (t Token) Value() string { return t.secret.Value() }

// ID returns a short hash of the value, safe for logs; "" for the zero Token.
func (t Token) ID() string { return t.secret.ID().String() }

// SetAuthHeader sets the Authorization header of r, for calls outside
// [Client.Transport], such as the opening of a WebSocket. The zero Token sets
// nothing.
func (t Token) SetAuthHeader(r *http.Request) { header.AuthorizeRequest(r, t.secret.Bearer()) }

// String names the token without its value.
func (t Token) String() string { return credential.Text("partnerjwt", t.secret, t.ExpiresAt) }

// LogValue names the token without its value.
func (t Token) LogValue() slog.Value { return credential.LogValue(t.secret, t.ExpiresAt) }

// MarshalJSON always fails: use Value where a token is meant to leave the
// process.
func (t Token) MarshalJSON() ([]byte, error) { return nil, credential.ErrMarshal }
