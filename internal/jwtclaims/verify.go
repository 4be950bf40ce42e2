package jwtclaims

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/providerauth/providerauth-go/internal/check"
)

// MaxToken is the length in bytes of the longest token that is looked at.
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

// Options of [Verify].
type Options struct {
	// Leeway is the difference between the clocks that is put up with, in
	// exp, nbf and iat alike. Optional, default 0; must not be negative.
	Leeway time.Duration
	// Now is the clock. Optional, default time.Now.
	Now func() time.Time
}

// Verify checks an HS256 token against secret and then decodes its payload
// into claims, a non-nil pointer, which must not be used if there is an error.
// It returns the JSON of the header as it was signed.
//
// The token must be three non-empty base64url segments of at most [MaxToken]
// bytes in all; its header must say HS256 and have no crit; exp is required;
// exp, nbf and iat must be numbers from 1 to 253402300799 (the end of the year
// 9999), now must be before exp and not before nbf and iat. A member given
// twice in the header or the payload, spelled in any case, is refused: readers
// differ in which one they take.
//
// A token that is refused makes an [*Invalid]. An empty secret, under which
// anyone can sign, makes another error.
func Verify(token, secret string, claims any, opts Options) (header []byte, err error) {
	if secret == "" {
		return nil, errNoSecret
	}
	segments, rule := split(token)
	if rule != "" {
		return nil, &Invalid{ErrMalformed, rule}
	}
	header, err = checkHeader(segments[0])
	if err != nil {
		return nil, err
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
	var signed payload
	_, err = parser.ParseWithClaims(token, &signed, func(*jwt.Token) (any, error) { return []byte(secret), nil })
	if err != nil {
		return nil, refusal(err)
	}
	if err := json.Unmarshal(signed.raw, claims); err != nil {
		rule := "payload: not of the expected form"
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			if field := check.JSONField(claims, wrong.Field); field != "" {
				rule = field + ": not of the expected type"
			}
		}
		return nil, &Invalid{ErrMalformed, rule}
	}
	return header, nil
}

// refusal translates golang-jwt's errors, whose text may quote the token.
func refusal(err error) error {
	var invalid *Invalid
	switch {
	case errors.As(err, &invalid):
		return invalid
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return &Invalid{ErrSignature, "signature: does not match"}
	case errors.Is(err, jwt.ErrTokenExpired):
		return &Invalid{ErrExpired, "exp: past"}
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return &Invalid{ErrNotYetValid, "nbf: in the future"}
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return &Invalid{ErrNotYetValid, "iat: in the future"}
	}
	return &Invalid{ErrMalformed, "payload or signature: not well formed"}
}

func checkHeader(segment string) ([]byte, error) {
	header, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if err != nil {
		return nil, &Invalid{ErrMalformed, "header: not base64url"}
	}
	members, err := object(header)
	if err != nil {
		return nil, &Invalid{ErrMalformed, "header: " + err.Error()}
	}
	if _, ok := members["crit"]; ok {
		return nil, &Invalid{ErrMalformed, "crit: demands extensions that are not supported"}
	}
	var alg string
	if json.Unmarshal(members["alg"], &alg) != nil || alg != "HS256" {
		return nil, &Invalid{ErrSignature, "alg: must be HS256"}
	}
	return header, nil
}

// payload is what golang-jwt validates. Its types are our own: those of
// golang-jwt take strings for dates, know no upper limit and depend on
// package-wide settings that anyone may change.
type payload struct {
	raw           []byte
	exp, nbf, iat *jwt.NumericDate
}

func (p *payload) UnmarshalJSON(data []byte) error {
	members, err := object(data)
	if err != nil {
		return &Invalid{ErrMalformed, "payload: " + err.Error()}
	}
	if _, ok := members["exp"]; !ok {
		return &Invalid{ErrMalformed, "exp: required"}
	}
	for _, claim := range []struct {
		name string
		into **jwt.NumericDate
	}{{"exp", &p.exp}, {"nbf", &p.nbf}, {"iat", &p.iat}} {
		value, ok := members[claim.name]
		if !ok {
			continue
		}
		t, ok := date(value)
		if !ok {
			return &Invalid{ErrMalformed, fmt.Sprintf("%s: must be a number from 1 to %d", claim.name, int64(maxDate))}
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
func split(token string) (segments [3]string, rule string) {
	if len(token) > MaxToken {
		return segments, fmt.Sprintf("longer than %d bytes", MaxToken)
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

// object reads a JSON object and nothing after it, no member of which may
// come twice. encoding/json matches struct fields without regard to case, so
// spellings that differ only in case are the same member.
func object(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	notObject := errors.New("not a JSON object")
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, notObject
	}
	members, folded := map[string]json.RawMessage{}, map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, notObject
		}
		// Up and down again, as the Kelvin sign and the long s fold to k and s.
		fold := strings.ToLower(strings.ToUpper(name))
		if folded[fold] {
			return nil, errors.New("a member comes twice")
		}
		folded[fold] = true
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, notObject
		}
		members[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, notObject
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, notObject
	}
	return members, nil
}
