package assetpay_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

const goodHeader = `{"alg":"HS256","userId":"merchant-uuid"}`

// payload is what is signed at vectorTime unless a test says otherwise.
func payload(iat, exp string) string {
	return `{"merchantId":"merchant-uuid","client":{"steamID":"76561198012345678","tradeUrl":"https://steamcommunity.com/tradeoffer/new/?partner=..."},"iat":` + iat + `,"exp":` + exp + `}`
}

func sign(header, payload string) string { return testkit.HS256("test_api_secret", header, payload) }

func rs256(t *testing.T, payload string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	const header = `{"alg":"RS256","userId":"merchant-uuid"}`
	sum := sha256.Sum256([]byte(strings.TrimSuffix(testkit.JWT(header, payload, ""), ".")))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return testkit.JWT(header, payload, string(sig))
}

func TestGoodTokensVerify(t *testing.T) {
	const now = vectorTime
	at := func(sec int64) time.Time { return time.Unix(sec, 0).UTC() }
	for name, tc := range map[string]struct {
		token string
		want  assetpay.ClientClaims
	}{
		"vector": {vector, assetpay.ClientClaims{
			MerchantID: "merchant-uuid", SteamID: steamID, TradeURL: tradeURL, IssuedAt: at(now), ExpiresAt: at(now + 86400),
		}},
		"vector in Go's own spelling": {
			sign(goodHeader, strings.ReplaceAll(`{"merchantId":"merchant-uuid","client":{"steamID":"76561198012345678","tradeUrl":"`+tradeURL+`"},"iat":1709550000,"exp":1709636400}`, "&", `\u0026`)),
			assetpay.ClientClaims{MerchantID: "merchant-uuid", SteamID: steamID, TradeURL: tradeURL, IssuedAt: at(now), ExpiresAt: at(now + 86400)},
		},
		"the page's year, with typ, and a trade URL that is none": {
			sign(`{"alg":"HS256","typ":"JWT","userId":"merchant-uuid"}`, payload("1709550000", "1741086000")),
			assetpay.ClientClaims{
				MerchantID: "merchant-uuid", SteamID: steamID, TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=...",
				IssuedAt: at(now), ExpiresAt: at(1741086000),
			},
		},
		"client data, in the other order, with members that are new": {
			sign(goodHeader, `{"exp":1709636400.5,"client":{"clientData":{"totalWager":5000.5,"kycLevel":2,"fiatDeposits":true,"cryptoDeposits":false,"registrationDate":"2024-01-02T03:04:05.678+02:00","kycHash":"h","vip":1},"clientId":"user-123","steamID":"76561198012345678"},"merchantId":"merchant-uuid"}`),
			assetpay.ClientClaims{
				MerchantID: "merchant-uuid", SteamID: steamID, ClientID: "user-123", ExpiresAt: time.Unix(now+86400, 5e8).UTC(),
				ClientData: &assetpay.ClientData{
					TotalWager: 5000.5, KYCLevel: 2, FiatDeposits: true, KYCHash: "h",
					RegistrationDate: time.Date(2024, 1, 2, 1, 4, 5, 678e6, time.UTC),
				},
			},
		},
		"a date alone": {
			sign(goodHeader, `{"exp":1709636400,"client":{"clientData":{"registrationDate":"2024-01-02"},"steamID":"76561198012345678"},"merchantId":"merchant-uuid"}`),
			assetpay.ClientClaims{
				MerchantID: "merchant-uuid", SteamID: steamID, ExpiresAt: at(now + 86400),
				ClientData: &assetpay.ClientData{RegistrationDate: time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)},
			},
		},
		"null client data": {
			sign(goodHeader, `{"exp":1709636400,"client":{"clientData":{"registrationDate":null,"kycHash":null},"steamID":"76561198012345678"},"merchantId":"merchant-uuid"}`),
			assetpay.ClientClaims{MerchantID: "merchant-uuid", SteamID: steamID, ExpiresAt: at(now + 86400), ClientData: &assetpay.ClientData{}},
		},
		"issued by a clock a little ahead": {
			sign(goodHeader, payload("1709550005", "1709636400")),
			assetpay.ClientClaims{
				MerchantID: "merchant-uuid", SteamID: steamID, TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=...",
				IssuedAt: at(now + 5), ExpiresAt: at(now + 86400),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				testkit.Until(now)
				got, err := c.VerifyClientToken(t.Context(), tc.token)
				if err != nil {
					t.Fatal(err)
				}
				testkit.Equal(t, "claims", got, tc.want)
				testkit.Equal(t, "requests", len(srv.Requests()), 0)
			})
		})
	}
}

