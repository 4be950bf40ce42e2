package jwtclaims_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/internal/jwtclaims"
)

type header struct {
	Alg    string `json:"alg"`
	Typ    string `json:"typ,omitempty"`
	UserID string `json:"userId,omitempty"`
}

// partnerClaims and merchantClaims have the shapes that the providers'
// vectors were computed for.
type partnerClaims struct {
	ClientID string `json:"clientId"`
	Iat      int64  `json:"iat"`
	Exp      int64  `json:"exp"`
}

type merchantClaims struct {
	MerchantID string         `json:"merchantId"`
	Client     merchantClient `json:"client"`
	Iat        int64          `json:"iat"`
	Exp        int64          `json:"exp"`
}

type merchantClient struct {
	SteamID    string    `json:"steamID"`
	TradeURL   string    `json:"tradeUrl"`
	ClientID   string    `json:"clientId,omitempty"`
	ClientData *userData `json:"clientData,omitempty"`
}

type userData struct {
	TotalWager     float64 `json:"totalWager"`
	KYCLevel       int     `json:"kycLevel"`
	FiatDeposits   bool    `json:"fiatDeposits"`
	CryptoDeposits bool    `json:"cryptoDeposits"`
}

const (
	partnerIat = 1700000000
	partnerExp = 1700000900

	partnerToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjbGllbnRJZCI6ImNsaWVudC0xIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDA5MDB9.FGZUuWNqk9WzKftxdkKhE3xIW8fP5yywxdm41ayT7_g"

	unescapedToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjbGllbnRJZCI6ImEmYjxjPsOpIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDA5MDB9.hfNPF2y3BGuxRkqJct1iXepk7RQ9N0QwK_WlSIn3fLA"

	merchantToken = "eyJhbGciOiJIUzI1NiIsInVzZXJJZCI6Im1lcmNoYW50LXV1aWQifQ.eyJtZXJjaGFudElkIjoibWVyY2hhbnQtdXVpZCIsImNsaWVudCI6eyJzdGVhbUlEIjoiNzY1NjExOTgwMTIzNDU2NzgiLCJ0cmFkZVVybCI6Imh0dHBzOi8vc3RlYW1jb21tdW5pdHkuY29tL3RyYWRlb2ZmZXIvbmV3Lz9wYXJ0bmVyPTUyMDc5OTUwJnRva2VuPUFiQ2RFZkdoIn0sImlhdCI6MTcwOTU1MDAwMCwiZXhwIjoxNzA5NjM2NDAwfQ.8KrX3vFwAfRm-kyeXBBtd_mB8m3muDmRoYalcVs20YA"

	// Of the same claims with clientId and clientData; only the signature is
	// known from elsewhere.
	merchantDataSignature = "Q2SC3dIMgnDRUVxsk-mtldkheo_mM6W0J8iCvkcQJAY"
)

func merchant() merchantClaims {
	return merchantClaims{
		MerchantID: "merchant-uuid",
		Client: merchantClient{
			SteamID:  "76561198012345678",
			TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh",
		},
		Iat: 1709550000,
		Exp: 1709636400,
	}
}

func TestSignMakesTheVectors(t *testing.T) {
	jwtHeader := header{Alg: "HS256", Typ: "JWT"}
	for _, test := range []struct {
		name, secret   string
		header, claims any
		want           string
	}{
		{"partner", "secret-1", jwtHeader, partnerClaims{"client-1", partnerIat, partnerExp}, partnerToken},
		{"partner with & < > and UTF-8", "sécret", jwtHeader, partnerClaims{"a&b<c>é", partnerIat, partnerExp}, unescapedToken},
		{"merchant with & in a URL", "test_api_secret", header{Alg: "HS256", UserID: "merchant-uuid"}, merchant(), merchantToken},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := jwtclaims.Sign(test.secret, test.header, test.claims)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("token (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSignMakesTheVectorWithClientData(t *testing.T) {
	claims := merchant()
	claims.Client.ClientID = "user-123"
	claims.Client.ClientData = &userData{TotalWager: 5000, KYCLevel: 2, FiatDeposits: true}
	payload, err := jwtclaims.Encode(claims)
	if err != nil {
		t.Fatal(err)
	}
	if len(payload) != 304 {
		t.Errorf("payload has %d bytes, want 304: %s", len(payload), payload)
	}
	token, err := jwtclaims.Sign("test_api_secret", header{Alg: "HS256", UserID: "merchant-uuid"}, claims)
	if err != nil {
		t.Fatal(err)
	}
	if got := token[strings.LastIndexByte(token, '.')+1:]; got != merchantDataSignature {
		t.Errorf("signature %s, want %s", got, merchantDataSignature)
	}
}

func TestEncodeIsCompactAndUnescaped(t *testing.T) {
	for _, test := range []struct {
		name string
		v    any
		want string
	}{
		{"no HTML escaping", struct{ A string }{"a&b<c>é"}, `{"A":"a&b<c>é"}`},
		{"no newline at the end", "x", `"x"`},
		{"only the encoder's newline is dropped", "x\n", `"x\n"`},
		{"line separators are escaped", "\u2028\u2029", `"\u2028\u2029"`},
		{"nil", nil, `null`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := jwtclaims.Encode(test.v)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeReportsWhatJSONCannotHold(t *testing.T) {
	if got, err := jwtclaims.Encode(math.NaN()); err == nil {
		t.Errorf("Encode(NaN) = %q, want an error", got)
	}
}

func TestSignRefuses(t *testing.T) {
	good := map[string]int{}
	for _, test := range []struct {
		name, secret   string
		header, claims any
	}{
		{"an empty secret", "", good, good},
		{"a header that is no object", "s", nil, good},
		{"claims that are no object", "s", good, []string{"exp"}},
		{"a header that does not marshal", "s", map[string]any{"a": math.Inf(1)}, good},
		{"claims that do not marshal", "s", good, map[string]any{"a": make(chan int)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			token, err := jwtclaims.Sign(test.secret, test.header, test.claims)
			if err == nil || token != "" {
				t.Errorf("Sign = %q, %v; want no token and an error", token, err)
			}
			if invalid := (*jwtclaims.Invalid)(nil); errors.As(err, &invalid) {
				t.Errorf("error %v blames a token", err)
			}
		})
	}
}
