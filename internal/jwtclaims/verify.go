package jwtclaims

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxToken is the length in bytes of the longest token that [Verify] accepts.
const MaxToken = 8 << 10

// The kinds of [Invalid].
var (
	ErrMalformed   = errors.New("malformed token")
	ErrSignature   = errors.New("token signature does not match")
	ErrExpired     = errors.New("token expired")
	ErrNotYetValid = errors.New("token not yet valid")
)

// Invalid says why a token was refused. It holds nothing of the token.
type Invalid struct {
	Kind error  // ErrMalformed, ErrSignature, ErrExpired or ErrNotYetValid
	Rule string // which part breaks which rule
}

func (e *Invalid) Error() string { return "invalid token: " + e.Rule }

// Unwrap returns the kind.
func (e *Invalid) Unwrap() error { return e.Kind }

// Rule returns the broken rule of the token, from an error of [Verify].
func Rule(err error) string {
	var inv *Invalid
	if errors.As(err, &inv) {
		return inv.Rule
	}
	return "is invalid"
}

// Options of [Verify].
type Options struct {
	// Leeway is the tolerated difference between the clocks, for exp, nbf and
	// iat alike. Optional, default 0; must not be negative.
	Leeway time.Duration
	// Now is the clock. Optional, default time.Now.
	Now func() time.Time
}

// Verify checks an HS256 token against secret and then decodes its header and
// payload into header and claims, which must not be used if there is an error.
// claims is a non-nil pointer, header a pointer or nil. The members of structs
// go by the exact names of the json tags.
//
// The token must be three non-empty base64url segments of at most [MaxToken]
// bytes in all; its header must say HS256 and have no crit; exp is required;
// exp, nbf and iat must be numbers from 1 to 253402300799 (the end of the year
// 9999), now must be before exp and not before nbf and iat. Two members of the
// same name are refused in any object of header and payload, known or not. A
// member spelled in another case is an unknown member, and ignored.
//
// The error for a refused token is an [*Invalid]. An empty secret is another
// error: anyone can sign with it. The secret must not break the rule of
// fips.HMACKey: crypto/hmac panics.
func Verify(token, secret string, header, claims any, opts Options) error {
	if secret == "" {
		return errNoSecret
	}
	segments, rule := split(token, MaxToken)
	if rule != "" {
		return &Invalid{ErrMalformed, rule}
	}
	head, err := checkHeader(segments[0], header)
	if err != nil {
		return err
	}
	// Check the signature before the payload: anybody can send a payload.
	mac, err := base64.RawURLEncoding.Strict().DecodeString(segments[2])
	if err != nil {
		return malformed("signature", "not base64url")
	}
	if jwt.SigningMethodHS256.Verify(token[:len(token)-len(segments[2])-1], mac, []byte(secret)) != nil {
		return &Invalid{ErrSignature, "signature: does not match"}
	}
	now := opts.Now
	if now == nil {
		now = time.Now
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(opts.Leeway),
		jwt.WithTimeFunc(now),
	)
	signed := payload{claims: claims}
	_, err = parser.ParseWithClaims(token, &signed, func(*jwt.Token) (any, error) { return []byte(secret), nil })
	if err != nil {
		return refusal(err)
	}
	if header != nil {
		if err := decode("header", head, reflect.ValueOf(header).Elem()); err != nil {
			return err
		}
	}
	return decode("payload", signed.raw, reflect.ValueOf(claims).Elem())
}

// refusal translates golang-jwt's errors, whose text may quote the token.
func refusal(err error) error {
	var invalid *Invalid
	switch {
	case errors.As(err, &invalid):
		return invalid
	case errors.Is(err, jwt.ErrTokenExpired):
		return &Invalid{ErrExpired, "exp: past"}
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return &Invalid{ErrNotYetValid, "nbf: in the future"}
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return &Invalid{ErrNotYetValid, "iat: in the future"}
	}
	return malformed("payload", "not well formed")
}

// checkHeader returns the JSON of the header, of which into takes the members.
func checkHeader(segment string, into any) ([]byte, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if err != nil {
		return nil, malformed("header", "not base64url")
	}
	var h struct {
		Alg  json.RawMessage `json:"alg"`
		Crit json.RawMessage `json:"crit"`
	}
	if err := checkObject("header", data, &h, into); err != nil {
		return nil, err
	}
	if err := decode("header", data, reflect.ValueOf(&h).Elem()); err != nil {
		return nil, err
	}
	if h.Crit != nil {
		return nil, malformed("crit", "demands extensions that are not supported")
	}
	var alg string
	if json.Unmarshal(h.Alg, &alg) != nil || alg != "HS256" {
		return nil, &Invalid{ErrSignature, "alg: must be HS256"}
	}
	return data, nil
}

// payload holds the claims for golang-jwt's validation. Its types are our own:
// those of golang-jwt take strings for dates, know no upper limit and depend on
// package-wide settings that anyone may change.
type payload struct {
	claims        any // the target of raw
	raw           []byte
	exp, nbf, iat *jwt.NumericDate
}

func (p *payload) UnmarshalJSON(data []byte) error {
	var dates struct {
		Exp json.RawMessage `json:"exp"`
		Nbf json.RawMessage `json:"nbf"`
		Iat json.RawMessage `json:"iat"`
	}
	if err := checkObject("payload", data, &dates, p.claims); err != nil {
		return err
	}
	if err := decode("payload", data, reflect.ValueOf(&dates).Elem()); err != nil {
		return err
	}
	if dates.Exp == nil {
		return malformed("exp", "required")
	}
	for _, claim := range []struct {
		name  string
		value json.RawMessage
		into  **jwt.NumericDate
	}{{"exp", dates.Exp, &p.exp}, {"nbf", dates.Nbf, &p.nbf}, {"iat", dates.Iat, &p.iat}} {
		if claim.value == nil {
			continue
		}
		t, ok := date(claim.value)
		if !ok {
			return malformed(claim.name, fmt.Sprintf("must be a number from 1 to %d", int64(maxDate)))
		}
		*claim.into = &jwt.NumericDate{Time: t}
	}
	p.raw = bytes.Clone(data)
	return nil
}

func (p *payload) GetExpirationTime() (*jwt.NumericDate, error) { return p.exp, nil }
func (p *payload) GetNotBefore() (*jwt.NumericDate, error)      { return p.nbf, nil }
func (p *payload) GetIssuedAt() (*jwt.NumericDate, error)       { return p.iat, nil }
func (p *payload) GetIssuer() (string, error)                   { return "", nil }
func (p *payload) GetSubject() (string, error)                  { return "", nil }
func (p *payload) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

// split cuts a token into its three segments. Base64 decoders skip line
// breaks, so the alphabet is checked here. rule is empty if all is well.
func split(token string, longest int) (segments [3]string, rule string) {
	if len(token) > longest {
		return segments, fmt.Sprintf("longer than %d bytes", longest)
	}
	n, start := 0, 0
	for i := range len(token) {
		switch c := token[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
		case c != '.':
			return segments, "a character outside base64url and dots"
		case n == 2 || i == start:
			return segments, "must be three segments"
		default:
			segments[n] = token[start:i]
			n, start = n+1, i+1
		}
	}
	if n != 2 || start == len(token) {
		return segments, "must be three segments"
	}
	segments[2] = token[start:]
	return segments, ""
}
