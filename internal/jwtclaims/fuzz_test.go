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

// FuzzVerify looks for a token that is accepted and should not be, or that a
// reader of exact names reads otherwise. header and payload are also signed
// with the right secret, or mutation would never get past the signature.
func FuzzVerify(f *testing.F) {
	f.Add(partnerToken, `{"alg":"HS256"}`, `{"exp":1700000900}`)
	f.Add("", `{"alg":"HS256","userId":"a","x":{"y":1,"y":2}}`, `{"exp":1700000900}`)
	f.Add("", `{"alg":"HS256","userId":"a","USERID":"b"}`, `{"exp":1700000900,"client":{"steamID":"a","steamid":"b","client\u0049d":"c"}}`)
	f.Add("", `{"alg":"HS256"}`, `{"exp":1700000900,"client":{"steamID":"a","steam\u0049D":"b"}}`)
	f.Add("", `{"alg":"HS256"}`, `{"exp":1700000900,"x":[[{"\ud800":1,"\udfff":2}]]}`)
	f.Fuzz(func(t *testing.T, token, head, payload string) {
		for _, token := range []string{token, sign(secret, head, payload)} {
			var head header
			var claims merchantClaims
			err := jwtclaims.Verify(token, secret, &head, &claims, at(partnerIat))
			if err != nil {
				if invalid := (*jwtclaims.Invalid)(nil); !errors.As(err, &invalid) || invalid.Kind == nil || invalid.Rule == "" {
					t.Fatalf("error %#v does not say what is wrong", err)
				}
				continue
			}
			checkAccepted(t, token)
			checkRead(t, token, head, claims)
		}
	})
}

func checkAccepted(t *testing.T, token string) {
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
	var h, p map[string]json.RawMessage
	if json.Unmarshal([]byte(decode(t, parts[0])), &h) != nil || json.Unmarshal([]byte(decode(t, parts[1])), &p) != nil {
		t.Fatalf("accepted without JSON: %q", token)
	}
	var alg string
	if json.Unmarshal(h["alg"], &alg) != nil || alg != "HS256" || h["crit"] != nil {
		t.Fatalf("accepted with header %s", decode(t, parts[0]))
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

// repeats reads one value and reports whether a name comes twice in any of its
// objects. Names with half a surrogate pair all read alike, and do not count.
func repeats(t *testing.T, d *json.Decoder) bool {
	t.Helper()
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	open, ok := token.(json.Delim)
	if !ok {
		return false
	}
	twice, names := false, map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			twice = twice || names[name.(string)] && !strings.Contains(name.(string), "\uFFFD")
			names[name.(string)] = true
		}
		twice = repeats(t, d) || twice
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		t.Fatal(err)
	}
	return twice
}

// checkRead reads an accepted token once more: no name comes twice, and maps
// hold names as they are.
func checkRead(t *testing.T, token string, head header, claims merchantClaims) {
	t.Helper()
	parts := strings.Split(token, ".")
	var h, p map[string]any
	for i, into := range []*map[string]any{&h, &p} {
		text := decode(t, parts[i])
		if repeats(t, json.NewDecoder(strings.NewReader(text))) {
			t.Fatalf("accepted with a member that comes twice: %s", text)
		}
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	client, _ := p["client"].(map[string]any)
	for name, read := range map[string]struct {
		got  string
		want any
	}{
		"userId":     {head.UserID, h["userId"]},
		"merchantId": {claims.MerchantID, p["merchantId"]},
		"steamID":    {claims.Client.SteamID, client["steamID"]},
		"tradeUrl":   {claims.Client.TradeURL, client["tradeUrl"]},
		"clientId":   {claims.Client.ClientID, client["clientId"]},
	} {
		if want, _ := read.want.(string); read.got != want {
			t.Fatalf("%s is read as %q, want %q", name, read.got, want)
		}
	}
	if (claims.Client.ClientData != nil) != (client["clientData"] != nil) {
		t.Fatalf("client data %v of %s", claims.Client.ClientData, decode(t, parts[1]))
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
