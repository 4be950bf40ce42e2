// Package jwtclaims makes, verifies and reads HS256 tokens (RFC 7515, RFC
// 7519).
//
// golang-jwt does the cryptography, the parsing and the validation. Header and
// claims are marshalled here, because [jwt.Token.SignedString] escapes & < >
// whatever a MarshalJSON method returns, and other libraries do not: the same
// claims would make a different token.
package jwtclaims

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

var (
	errNoSecret  = errors.New("the secret is empty")
	errNotObject = errors.New("does not marshal as a JSON object")
)

// Encode marshals v as compact JSON without HTML escaping and without a
// trailing newline, the form in which tokens and request bodies are signed.
// Members stand in the order of the struct's fields; a map would sort them.
// U+2028 and U+2029 are escaped all the same, and bytes outside UTF-8 become
// U+FFFD without an error, so check identifiers before.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// Sign returns the HS256 token of header and claims, both of which must marshal
// as JSON objects. The header is written as given: the caller sets its alg to
// HS256. The key is the text of secret as it is, not decoded, of any length but
// zero. It must not break the rule of fips.HMACKey: crypto/hmac panics.
func Sign(secret string, header, claims any) (string, error) {
	if secret == "" {
		return "", errNoSecret
	}
	h, err := encodeObject(header)
	if err != nil {
		return "", fmt.Errorf("token header: %w", err)
	}
	c, err := encodeObject(claims)
	if err != nil {
		return "", fmt.Errorf("token claims: %w", err)
	}
	enc := base64.RawURLEncoding
	token := make([]byte, 0, enc.EncodedLen(len(h))+enc.EncodedLen(len(c))+enc.EncodedLen(32)+2)
	token = enc.AppendEncode(token, h)
	token = append(token, '.')
	token = enc.AppendEncode(token, c)
	mac, err := jwt.SigningMethodHS256.Sign(string(token), []byte(secret))
	if err != nil {
		return "", err
	}
	token = append(token, '.')
	return string(enc.AppendEncode(token, mac)), nil
}

func encodeObject(v any) ([]byte, error) {
	b, err := Encode(v)
	if err == nil && b[0] != '{' {
		err = errNotObject
	}
	return b, err
}
