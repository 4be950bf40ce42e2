package jwtclaims_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/jwtclaims"
)

// FuzzVerify looks for a token that is accepted and should not be. header and
// payload are also signed with the right secret, or mutation would never get
// past the signature.
func FuzzVerify(f *testing.F) {
	f.Add(partnerToken, `{"alg":"HS256"}`, `{"exp":1700000900}`)
	f.Fuzz(func(t *testing.T, token, header, payload string) {
		for _, token := range []string{token, sign(secret, header, payload)} {
			var claims map[string]any
			got, err := jwtclaims.Verify(token, secret, &claims, at(partnerIat))
			if err != nil {
				if invalid := (*jwtclaims.Invalid)(nil); !errors.As(err, &invalid) || invalid.Kind == nil || invalid.Rule == "" {
					t.Fatalf("error %#v does not say what is wrong", err)
				}
				if got != nil {
					t.Fatal("a header beside an error")
				}
				continue
			}
			checkAccepted(t, token, got)
		}
	})
}

func checkAccepted(t *testing.T, token string, header []byte) {
	t.Helper()
	if len(token) > 8192 || strings.Count(token, ".") != 2 || strings.ContainsAny(token, " \r\n=") {
		t.Fatalf("accepted in this form: %q", token)
	}
	parts := strings.Split(token, ".")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	if parts[2] != base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) {
		t.Fatalf("accepted with a wrong signature: %q", token)
	}
	if string(header) != decode(t, parts[0]) {
		t.Fatalf("header %q is not that of %q", header, token)
	}
	var h, p map[string]json.RawMessage
	if json.Unmarshal(header, &h) != nil || json.Unmarshal([]byte(decode(t, parts[1])), &p) != nil {
		t.Fatalf("accepted without JSON: %q", token)
	}
	var alg string
	if json.Unmarshal(h["alg"], &alg) != nil || alg != "HS256" || h["crit"] != nil {
		t.Fatalf("accepted with header %s", header)
	}
	now := big.NewRat(partnerIat, 1)
	exp, ok := new(big.Rat).SetString(string(p["exp"]))
	if !ok || exp.Cmp(now) <= 0 || exp.Cmp(big.NewRat(253402300800, 1)) >= 0 {
		t.Fatalf("accepted with exp %s", p["exp"])
	}
	for _, name := range []string{"iat", "nbf"} {
		if p[name] == nil {
			continue
		}
		v, ok := new(big.Rat).SetString(string(p[name]))
		// Half a microsecond for what a float64 cannot tell.
		if !ok || v.Cmp(new(big.Rat).Add(now, big.NewRat(1, 2_000_000))) > 0 {
			t.Fatalf("accepted with %s %s", name, p[name])
		}
	}
}

func decode(t *testing.T, segment string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// FuzzPeek looks for panics and for times that no log handler can print.
func FuzzPeek(f *testing.F) {
	f.Add(partnerToken, `{"exp":1700000900.5,"iat":1,"nbf":null}`)
	f.Fuzz(func(t *testing.T, token, payload string) {
		for _, token := range []string{token, unverifiable(payload)} {
			times, ok := jwtclaims.Peek(token)
			if !ok && times != (jwtclaims.Times{}) {
				t.Fatalf("times %v of what is not a JWT: %q", times, token)
			}
			if ok && strings.Count(token, ".") != 2 {
				t.Fatalf("taken for a JWT: %q", token)
			}
			for _, at := range []time.Time{times.ExpiresAt, times.IssuedAt, times.NotBefore} {
				if _, err := at.MarshalJSON(); err != nil {
					t.Fatalf("%q: %v", token, err)
				}
				if !at.IsZero() && at.Unix() < 1 {
					t.Fatalf("%q: time %v", token, at)
				}
			}
		}
	})
}
