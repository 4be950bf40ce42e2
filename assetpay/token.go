package assetpay

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
)

// A TokenSource returns the tokens of a single user. [Client.TokenSource] makes a
// TokenSource; tests may use their own.
type TokenSource interface {
	// Token returns a token valid for at least the expiry margin.
	Token(ctx context.Context) (Token, error)
}

// TokenSource returns a source of the user's tokens, as [Client.Token] returns
// them. It keeps a copy of u: if client data changes, use [Client.TokenSourceFunc].
// If u is invalid, every call of Token fails with that error.
func (c *Client) TokenSource(u User) TokenSource { return c.sourceOf(u) }

func (c *Client) sourceOf(u User) *fixedSource {
	s := &fixedSource{client: c}
	s.who, s.why, s.problems = c.read(u)
	return s
}

type fixedSource struct {
	client   *Client
	who      identity
	why      purpose
	problems check.Problems
}

// A source prints without the user's trade URL, which holds a token of Steam's.
func (s *fixedSource) String() string             { return "assetpay.TokenSource(" + s.who.steamID + ")" }
func (s *fixedSource) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }
func (s *fixedSource) LogValue() slog.Value       { return slog.StringValue(s.String()) }

func (s *fixedSource) Token(ctx context.Context) (Token, error) {
	switch {
	case ctx == nil:
		return Token{}, nilContext("Token")
	case s.problems != nil:
		return Token{}, &Error{Op: "Token", Fields: maps.Clone(s.problems)}
	}
	return s.client.token(ctx, s.who, s.why)
}

// TokenSourceFunc returns a source which calls f for the user on each call of
// Token, so AssetPay learns of changed client data. f must be quick, as every call
// waits for it, and safe for concurrent use. An error of f costs no request.
// errors.Is and errors.As see it; its text is not part of the text of the [*Error].
func (c *Client) TokenSourceFunc(f func(context.Context) (User, error)) TokenSource {
	return &askingSource{c, f}
}

type askingSource struct {
	client *Client
	f      func(context.Context) (User, error)
}

func (s *askingSource) Token(ctx context.Context) (Token, error) {
	switch {
	case ctx == nil:
		return Token{}, nilContext("Token")
	case s.f == nil:
		return Token{}, &Error{Op: "Token", Fields: map[string]string{"f": "must not be nil"}}
	}
	u, err := s.f(ctx)
	if err != nil {
		return Token{}, &Error{Op: "Token", Err: &apierror.Error{
			Err: &apierror.Opaque{Text: "the function that supplies the request failed", Cause: err}, Temporary: true,
		}}
	}
	return s.client.Token(ctx, u)
}

// A Token is a user's client token. It is a value. Its secret is behind a pointer,
// so no fmt verb, log handler or panic prints it. The zero Token is no token: its
// Value is "".
type Token struct {
	// ExpiresAt is when the token expires, on this machine's clock: the life stated
	// by its answer, counted from its receipt, and never more than 24 hours.
	ExpiresAt time.Time
	// ExpiryAssumed is true if the token states no usable expiry; ExpiresAt is then
	// 24 hours after its receipt.
	ExpiryAssumed bool

	secret *credential.Secret
	who    *identity // nil if the token is from NewToken
	bare   bool      // sent without "Bearer"
}

// NewToken returns a Token for a fake [TokenSource].
func NewToken(value string, expiresAt time.Time) Token {
	return Token{ExpiresAt: expiresAt, secret: credential.New(value)}
}

// Value returns the token in the clear. No other method does. AssetPay intends it
// for the user's browser.
func (t Token) Value() string { return t.secret.Value() }

// ID returns a short hash of the value, safe for logs; "" for the zero Token.
func (t Token) ID() string { return t.secret.ID().String() }

// SetAuthHeader sets the Authorization header of r, in the form chosen by
// Config.BareToken, for calls outside [Client.TransportFor]. The zero Token sets
// nothing.
func (t Token) SetAuthHeader(r *http.Request) {
	header.AuthorizeRequest(r, authorization(t.secret, t.bare))
}

// authorization is the header's value for a token, nil if there is no token.
func authorization(s *credential.Secret, bare bool) []string {
	if s != nil && bare {
		return []string{s.Value()}
	}
	return s.Bearer()
}

// String names the token without its value.
func (t Token) String() string { return credential.Text("assetpay", t.secret, t.ExpiresAt) }

// LogValue names the token without its value.
func (t Token) LogValue() slog.Value { return credential.LogValue(t.secret, t.ExpiresAt) }

// MarshalJSON always fails: use Value where a token is meant to leave the
// process.
func (t Token) MarshalJSON() ([]byte, error) { return nil, credential.ErrMarshal }