func TestWhatIsMintedVerifiesAndSoDoesWhatIsIssued(t *testing.T) {
	req := vectorWithData()
	req.ClientData.RegistrationDate = time.Date(2020, 5, 6, 7, 8, 9, 123e6, time.UTC)
	req.ClientData.KYCHash = "a&b"
	for _, change := range []func(*assetpay.Config){local, func(*assetpay.Config) {}} {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
			got, err := c.VerifyClientToken(t.Context(), token(t, c.TokenSource(req)).Value())
			if err != nil {
				t.Fatal(err)
			}
			testkit.Equal(t, "client data", got.ClientData, req.ClientData)
			testkit.Equal(t, "ids", []string{got.SteamID, got.ClientID, got.TradeURL}, []string{req.SteamID, req.ClientID, req.TradeURL})
		}, change)
	}
}

func TestTokensAreVerifiedByTheProvidersClock(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		testkit.Until(vectorTime)
		srv.SetClockOffset(time.Hour)
		inventory(t, c)
		_, err := c.VerifyClientToken(t.Context(), sign(goodHeader, payload("1709553500", "1709554000")))
		errorIs(t, err, assetpay.ErrInvalidToken) // a single answer proves nothing
		time.Sleep(time.Second)
		inventory(t, c)
		if _, err := c.VerifyClientToken(t.Context(), sign(goodHeader, payload("1709553500", "1709554000"))); err != nil {
			t.Errorf("issued by a clock that is an hour ahead: %v", err)
		}
		_, err = c.VerifyClientToken(t.Context(), sign(goodHeader, payload("1709550000", "1709553000")))
		errorIs(t, err, assetpay.ErrTokenExpired)
	})
}

func TestNoAnswersDateBringsATokenBack(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		testkit.Until(vectorTime)
		srv.SetClockOffset(-time.Hour)
		inventory(t, c) // whose Date says that it is an hour earlier
		time.Sleep(time.Second)
		inventory(t, c)
		_, err := c.VerifyClientToken(t.Context(), sign(goodHeader, payload("1709540000", "1709549994")))
		errorIs(t, err, assetpay.ErrInvalidToken, assetpay.ErrTokenExpired)
		if _, err := c.VerifyClientToken(t.Context(), sign(goodHeader, payload("1709540000", "1709549997"))); err != nil {
			t.Errorf("expired 4 seconds ago by this clock, which is within the leeway: %v", err)
		}
	})
}

func TestBadTokensAreRefused(t *testing.T) {
	good := payload("1709550000", "1709636400")
	alter := func(old, with string) string { return sign(goodHeader, strings.Replace(good, old, with, 1)) }
	for name, tc := range map[string]struct {
		token, rule string
		expired     bool
	}{
		"empty":              {"", "three segments", false},
		"no token":           {"x", "three segments", false},
		"three dots":         {vector + ".x", "three segments", false},
		"trailing newline":   {vector + "\n", "outside base64url", false},
		"9 KiB":              {vector + strings.Repeat("A", 9<<10), "longer than 8192", false},
		"no exp":             {sign(goodHeader, strings.Replace(good, `,"exp":1709636400`, "", 1)), "exp: required", false},
		"exp just past":      {sign(goodHeader, payload("1709500000", "1709550000")), "exp: past", true},
		"exp long past":      {sign(goodHeader, payload("1609500000", "1609550000")), "exp: past", true},
		"exp 1e300":          {sign(goodHeader, payload("1709550000", "1e300")), "exp: must be a number", false},
		"exp a text":         {sign(goodHeader, payload("1709550000", `"1709636400"`)), "exp: must be a number", false},
		"iat in the future":  {sign(goodHeader, payload("1709550006", "1709636400")), "iat: in the future", false},
		"nbf in the future":  {alter(`"iat"`, `"nbf":1709560000,"iat"`), "nbf: in the future", false},
		"alg none":           {sign(`{"alg":"none","userId":"merchant-uuid"}`, good), "alg", false},
		"alg none, unsigned": {unsignedNone(good), "three segments", false},
		"RS256":              {rs256(t, good), "alg", false},
		"HS512":              {sign(`{"alg":"HS512","userId":"merchant-uuid"}`, good), "alg", false},
		"crit":               {sign(`{"alg":"HS256","userId":"merchant-uuid","crit":["exp"]}`, good), "crit", false},
		"another secret":     {testkit.HS256("other", goodHeader, good), "signature", false},
		"another payload":    {strings.Replace(vector, vectorPayload, base64.RawURLEncoding.EncodeToString([]byte(good)), 1), "signature", false},
		"merchant in claim":  {alter(`"merchant-uuid"`, `"other"`), "merchantId", false},
		"no merchant claim":  {alter(`"merchantId":"merchant-uuid",`, ``), "merchantId", false},
		"merchant in header": {sign(`{"alg":"HS256","userId":"other"}`, good), "userId", false},
		"no userId":          {sign(`{"alg":"HS256"}`, good), "userId", false},
		"userId a number":    {sign(`{"alg":"HS256","userId":7}`, good), "userId", false},
		"no client":          {sign(goodHeader, `{"merchantId":"merchant-uuid","exp":1709636400}`), "client.steamID", false},
		"no Steam ID":        {alter(`"steamID":"76561198012345678",`, ``), "client.steamID", false},
		"Steam ID malformed": {alter(steamID, "x"), "client.steamID", false},
		"Steam ID a number":  {alter(`"`+steamID+`"`, steamID), "not of the expected type", false},
		"a member twice":     {alter(`{`, `{"merchantId":"other",`), "comes twice", false},
		"payload an array":   {sign(goodHeader, `[]`), "payload", false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
				testkit.Until(vectorTime)
				claims, err := c.VerifyClientToken(t.Context(), tc.token)
				e := errorIs(t, err, assetpay.ErrInvalidToken, providerauth.ErrInvalidRequest)
				testkit.Equal(t, "claims", claims, assetpay.ClientClaims{})
				testkit.Equal(t, "expired", errors.Is(err, assetpay.ErrTokenExpired), tc.expired)
				if !strings.Contains(e.Fields["token"], tc.rule) || !strings.Contains(err.Error(), tc.rule) {
					t.Errorf("got %q, want %q in it", e.Fields["token"], tc.rule)
				}
				if tc.token != "" && len(tc.token) > 1 && strings.Contains(fmt.Sprint(err), tc.token) {
					t.Error("the error shows the token")
				}
			})
		})
	}
}

