package assetpay_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestMain(m *testing.M) { testkit.GoldenMain(m) }

const wireSecret = "wire-test-secret"

// onWire runs f in simulated time, with a client whose bytes are recorded.
var onWire = provider.OnWire(func(hc *http.Client) assetpay.Config {
	return assetpay.Config{
		APIKey: providerauth.StaticSecret("wire-test-key"), APISecret: providerauth.StaticSecret(wireSecret), MerchantID: "merchant-1",
		BaseURL: testkit.WireURL, HTTPClient: hc,
	}
})

// succeeding answers exchanges with a token, and calls with data.
var succeeding = testkit.Answer(http.StatusOK, `{"requestId":"q-1","success":true,"data":{}}`, map[string]string{
	exchange: `{"requestId":"q-1","success":true,"data":{"token":"client.token.1"}}`,
})

// everyone has requests for tokens with all forms of client data.
func everyone() []struct {
	name string
	req  assetpay.User
} {
	full := with(assetpay.ClientData{
		TotalWager: 1234.5, KYCLevel: 3, FiatDeposits: true, CryptoDeposits: true, KYCHash: "h<&>",
		RegistrationDate: time.Date(2024, 2, 29, 23, 59, 59, 123999999, time.FixedZone("", 2*60*60)),
	})
	full.ClientID = "c-<&>é"
	wager := func(f float64) assetpay.User { return with(assetpay.ClientData{TotalWager: f}) }
	return []struct {
		name string
		req  assetpay.User
	}{
		{"without client data", user()},
		{"with empty client data", with(assetpay.ClientData{})},
		{"with everything", full},
		{"with a long wager", wager(0.1 + 1e-9)},
		{"with a great wager", wager(1e21)},
		{"with a small wager", wager(1e-7)},
		{"with a date in whole seconds", with(assetpay.ClientData{RegistrationDate: time.Unix(0, 0)})},
	}
}

func TestWire_Types(t *testing.T) {
	var s testkit.Sheet
	full := everyone()[2].req
	s.Add("assetpay.ClientData", testkit.Marshalled(*full.ClientData))
	s.Add("assetpay.ClientData empty", testkit.Marshalled(assetpay.ClientData{}))
	s.Add("assetpay.ClientData, read", testkit.Reads(func(d assetpay.ClientData) string { return fmt.Sprintf("%+v", d) },
		`{"TotalWager":1.5,"KYCLevel":2,"FiatDeposits":true,"RegistrationDate":"2024-01-02T03:04:05Z","KYCHash":"h"}`,
		`{"totalWager":1.5,"kycLevel":2,"fiatDeposits":true}`, `{"TotalWager":"1.5"}`, `{"RegistrationDate":"2024-01-02"}`, `null`))
	s.Add("assetpay.User", testkit.Marshalled(full, user()))
	s.Add("assetpay.AuthenticateClientResponse", testkit.Marshalled(assetpay.AuthenticateClientResponse{}))
	s.Add("assetpay.ClientClaims", testkit.Marshalled(assetpay.ClientClaims{MerchantID: "m", ClientData: full.ClientData, ExpiresAt: time.Unix(1, 0).UTC()}))
	s.Add("assetpay.Token", testkit.Marshalled(assetpay.NewToken("v", time.Unix(1, 0)), []*assetpay.Token{nil}))
	r := &http.Request{Header: http.Header{"authorization": {"other"}}}
	assetpay.NewToken("v", time.Time{}).SetAuthHeader(r)
	s.Add("assetpay.Token.SetAuthHeader", fmt.Sprintf("%q", r.Header))
	s.Add("assetpay.MintMode", testkit.Marshalled([]assetpay.MintMode{assetpay.MintRemote, assetpay.MintLocal}))
	s.Add("assetpay.Error", testkit.Marshalled(&assetpay.Error{
		Op: "Call", StatusCode: 422, Code: 7, Key: "VALIDATION_FAILED", Message: "not shown", Fields: testkit.OddFields,
		RequestID: "q-1", Attempts: 2, RetryAfter: time.Second, Err: testkit.ErrOdd,
	}, &assetpay.Error{}, []*assetpay.Error{nil}))
	testkit.Golden(t, "types", s.String())
}

func TestWire_AuthenticateClient(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *assetpay.Client) {
		var s testkit.Sheet
		for _, u := range everyone() {
			_, err := c.AuthenticateClient(t.Context(), u.req)
			testkit.Must(t, err)
			s.Add("AuthenticateClient "+u.name, w.Sent())
		}
		_, err := c.Token(t.Context(), user())
		testkit.Must(t, err)
		s.Add("Token", w.Sent())
		_, err = c.TokenSource(everyone()[2].req).Token(t.Context())
		testkit.Must(t, err)
		s.Add("TokenSource with everything", w.Sent())
		testkit.Golden(t, "authenticate", s.String())
	})
}

