package partnerjwt_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
)

const vector = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjbGllbnRJZCI6ImNsaWVudC0xIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDA5MDB9.FGZUuWNqk9WzKftxdkKhE3xIW8fP5yywxdm41ayT7_g"

// sign makes a token of exactly these parts.
func sign(header, payload string) string { return testkit.HS256("secret-1", header, payload) }

func TestVerifyAcceptsTheDocumentedTokenAndItsVariants(t *testing.T) {
	const h = `{"alg":"HS256","typ":"JWT"}`
	for name, token := range map[string]string{
		"the sample's order":     vector,
		"header members turned":  "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJjbGllbnRJZCI6ImNsaWVudC0xIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDA5MDB9.eqqOmGVd2u-I1bGnQecE-CHWKeoT2JdIM6RO9DgJqAQ",
		"claims sorted":          "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjbGllbnRJZCI6ImNsaWVudC0xIiwiZXhwIjoxNzAwMDAwOTAwLCJpYXQiOjE3MDAwMDAwMDB9.IBLFSjO-g2nMfX3II8KfNaNxZxMWx3A_k-RnaJ3Wfmk",
		"a fraction of a second": sign(h, `{"clientId":"client-1","iat":1700000000.0,"exp":1700000900.0}`),
		"a further claim":        sign(h, `{"clientId":"client-1","iat":1700000000,"exp":1700000900,"sub":"x"}`),
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.Unix(1700000000, 0)))
			got, err := partnerjwt.Verify(t.Context(), token, providerauth.StaticSecret("secret-1"), partnerjwt.VerifyOptions{ClientID: "client-1"})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := partnerjwt.Claims{ClientID: "client-1", IssuedAt: time.Unix(1700000000, 0), ExpiresAt: time.Unix(1700000900, 0)}
			testkit.Equal(t, name, got, want)
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	const h = `{"alg":"HS256","typ":"JWT"}`
	const p = `{"clientId":"client-1","iat":1700000000,"exp":1700000900}`
	claims := func(iat, exp string) string {
		return fmt.Sprintf(`{"clientId":"client-1","iat":%s,"exp":%s}`, iat, exp)
	}
	for name, tc := range map[string]struct {
		token string
		opts  partnerjwt.VerifyOptions
		want  error
	}{
		"an empty token":        {"", partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"three dots":            {vector + ".x", partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"a trailing newline":    {vector + "\n", partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"a Bearer prefix":       {"Bearer " + vector, partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"9 KiB":                 {sign(h, p[:len(p)-1]+`,"x":"`+strings.Repeat("x", 9<<10)+`"}`), partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"no exp":                {sign(h, `{"clientId":"client-1","iat":1700000000}`), partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"exp past":              {sign(h, claims("1600000000", "1600000900")), partnerjwt.VerifyOptions{}, partnerjwt.ErrTokenExpired},
		"exp now":               {sign(h, claims("1699999100", "1700000000")), partnerjwt.VerifyOptions{}, partnerjwt.ErrTokenExpired},
		"exp 1e300":             {sign(h, claims("1700000000", "1e300")), partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"exp a string":          {sign(h, claims("1700000000", `"1700000900"`)), partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"iat in the future":     {sign(h, claims("1700000031", "1700000900")), partnerjwt.VerifyOptions{Leeway: 30 * time.Second}, partnerjwt.ErrInvalidToken},
		"alg none":              {strings.TrimRight(sign(`{"alg":"none"}`, p), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"alg none, signed":      {sign(`{"alg":"none"}`, p), partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"alg RS256":             {sign(`{"alg":"RS256"}`, p), partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"alg HS512":             {sign(`{"alg":"HS512"}`, p), partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"crit":                  {sign(`{"alg":"HS256","crit":["exp"]}`, p), partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"another client":        {vector, partnerjwt.VerifyOptions{ClientID: "client-2"}, partnerjwt.ErrInvalidToken},
		"no client":             {sign(h, `{"iat":1700000000,"exp":1700000900}`), partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"another secret's":      {vector[:len(vector)-4] + "AAAA", partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
		"claims of another one": {strings.Split(vector, ".")[0] + "." + strings.Split(sign(h, claims("1", "1700000900")), ".")[1] + "." + strings.Split(vector, ".")[2], partnerjwt.VerifyOptions{}, partnerjwt.ErrInvalidToken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Unix(1700000000, 0)))
				got, err := partnerjwt.Verify(t.Context(), tc.token, providerauth.StaticSecret("secret-1"), tc.opts)
				e := errorIs(t, err, tc.want, partnerjwt.ErrInvalidToken)
				if got != (partnerjwt.Claims{}) {
					t.Error("claims beside an error")
				}
				if e.Fields["token"] == "" {
					t.Errorf("the error does not name the rule: %v", err)
				}
			})
		})
	}
}

func TestVerifyRefusesWithoutAUsableSecret(t *testing.T) {
	for name, tc := range map[string]struct {
		secret providerauth.SecretFunc
		want   error
	}{
		"nil":     {nil, providerauth.ErrInvalidRequest},
		"blank":   {providerauth.StaticSecret(" "), providerauth.ErrInvalidRequest},
		"empty":   {func(context.Context) (string, error) { return "", nil }, providerauth.ErrSecretUnavailable},
		"failing": {func(context.Context) (string, error) { return "x", errors.New("sealed") }, providerauth.ErrSecretUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := partnerjwt.Verify(t.Context(), vector, tc.secret, partnerjwt.VerifyOptions{})
			errorIs(t, err, tc.want)
		})
	}
}

func TestVerifyRefusesALeewayBelowZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(1700000001, 0)))
		for leeway, want := range map[time.Duration]bool{-1: false, -time.Hour: false, 0: true, time.Second: true} {
			_, err := partnerjwt.Verify(t.Context(), vector, providerauth.StaticSecret("secret-1"), partnerjwt.VerifyOptions{Leeway: leeway})
			if want {
				if err != nil {
					t.Errorf("%v: %v", leeway, err)
				}
				continue
			}
			if e := errorIs(t, err, providerauth.ErrInvalidRequest); len(e.Fields) != 1 || e.Fields["VerifyOptions.Leeway"] == "" {
				t.Errorf("%v: fields %v", leeway, e.Fields)
			}
		}
	})
}

func TestVerify(t *testing.T) {
	const h = `{"alg":"HS256","typ":"JWT"}`
	for name, tc := range map[string]struct {
		token, rule string // "" means that it is good
	}{
		"ignores members that are spelled in another case":       {sign(`{"alg":"HS256","ALG":"none"}`, `{"clientId":"client-1","clientid":"canary","ClientID":"canary","exp":1700000900,"EXP":1}`), ""},
		"refuses a required member spelled in another case":      {sign(h, `{"CLIENTID":"client-1","exp":1700000900}`), "clientId: required"},
		"refuses an exp spelled in another case":                 {sign(h, `{"clientId":"client-1","EXP":1700000900}`), "exp: required"},
		"refuses a member that is given twice":                   {sign(h, `{"clientId":"canary","clientId":"client-1","exp":1700000900}`), "clientId: comes twice"},
		"refuses a member that is given twice with an escape":    {sign(h, `{"client\u0049d":"canary","clientId":"client-1","exp":1700000900}`), "clientId: comes twice"},
		"refuses a member that is given twice in another object": {sign(h, `{"clientId":"client-1","exp":1700000900,"x":[[],{"canary":{},"canary":{}}]}`), "payload: a member comes twice"},
		"refuses a header with a member that is given twice":     {sign(`{"alg":"none","alg":"HS256"}`, `{"clientId":"client-1","exp":1700000900}`), "header.alg: comes twice"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Unix(1700000000, 0)))
				got, err := partnerjwt.Verify(t.Context(), tc.token, providerauth.StaticSecret("secret-1"), partnerjwt.VerifyOptions{})
				if tc.rule == "" {
					if err != nil {
						t.Fatal(err)
					}
					testkit.Equal(t, "client", got.ClientID, "client-1")
					return
				}
				e := errorIs(t, err, partnerjwt.ErrInvalidToken)
				testkit.Equal(t, "rule", e.Fields["token"], tc.rule)
			})
		})
	}
}