func unsignedNone(payload string) string {
	return testkit.JWT(`{"alg":"none","userId":"merchant-uuid"}`, payload, "")
}

func TestClient_VerifyClientToken(t *testing.T) {
	good := payload("1709550000", "1709636400")
	const other = "76561198000000001"
	type tokens map[string]struct{ token, rule string }
	alter := func(old, with string) string { return sign(goodHeader, strings.Replace(good, old, with, 1)) }
	refuses := func(t *testing.T, tokens tokens) {
		for name, tc := range tokens {
			t.Run(name, func(t *testing.T) {
				bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
					testkit.Until(vectorTime)
					claims, err := c.VerifyClientToken(t.Context(), tc.token)
					testkit.Equal(t, "claims", claims, assetpay.ClientClaims{})
					e := errorIs(t, err, assetpay.ErrInvalidToken)
					testkit.Equal(t, "rule", e.Fields["token"], tc.rule)
					if strings.Contains(err.Error(), other) || strings.Contains(err.Error(), "canary") {
						t.Errorf("the error shows the token: %v", err)
					}
				})
			})
		}
	}
	t.Run("refuses a member that is given twice", func(t *testing.T) {
		refuses(t, tokens{
			"the Steam ID":          {alter(`"steamID"`, `"steamID":"`+other+`","steamID"`), "client.steamID: comes twice"},
			"with an escape":        {alter(`"steamID"`, `"steam\u0049D":"`+other+`","steamID"`), "client.steamID: comes twice"},
			"with the same value":   {alter(`"steamID"`, `"steamID":"`+steamID+`","steamID"`), "client.steamID: comes twice"},
			"client data":           {alter(`"tradeUrl"`, `"clientData":{"kycLevel":1,"kycLevel":3},"tradeUrl"`), "client.clientData.kycLevel: comes twice"},
			"an unknown one":        {alter(`"tradeUrl"`, `"canary":1,"canary":2,"tradeUrl"`), "client: a member comes twice"},
			"below an unknown one":  {alter(`"tradeUrl"`, `"canary":{"x":[{"canary":1,"canary":2}]},"tradeUrl"`), "client: a member comes twice"},
			"deep down":             {alter(`"iat"`, `"x":`+strings.Repeat(`[{"x":`, 400)+`{"x":1,"x":2}`+strings.Repeat(`}]`, 400)+`,"iat"`), "payload: a member comes twice"},
			"the client":            {alter(`"client"`, `"client":{"steamID":"`+other+`"},"client"`), "client: comes twice"},
			"exp":                   {alter(`"iat"`, `"exp":1809636400,"iat"`), "exp: comes twice"},
			"userId":                {sign(`{"alg":"HS256","userId":"canary","userId":"merchant-uuid"}`, good), "header.userId: comes twice"},
			"below the header":      {sign(`{"alg":"HS256","userId":"merchant-uuid","x":{"canary":1,"canary":2}}`, good), "header: a member comes twice"},
			"in an empty name":      {alter(`"iat"`, `"":1,"":2,"iat"`), "payload: a member comes twice"},
			"with a lone surrogate": {alter(`"iat"`, `"\ud800":1,"\ud800":2,"iat"`), "payload: a member comes twice"},
		})
	})
	t.Run("refuses a required member that is spelled in another case", func(t *testing.T) {
		refuses(t, tokens{
			"userId":     {sign(`{"alg":"HS256","USERID":"merchant-uuid"}`, good), "header.userId: required"},
			"merchantId": {alter(`"merchantId"`, `"merchantid"`), "merchantId: required"},
			"client":     {alter(`"client"`, `"CLIENT"`), "client.steamID: required"},
			"steamID":    {alter(`"steamID"`, `"steamId"`), "client.steamID: required"},
			"long s":     {alter(`"steamID"`, `"ſteamID"`), "client.steamID: required"},
			"exp":        {alter(`"exp"`, `"Exp"`), "exp: required"},
		})
	})
	t.Run("reads the Steam ID by its exact name", func(t *testing.T) {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
			testkit.Until(vectorTime)
			got, err := c.VerifyClientToken(t.Context(), alter(`"tradeUrl"`, `"steamid":"`+other+`","tradeUrl"`))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Equal(t, "Steam ID", got.SteamID, steamID)
		})
	})
	t.Run("ignores members that are spelled in another case", func(t *testing.T) {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
			testkit.Until(vectorTime)
			got, err := c.VerifyClientToken(t.Context(), sign(
				`{"alg":"HS256","ALG":"none","userId":"merchant-uuid","userid":"canary"}`,
				`{"merchantId":"merchant-uuid","MERCHANTID":"canary",`+
					`"client":{"steamID":"`+steamID+`","steamid":"`+other+`","TradeURL":"canary","clientid":"canary","clientDATA":{"kycHash":"canary"},`+
					`"clientData":{"totalWager":1,"TotalWager":9,"KYCHash":"canary"}},`+
					`"Client":{"steamID":"`+other+`"},"exp":1709636400,"EXP":1,"IAT":1809550000}`,
			))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Equal(t, "claims", got, assetpay.ClientClaims{
				MerchantID: "merchant-uuid", SteamID: steamID, ExpiresAt: time.Unix(1709636400, 0).UTC(),
				ClientData: &assetpay.ClientData{TotalWager: 1},
			})
		})
	})
}

