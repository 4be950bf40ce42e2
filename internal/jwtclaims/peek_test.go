package jwtclaims_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/internal/jwtclaims"
)

// unverifiable is a token whose key nobody here has.
func unverifiable(payload string) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + enc.EncodeToString([]byte(payload)) + ".c2ln"
}

func TestPeekReadsTimes(t *testing.T) {
	exp := time.Unix(1700000900, 0).UTC()
	for _, test := range []struct {
		name, token string
		want        jwtclaims.Times
	}{
		{"a vector", partnerToken, jwtclaims.Times{ExpiresAt: exp, IssuedAt: time.Unix(1700000000, 0).UTC()}},
		{"RS256", unverifiable(`{"exp":1700000900,"nbf":1700000000}`), jwtclaims.Times{ExpiresAt: exp, NotBefore: time.Unix(1700000000, 0).UTC()}},
		{"a fraction", unverifiable(`{"exp":1700000900.25}`), jwtclaims.Times{ExpiresAt: exp.Add(250 * time.Millisecond)}},
		{"an exponent", unverifiable(`{"exp":1.7000009e9}`), jwtclaims.Times{ExpiresAt: exp}},
		{"twice", unverifiable(`{"exp":1,"exp":1700000900}`), jwtclaims.Times{ExpiresAt: exp}},
		{"no times", unverifiable(`{"sub":"x"}`), jwtclaims.Times{}},
		{"a string", unverifiable(`{"exp":"1700000900"}`), jwtclaims.Times{}},
		{"null", unverifiable(`{"exp":null}`), jwtclaims.Times{}},
		{"zero and negative", unverifiable(`{"exp":0,"iat":-1}`), jwtclaims.Times{}},
		{"1e300 and 1e999", unverifiable(`{"exp":1e300,"iat":1e999}`), jwtclaims.Times{}},
		{"milliseconds", unverifiable(`{"exp":1700000900000,"iat":1700000900}`), jwtclaims.Times{IssuedAt: exp}},
		{"another case", unverifiable(`{"EXP":1700000900}`), jwtclaims.Times{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := jwtclaims.Peek(test.token)
			if !ok {
				t.Fatal("not taken for a JWT")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPeekTakesOpaqueTokensForWhatTheyAre(t *testing.T) {
	jwt := unverifiable(`{"exp":1700000900}`)
	for name, token := range map[string]string{
		"empty":                "",
		"hexadecimal":          "5b0f3c1e8f0a4f5e9a5d0d6a3b1c2e4f",
		"dots":                 "a.b.c",
		"a payload of no JSON": "e30.YWJj.c2ln",
		"a payload array":      "e30.W10.c2ln",
		"a null payload":       "e30.bnVsbA.c2ln",
		"a header of no JSON":  "YWJj.e30.c2ln",
		"encrypted":            "e30.e30.e30.e30.e30",
		"a newline":            jwt + "\n",
		"17 KiB":               unverifiable(`{"exp":1700000900,"x":"` + strings.Repeat("a", 17<<10) + `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := jwtclaims.Peek(token); ok || got != (jwtclaims.Times{}) {
				t.Errorf("Peek = %v, %t; want nothing", got, ok)
			}
		})
	}
}
