package partnerjwt

import (
	"context"
	"errors"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/jwtclaims"
)

// VerifyOptions of [Verify]. The zero value accepts any client and no
// difference between clocks.
type VerifyOptions struct {
	// ClientID is the required client of the token. Optional: "" accepts any.
	ClientID string
	// Leeway is the tolerated difference between the clocks, in exp and iat
	// alike. Optional, default 0.
	Leeway time.Duration
}

// Claims of a verified token.
type Claims struct {
	ClientID  string
	IssuedAt  time.Time // zero if the token has no iat
	ExpiresAt time.Time
}

// Verify checks a partner's token as its receiver would: a gateway in front of
// a service, or a test. It makes no request.
//
// Only HS256 is accepted, and exp and clientId are required. A token is refused
// if it is longer than 8 KiB, is not three base64url segments, names a critical
// header or was issued in the future. It is also refused if an object of its
// header or payload, at any depth, has two members of the same name. Names of
// members are exact: "clientid" is an unknown member, and unknown members are
// ignored. The error matches [ErrInvalidToken], and for an expired token
// [ErrTokenExpired]; its Fields name the rule under "token". An unavailable
// secret matches [providerauth.ErrSecretUnavailable].
func Verify(ctx context.Context, token string, secret providerauth.SecretFunc, opts VerifyOptions) (Claims, error) {
	const op = "Verify"
	var p check.Problems
	if ctx == nil {
		p.Add("ctx", "must not be nil")
	}
	p.RequireSecret("secret", secret)
	p.Duration("VerifyOptions.Leeway", opts.Leeway)
	if err := invalid(op, p); err != nil {
		return Claims{}, err
	}
	key, err := credential.NewHMACKey("secret", secret).Get(ctx)
	if err != nil {
		return Claims{}, &Error{Op: op, Err: err}
	}
	var c struct {
		ClientID string `json:"clientId"`
	}
	if err := jwtclaims.Verify(token, key, nil, &c, jwtclaims.Options{Leeway: opts.Leeway}); err != nil {
		return Claims{}, invalidToken(op, err)
	}
	if c.ClientID == "" {
		return Claims{}, invalidToken(op, &jwtclaims.Invalid{Kind: jwtclaims.ErrMalformed, Rule: "clientId: required"})
	}
	if opts.ClientID != "" && c.ClientID != opts.ClientID {
		return Claims{}, invalidToken(op, &jwtclaims.Invalid{Kind: jwtclaims.ErrMalformed, Rule: "clientId is that of another client"})
	}
	out := Claims{ClientID: c.ClientID}
	times, _ := jwtclaims.Peek(token)
	out.IssuedAt, out.ExpiresAt = times.IssuedAt, times.ExpiresAt
	return out, nil
}

func invalidToken(op string, err error) *Error {
	kind := ErrInvalidToken
	if errors.Is(err, jwtclaims.ErrExpired) {
		kind = ErrTokenExpired
	}
	return &Error{Op: op, Fields: map[string]string{"token": jwtclaims.Rule(err)}, Err: &apierror.Error{Err: kind}}
}