func TestWire_LooseTradeURL(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *assetpay.Client) {
		_, err := c.AuthenticateClient(t.Context(), assetpay.User{
			SteamID: steamID, TradeURL: "https://SteamCommunity.com/a%2Fb/?x=<&>é#f",
		})
		testkit.Must(t, err)
		testkit.Golden(t, "tradeurl", w.Sent())
	}, func(cfg *assetpay.Config) { cfg.LooseTradeURL = true })
}

func TestWire_MintClientToken(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *assetpay.Client) {
		var s testkit.Sheet
		for _, u := range everyone() {
			tok, err := c.MintClientToken(t.Context(), u.req)
			testkit.Must(t, err)
			s.Add("MintClientToken "+u.name, testkit.Segments(tok.Value()))
		}
		time.Sleep(1234567890 * time.Millisecond)
		tok, err := c.MintClientToken(t.Context(), user())
		testkit.Must(t, err)
		s.Add("MintClientToken at another time", testkit.Segments(tok.Value()))
		testkit.Golden(t, "mint", s.String())
	}, func(cfg *assetpay.Config) { cfg.MerchantID = "m-<&>é" })
}

func TestWire_Calls(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *assetpay.Client) {
		var s testkit.Sheet
		s.WriteString(w.Targets(t, func(method, path string, in any) error { return c.Call(t.Context(), method, path, in, nil) }))
		testkit.Must(t, c.CallFor(t.Context(), user(), http.MethodGet, "/client/inventory?limit=1", nil, nil))
		s.Add("CallFor, with the token it needs", w.Sent())
		testkit.Must(t, c.CallFor(t.Context(), user(), http.MethodPost, "/client/deposit", map[string]any{"a": "<&>"}, nil))
		s.Add("CallFor with a body", w.Sent())
		testkit.Golden(t, "calls", s.String())
	})
}

func TestWire_Call(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *assetpay.Client) {
		testkit.Golden(t, "call", w.Calls(t, testkit.Bodies(), func(in any) error {
			return c.Call(t.Context(), http.MethodPost, "/secure/x", in, nil)
		}))
	})
}

func TestWire_CallFor(t *testing.T) {
	modes := []struct {
		name   string
		change func(*assetpay.Config)
	}{
		{"remote", func(*assetpay.Config) {}},
		{"remote, bare", func(cfg *assetpay.Config) { cfg.BareToken = true }},
		{"local", local},
		{"local, bare", func(cfg *assetpay.Config) { local(cfg); cfg.BareToken = true }},
	}
	var s testkit.Sheet
	for _, mode := range modes {
		onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *assetpay.Client) {
			testkit.Must(t, c.CallFor(t.Context(), everyone()[2].req, http.MethodGet, "/client/inventory", nil, nil))
			s.Add("CallFor, "+mode.name, w.Sent())
			r := new(http.Request)
			token(t, c.TokenSource(everyone()[2].req)).SetAuthHeader(r)
			s.Add("SetAuthHeader, "+mode.name, fmt.Sprintf("%q", r.Header))
		}, mode.change)
	}
	testkit.Golden(t, "callfor", s.String())
}

func TestWire_HTTPClient(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *assetpay.Client) {
		_ = token(t, c.TokenSource(user()))
		_ = w.Sent()
		var s testkit.Sheet
		w.Requests(t, &s, "HTTPClient", c.HTTPClient())
		w.Requests(t, &s, "HTTPClientFor", c.HTTPClientFor(user()))
		testkit.Golden(t, "httpclient", s.String())
	})
}

func TestWire_RejectedToken(t *testing.T) {
	var s testkit.Sheet
	for _, mode := range []struct {
		name   string
		change func(*assetpay.Config)
	}{{"remote", func(*assetpay.Config) {}}, {"local", local}} {
		h := &testkit.FailOnce{
			Path: "/client/x", Status: http.StatusUnauthorized, Body: `{"success":false,"error":{"code":401,"key":"INVALID_TOKEN"}}`, Next: succeeding,
		}
		onWire(t, h, func(t *testing.T, w *testkit.Wire, c *assetpay.Client) {
			testkit.Must(t, c.CallFor(t.Context(), user(), http.MethodPost, "/client/x", map[string]int{"a": 1}, nil))
			s.Add("CallFor, "+mode.name, w.Sent())
			h.Again()
			s.Add("HTTPClientFor, "+mode.name, w.Post(t, c.HTTPClientFor(user()), "/client/x", `{"a":1}`))
		}, mode.change)
	}
	testkit.Golden(t, "rejected", s.String())
}

func TestWire_RepeatedCall(t *testing.T) {
	var s testkit.Sheet
	throttled := func(path string) http.Handler {
		return &testkit.FailOnce{Path: path, Status: http.StatusTooManyRequests, Header: testkit.Throttled, Next: succeeding}
	}
	onWire(t, throttled("/secure/x"), func(t *testing.T, w *testkit.Wire, c *assetpay.Client) {
		testkit.Must(t, c.Call(t.Context(), http.MethodPost, "/secure/x", map[string]int{"a": 1}, nil))
		s.Add("Call", w.Sent())
	})
	onWire(t, throttled(exchange), func(t *testing.T, w *testkit.Wire, c *assetpay.Client) {
		_ = token(t, c.TokenSource(user()))
		s.Add("Token", w.Sent())
	})
	testkit.Golden(t, "repeated", s.String())
}