func TestClient_VerifyClientToken_clientData(t *testing.T) {
	const date = "client.clientData.registrationDate"
	whole := assetpay.ClientData{TotalWager: 1.5, KYCLevel: 2, FiatDeposits: true, KYCHash: "h"}
	noLevel, noWager := whole, whole
	noLevel.KYCLevel, noWager.TotalWager = 0, 0
	for name, tc := range map[string]struct {
		wager, level, date string
		want               assetpay.ClientData
		unreadable         []string
	}{
		"a date without a zone is left out":   {"1.5", "2", `"2024-01-02T03:04:05"`, whole, []string{date}},
		"a date without seconds is left out":  {"1.5", "2", `"2024-01-02T03:04Z"`, whole, []string{date}},
		"an empty date is left out":           {"1.5", "2", `""`, whole, []string{date}},
		"a date that is a number is left out": {"1.5", "2", "7", whole, []string{date}},
		"a level of 2.0 is 2":                 {"1.5", "2.0", "null", whole, nil},
		"a level of 2.5 is left out":          {"1.5", "2.5", "null", noLevel, []string{"client.clientData.kycLevel"}},
		"a wager as a text is left out":       {`"1.5"`, "2", "null", noWager, []string{"client.clientData.totalWager"}},
		"a wager beyond float64 is left out":  {"1e999", "2", "null", noWager, []string{"client.clientData.totalWager"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := verifyData(t, `{"totalWager":`+tc.wager+`,"kycLevel":`+tc.level+`,"fiatDeposits":true,"kycHash":"h","registrationDate":`+tc.date+`}`)
			testkit.Equal(t, "client data", got.ClientData, &tc.want)
			testkit.Equal(t, "unreadable", got.Unreadable, tc.unreadable)
		})
	}
	t.Run("client data that is no object is left out", func(t *testing.T) {
		got := verifyData(t, `"none"`)
		testkit.Equal(t, "client data", got.ClientData, nil)
		testkit.Equal(t, "unreadable", got.Unreadable, []string{"client.clientData"})
	})
}

// verifyData verifies a token with the client data.
func verifyData(t *testing.T, data string) (claims assetpay.ClientClaims) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
		testkit.Until(vectorTime)
		got, err := c.VerifyClientToken(t.Context(), sign(goodHeader,
			`{"exp":1709636400,"client":{"clientData":`+data+`,"steamID":"76561198012345678"},"merchantId":"merchant-uuid"}`))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "Steam ID", got.SteamID, steamID)
		claims = got
	})
	return claims
}
