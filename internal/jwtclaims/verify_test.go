package jwtclaims_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/internal/jwtclaims"
)

const secret = "secret-1"

func at(unix int64) jwtclaims.Options {
	return jwtclaims.Options{Now: func() time.Time { return time.Unix(unix, 0) }}
}

// sign makes a token of any two texts, without the code under test.
func sign(key, header, payload string) string {
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + enc.EncodeToString(mac.Sum(nil))
}

func TestVerifyAcceptsTheVectors(t *testing.T) {
	const wrongOrder = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJjbGllbnRJZCI6ImNsaWVudC0xIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDA5MDB9.eqqOmGVd2u-I1bGnQecE-CHWKeoT2JdIM6RO9DgJqAQ"
	const sorted = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjbGllbnRJZCI6ImNsaWVudC0xIiwiZXhwIjoxNzAwMDAwOTAwLCJpYXQiOjE3MDAwMDAwMDB9.IBLFSjO-g2nMfX3II8KfNaNxZxMWx3A_k-RnaJ3Wfmk"
	for _, test := range []struct {
		name, token, secret string
		header              header
		want                partnerClaims
	}{
		{"main", partnerToken, secret, header{Alg: "HS256", Typ: "JWT"}, partnerClaims{"client-1", partnerIat, partnerExp}},
		{"unescaped", unescapedToken, "sécret", header{Alg: "HS256", Typ: "JWT"}, partnerClaims{"a&b<c>é", partnerIat, partnerExp}},
		{"header in another order", wrongOrder, secret, header{Alg: "HS256", Typ: "JWT"}, partnerClaims{"client-1", partnerIat, partnerExp}},
		{"claims in another order", sorted, secret, header{Alg: "HS256", Typ: "JWT"}, partnerClaims{"client-1", partnerIat, partnerExp}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var head header
			var got partnerClaims
			if err := jwtclaims.Verify(test.token, test.secret, &head, &got, at(partnerIat)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.header, head); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVerifyReturnsHeaderAndNestedClaims(t *testing.T) {
	var head header
	var got merchantClaims
	if err := jwtclaims.Verify(merchantToken, "test_api_secret", &head, &got, at(1709550000)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(merchant(), got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(header{Alg: "HS256", UserID: "merchant-uuid"}, head); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

func TestVerifyRefuses(t *testing.T) {
	const (
		jose = `{"alg":"HS256","typ":"JWT"}`
		good = `{"clientId":"client-1","iat":1700000000,"exp":1700000900}`
	)
	signed := func(header, payload string) string { return sign(secret, header, payload) }
	exp := func(value string) string { return signed(jose, `{"clientId":"canary","exp":`+value+`}`) }
	parts := strings.Split(partnerToken, ".")
	// The last character of a 32-byte signature holds two bits that no byte
	// uses; "h" for "g" decodes to the same bytes.
	malleable := strings.TrimSuffix(partnerToken, "g") + "h"

	for _, test := range []struct {
		name, token string
		kind        error
		rule        string
	}{
		{"nothing", "", jwtclaims.ErrMalformed, "must be three segments"},
		{"an opaque token", "canary", jwtclaims.ErrMalformed, "must be three segments"},
		{"two segments", parts[0] + "." + parts[1], jwtclaims.ErrMalformed, "must be three segments"},
		{"three dots", partnerToken + ".", jwtclaims.ErrMalformed, "must be three segments"},
		{"four segments", partnerToken + ".canary", jwtclaims.ErrMalformed, "must be three segments"},
		{"no signature", parts[0] + "." + parts[1] + ".", jwtclaims.ErrMalformed, "must be three segments"},
		{"no header", "." + parts[1] + "." + parts[2], jwtclaims.ErrMalformed, "must be three segments"},
		{"no payload", parts[0] + ".." + parts[2], jwtclaims.ErrMalformed, "must be three segments"},
		{"dots only", "..", jwtclaims.ErrMalformed, "must be three segments"},
		{"a trailing newline", partnerToken + "\n", jwtclaims.ErrMalformed, "a character outside base64url and dots"},
		{"a newline inside", parts[0] + ".\r\n" + parts[1] + "." + parts[2], jwtclaims.ErrMalformed, "a character outside base64url and dots"},
		{"white space before", " " + partnerToken, jwtclaims.ErrMalformed, "a character outside base64url and dots"},
		{"padding", partnerToken + "=", jwtclaims.ErrMalformed, "a character outside base64url and dots"},
		{"standard base64", strings.ReplaceAll(partnerToken, "_", "/"), jwtclaims.ErrMalformed, "a character outside base64url and dots"},
		{"a scheme", "Bearer " + partnerToken, jwtclaims.ErrMalformed, "a character outside base64url and dots"},
		{"9 KiB", signed(jose, `{"exp":1700000900,"x":"`+strings.Repeat("a", 9<<10)+`"}`), jwtclaims.ErrMalformed, "longer than 8192 bytes"},
		{"unused bits in the signature", malleable, jwtclaims.ErrMalformed, "signature: not base64url"},

		{"another secret", sign("canary", jose, good), jwtclaims.ErrSignature, "signature: does not match"},
		{"an empty secret", sign("", jose, good), jwtclaims.ErrSignature, "signature: does not match"},
		{"a changed payload", parts[0] + "." + strings.Split(signed(jose, `{"clientId":"canary","exp":1700000900}`), ".")[1] + "." + parts[2], jwtclaims.ErrSignature, "signature: does not match"},
		{"a cut signature", strings.TrimSuffix(partnerToken, "7_g"), jwtclaims.ErrSignature, "signature: does not match"},
		{"wrong secret and expired", sign("canary", jose, `{"exp":1}`), jwtclaims.ErrSignature, "signature: does not match"},

		{"alg none", signed(`{"alg":"none"}`, good), jwtclaims.ErrSignature, "alg: must be HS256"},
		{"alg RS256", signed(`{"alg":"RS256"}`, good), jwtclaims.ErrSignature, "alg: must be HS256"},
		{"alg HS512", signed(`{"alg":"HS512"}`, good), jwtclaims.ErrSignature, "alg: must be HS256"},
		{"alg in lower case", signed(`{"alg":"hs256"}`, good), jwtclaims.ErrSignature, "alg: must be HS256"},
		{"alg named in upper case", signed(`{"ALG":"HS256"}`, good), jwtclaims.ErrSignature, "alg: must be HS256"},
		{"alg missing", signed(`{}`, good), jwtclaims.ErrSignature, "alg: must be HS256"},
		{"alg null", signed(`{"alg":null}`, good), jwtclaims.ErrSignature, "alg: must be HS256"},
		{"alg an array", signed(`{"alg":["HS256"]}`, good), jwtclaims.ErrSignature, "alg: must be HS256"},
		{"alg twice", signed(`{"alg":"none","alg":"HS256"}`, good), jwtclaims.ErrMalformed, "header.alg: comes twice"},
		{"a member of the header twice", signed(`{"alg":"HS256","userId":"a","userId":"canary"}`, good), jwtclaims.ErrMalformed, "header.userId: comes twice"},
		{"an unknown member of the header twice", signed(`{"alg":"HS256","canary":1,"canary":1}`, good), jwtclaims.ErrMalformed, "header: a member comes twice"},
		{"a member twice deep in the header", signed(`{"alg":"HS256","jwk":[{"canary":1,"canary":1}]}`, good), jwtclaims.ErrMalformed, "header: a member comes twice"},
		{"a member of the header of another type", signed(`{"alg":"HS256","userId":["canary"]}`, good), jwtclaims.ErrMalformed, "header.userId: not of the expected type"},
		{"crit", signed(`{"alg":"HS256","crit":["canary"],"canary":1}`, good), jwtclaims.ErrMalformed, "crit: demands extensions that are not supported"},
		{"an empty crit", signed(`{"alg":"HS256","crit":[]}`, good), jwtclaims.ErrMalformed, "crit: demands extensions that are not supported"},
		{"a null crit", signed(`{"alg":"HS256","crit":null}`, good), jwtclaims.ErrMalformed, "crit: demands extensions that are not supported"},
		{"a header that is no object", signed(`["HS256"]`, good), jwtclaims.ErrMalformed, "header: not a JSON object"},
		{"a null header", signed(`null`, good), jwtclaims.ErrMalformed, "header: not a JSON object"},
		{"a header of two objects", signed(jose+jose, good), jwtclaims.ErrMalformed, "header: not a JSON object"},
		{"a header cut off", signed(`{"alg":"HS256"`, good), jwtclaims.ErrMalformed, "header: not a JSON object"},
		{"a header cut off at a name", signed(`{"alg":"HS256","canary"`, good), jwtclaims.ErrMalformed, "header: not a JSON object"},
		{"a header not in base64url", "A." + parts[1] + "." + parts[2], jwtclaims.ErrMalformed, "header: not base64url"},
		{"a header not in UTF-8", signed("{\"alg\":\"HS256\",\"userId\":\"\xff\"}", good), jwtclaims.ErrMalformed, "header: not UTF-8"},

		{"a payload that is no object", signed(jose, `"canary"`), jwtclaims.ErrMalformed, "payload: not a JSON object"},
		{"a null payload", signed(jose, `null`), jwtclaims.ErrMalformed, "payload: not well formed"},
		{"a payload with more behind it", signed(jose, good+`,`), jwtclaims.ErrMalformed, "payload: not well formed"},
		{"a byte order mark", signed(jose, "\ufeff"+good), jwtclaims.ErrMalformed, "payload: not well formed"},
		{"a payload not in UTF-8", signed(jose, "{\"clientId\":\"\xff\",\"exp\":1700000900}"), jwtclaims.ErrMalformed, "payload: not UTF-8"},
		{"exp twice", signed(jose, `{"exp":1,"exp":1700000900}`), jwtclaims.ErrMalformed, "exp: comes twice"},
		{"a claim twice", signed(jose, `{"exp":1700000900,"clientId":"a","clientId":"canary"}`), jwtclaims.ErrMalformed, "clientId: comes twice"},
		{"a claim twice by an escape", signed(jose, `{"exp":1700000900,"clientId":"a","\u0063lientId":"canary"}`), jwtclaims.ErrMalformed, "clientId: comes twice"},
		{"an unknown claim twice", signed(jose, `{"exp":1700000900,"canary":1,"canary":1}`), jwtclaims.ErrMalformed, "payload: a member comes twice"},
		{"a member twice below a known one", signed(jose, `{"exp":1700000900,"clientId":{"clientId":1,"clientId":1}}`), jwtclaims.ErrMalformed, "clientId: a member comes twice"},
		{"a member twice at the greatest depth", signed(jose, `{"exp":1700000900,"x":`+nested(`{"canary":1,"canary":1}`)+`}`), jwtclaims.ErrMalformed, "payload: a member comes twice"},
		{"a member twice beside a number out of range", signed(jose, `{"exp":1700000900,"x":1e999,"x":{}}`), jwtclaims.ErrMalformed, "payload: a member comes twice"},
		{"a claim of another type", signed(jose, `{"clientId":["canary"],"exp":1700000900}`), jwtclaims.ErrMalformed, "clientId: not of the expected type"},

		{"no exp", signed(jose, `{"clientId":"client-1"}`), jwtclaims.ErrMalformed, "exp: required"},
		{"EXP for exp", signed(jose, `{"EXP":1700000900}`), jwtclaims.ErrMalformed, "exp: required"},
		{"exp null", exp(`null`), jwtclaims.ErrMalformed, "exp: must be a number from 1 to 253402300799"},
		{"exp a string", exp(`"1700000900"`), jwtclaims.ErrMalformed, "exp: must be a number from 1 to 253402300799"},
		{"exp true", exp(`true`), jwtclaims.ErrMalformed, "exp: must be a number from 1 to 253402300799"},
		{"exp 0", exp(`0`), jwtclaims.ErrMalformed, "exp: must be a number from 1 to 253402300799"},
		{"exp negative", exp(`-1700000900`), jwtclaims.ErrMalformed, "exp: must be a number from 1 to 253402300799"},
		{"exp 1e300", exp(`1e300`), jwtclaims.ErrMalformed, "exp: must be a number from 1 to 253402300799"},
		{"exp 1e999", exp(`1e999`), jwtclaims.ErrMalformed, "exp: must be a number from 1 to 253402300799"},
		{"exp in the year 10000", exp(`253402300800`), jwtclaims.ErrMalformed, "exp: must be a number from 1 to 253402300799"},
		{"exp in milliseconds", exp(`1700000900000`), jwtclaims.ErrMalformed, "exp: must be a number from 1 to 253402300799"},
		{"iat a string", signed(jose, `{"iat":"1700000000","exp":1700000900}`), jwtclaims.ErrMalformed, "iat: must be a number from 1 to 253402300799"},
		{"nbf 1e300", signed(jose, `{"nbf":1e300,"exp":1700000900}`), jwtclaims.ErrMalformed, "nbf: must be a number from 1 to 253402300799"},

		{"exp past", exp(`1699999999`), jwtclaims.ErrExpired, "exp: past"},
		{"exp now", exp(`1700000000`), jwtclaims.ErrExpired, "exp: past"},
		{"iat in the future", signed(jose, `{"iat":1700000001,"exp":1700000900}`), jwtclaims.ErrNotYetValid, "iat: in the future"},
		{"nbf in the future", signed(jose, `{"nbf":1700000001,"exp":1700000900}`), jwtclaims.ErrNotYetValid, "nbf: in the future"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var claims partnerClaims
			err := jwtclaims.Verify(test.token, secret, new(header), &claims, at(partnerIat))
			var invalid *jwtclaims.Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("err = %v, want an *Invalid", err)
			}
			if diff := cmp.Diff(test.rule, invalid.Rule); diff != "" {
				t.Errorf("rule (-want +got):\n%s", diff)
			}
			if !errors.Is(err, test.kind) {
				t.Errorf("kind %v, want %v", invalid.Kind, test.kind)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("error text has content of the token: %v", err)
			}
		})
	}
}

// nested is value in as many arrays as a token has room for.
func nested(value string) string {
	const deep = 2900
	return strings.Repeat("[", deep) + value + strings.Repeat("]", deep)
}

func TestVerify(t *testing.T) {
	for name, test := range map[string]struct {
		payload string
		want    merchantClaims
	}{
		"takes a member by its exact name": {
			`{"merchantId":"a","MERCHANTID":"b","Exp":1,"client":{"steamID":"c","steamid":"d","STEAMID":"e","clientdata":{}},"Client":{"steamID":"f"}}`,
			merchantClaims{MerchantID: "a", Client: merchantClient{SteamID: "c"}},
		},
		"tells the Kelvin sign from k":        {"{\"k\":1,\"\u212a\":2,\"K\":3}", merchantClaims{}},
		"takes a name with escapes":           {`{"\u006derchantId":"a"}`, merchantClaims{MerchantID: "a"}},
		"takes one name in different objects": {`{"merchantId":"a","client":{"merchantId":"b"},"x":[{"a":1},{"a":1}]}`, merchantClaims{MerchantID: "a"}},
		"takes null for a member":             {`{"merchantId":null,"client":{"clientData":null}}`, merchantClaims{}},
		"takes null for an object":            {`{"client":null}`, merchantClaims{}},
		"takes a pointer to an object":        {`{"client":{"clientData":{"kycLevel":2,"KYCLEVEL":3}}}`, merchantClaims{Client: merchantClient{ClientData: &userData{KYCLevel: 2}}}},
		"reads as deep as a token is long":    {`{"x":` + nested("1e999") + `}`, merchantClaims{}},
	} {
		t.Run(name, func(t *testing.T) {
			token := sign(secret, `{"alg":"HS256"}`, strings.TrimSuffix(test.payload, "}")+`,"exp":1700000900}`)
			var got merchantClaims
			if err := jwtclaims.Verify(token, secret, nil, &got, at(partnerIat)); err != nil {
				t.Fatal(err)
			}
			test.want.Exp = partnerExp
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVerifyNeverTakesAnEmptySecret(t *testing.T) {
	var claims partnerClaims
	token := sign("", `{"alg":"HS256"}`, `{"exp":1700000900}`)
	err := jwtclaims.Verify(token, "", nil, &claims, at(partnerIat))
	if err == nil {
		t.Fatal("a token that anyone can sign was accepted")
	}
	if invalid := (*jwtclaims.Invalid)(nil); errors.As(err, &invalid) {
		t.Errorf("error %v blames the token", err)
	}
}

func TestVerifyReadsDatesWithFractionsAndExponents(t *testing.T) {
	for _, test := range []struct {
		exp string
		now time.Time
		ok  bool
	}{
		{"1700000900.5", time.Unix(1700000900, 499_000_000), true},
		{"1700000900.5", time.Unix(1700000900, 500_000_000), false},
		{"1.7e9", time.Unix(1699999999, 0), true},
		{"1.7e9", time.Unix(1700000000, 0), false},
		{"253402300799", time.Unix(1700000000, 0), true},
	} {
		var claims struct{}
		opts := jwtclaims.Options{Now: func() time.Time { return test.now }}
		err := jwtclaims.Verify(sign(secret, `{"alg":"HS256"}`, `{"exp":`+test.exp+`}`), secret, nil, &claims, opts)
		if (err == nil) != test.ok {
			t.Errorf("exp %s at %v: %v, want ok %t", test.exp, test.now, err, test.ok)
		}
	}
}

func TestLeewayCountsForEveryDateAndIsExact(t *testing.T) {
	token := func(payload string) string { return sign(secret, `{"alg":"HS256"}`, payload) }
	for _, test := range []struct {
		name, token string
		want        error
	}{
		{"exp within", token(`{"exp":1699999971}`), nil},
		{"exp beyond", token(`{"exp":1699999970}`), jwtclaims.ErrExpired},
		{"iat within", token(`{"exp":1700000900,"iat":1700000030}`), nil},
		{"iat beyond", token(`{"exp":1700000900,"iat":1700000031}`), jwtclaims.ErrNotYetValid},
		{"nbf within", token(`{"exp":1700000900,"nbf":1700000030}`), nil},
		{"nbf beyond", token(`{"exp":1700000900,"nbf":1700000031}`), jwtclaims.ErrNotYetValid},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := at(1700000000)
			opts.Leeway = 30 * time.Second
			var claims struct{}
			if err := jwtclaims.Verify(test.token, secret, nil, &claims, opts); !errors.Is(err, test.want) {
				t.Errorf("err = %v, want %v", err, test.want)
			}
		})
	}
}

func TestVerifyUsesTheWallClockByDefault(t *testing.T) {
	var claims struct{}
	if err := jwtclaims.Verify(sign(secret, `{"alg":"HS256"}`, `{"exp":253402300799}`), secret, nil, &claims, jwtclaims.Options{}); err != nil {
		t.Errorf("a token of the year 9999: %v", err)
	}
	if err := jwtclaims.Verify(partnerToken, secret, nil, &claims, jwtclaims.Options{}); !errors.Is(err, jwtclaims.ErrExpired) {
		t.Errorf("a token of 2023: %v, want ErrExpired", err)
	}
}