func TestWire_Answers(t *testing.T) {
	var s testkit.Sheet
	read := func(title string, call func(ctx context.Context, c *assetpay.Client) (any, error), bodies ...string) {
		t.Helper()
		text := ""
		for _, body := range bodies {
			onWire(t, testkit.Answer(http.StatusOK, body, nil), func(t *testing.T, _ *testkit.Wire, c *assetpay.Client) {
				got, err := call(t.Context(), c)
				text += testkit.Outcome(body, fmt.Sprintf("%v", got), err)
			}, once)
		}
		s.Add(title, text)
	}
	read("AuthenticateClient", func(ctx context.Context, c *assetpay.Client) (any, error) {
		resp, err := c.AuthenticateClient(ctx, user())
		return fmt.Sprintf("%s, request id %s, until %s, assumed %v", resp.Token.Value(), resp.RequestID, resp.Token.ExpiresAt.UTC(), resp.Token.ExpiryAssumed), err
	},
		`{"requestId":"q-1","success":true,"data":{"token":"v"}}`, `{"requestId":7,"success":true,"data":{"token":"v"},"error":null}`,
		`{"success":true,"data":{"token":"`+testkit.HS256(wireSecret, `{"alg":"HS256"}`, `{"iat":946684800,"exp":946688400}`)+`"}}`,
		`{"success":true,"data":{"token":"`+testkit.HS256(wireSecret, `{"alg":"HS256"}`, `{"iat":946684800,"exp":978220800}`)+`"}}`,
		`{"success":true,"data":{"token":""}}`, `{"success":true,"data":{"token":1}}`, `{"success":true,"data":{}}`, `{"success":true,"data":null}`,
		`{"success":true}`, `{"success":"true","data":{"token":"v"}}`, `{"success":false,"data":{"token":"v"}}`, `{"data":{"token":"v"}}`, `{}`, ``)
	read("Call with out", func(ctx context.Context, c *assetpay.Client) (any, error) {
		var out struct{ A any }
		err := c.Call(ctx, http.MethodGet, "/secure/x", nil, &out)
		return out, err
	},
		`{"success":true,"data":{"a":25.5}}`, `{"success":true,"data":{"A":"<\u0026>"}}`, `{"success":true,"data":null}`, `{"success":true,"data":[]}`, `{"success":true,"data":{}} {}`)
	testkit.Golden(t, "answers", s.String())
}

func TestWire_VerifyClientToken(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, _ *testkit.Wire, c *assetpay.Client) {
		var s testkit.Sheet
		verify := func(title, header, payload string) string {
			got, err := c.VerifyClientToken(t.Context(), testkit.HS256(wireSecret, header, payload))
			got.IssuedAt, got.ExpiresAt = got.IssuedAt.UTC(), got.ExpiresAt.UTC()
			return testkit.Outcome(title, testkit.Marshalled(got), err)
		}
		payload := func(client string) string {
			return `{"merchantId":"merchant-1","client":` + client + `,"iat":946684800,"exp":946771200}`
		}
		text := ""
		for _, client := range []string{
			`{"steamID":"76561198012345678","tradeUrl":"t"}`, `{"steamID":"76561198012345678","tradeUrl":"<&>","clientId":"c","clientData":{}}`,
			`{"steamID":"76561198012345678","clientData":{"totalWager":1.5,"kycLevel":2,"fiatDeposits":true,"cryptoDeposits":false,"registrationDate":"2024-01-02T03:04:05.678Z","kycHash":"h"}}`,
			`{"steamID":"76561198012345678","clientData":{"registrationDate":"2024-01-02"}}`, `{"steamID":"76561198012345678","clientData":{"registrationDate":null}}`,
			`{"steamID":"76561198012345678","clientData":null}`, `{"steamID":"76561198012345678","clientData":{"totalWager":"1.5"}}`,
			`{"steamID":"76561198012345678","clientData":{"registrationDate":"soon"}}`, `{"steamid":"76561198012345678"}`, `{"steamID":76561198012345678}`, `{}`,
		} {
			text += verify(client, `{"alg":"HS256","userId":"merchant-1"}`, payload(client))
		}
		s.Add("VerifyClientToken, by client", text)
		text = ""
		for _, header := range []string{
			`{"alg":"HS256","userId":"merchant-1","typ":"JWT"}`, `{"alg":"HS256"}`, `{"alg":"HS256","userid":"merchant-1"}`, `{"alg":"none","userId":"merchant-1"}`, `{"alg":"HS256","userId":"other"}`,
		} {
			text += verify(header, header, payload(`{"steamID":"76561198012345678"}`))
		}
		s.Add("VerifyClientToken, by header", text)
		testkit.Golden(t, "verify", s.String())
	})
}
