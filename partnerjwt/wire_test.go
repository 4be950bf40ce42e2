package partnerjwt_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
)

func TestMain(m *testing.M) { testkit.GoldenMain(m) }

const wireSecret = "wire-test-secret"

// onWire runs f in simulated time, with a client whose bytes are recorded.
var onWire = provider.OnWire(func(hc *http.Client) partnerjwt.Config {
	return partnerjwt.Config{
		ClientID: "client-1", Secret: providerauth.StaticSecret(wireSecret), BaseURL: testkit.WireURL, HTTPClient: hc,
	}
})

var emptyArray = testkit.Answer(http.StatusOK, `[]`, nil)

func TestWire_Types(t *testing.T) {
	amount := func(s string) providerauth.Number {
		a, err := testkit.ParseNumber(s)
		testkit.Must(t, err)
		return a
	}
	var s testkit.Sheet
	h := partnerjwt.Holding{Ticker: "A&B", Quantity: amount("10"), AveragePurchasePrice: amount("-0.10")}
	s.Add("partnerjwt.Holding", testkit.Marshalled(h, []*partnerjwt.Holding{&h, nil}))
	s.Add("partnerjwt.Holding never set", testkit.Marshalled(partnerjwt.Holding{}))
	s.Add("partnerjwt.Holding, read", testkit.Reads(func(h partnerjwt.Holding) string { return fmt.Sprintf("%+v", h) },
		`{"ticker":"AAPL","quantity":10,"averagePurchasePrice":150.25}`, `{"ticker":"AAPL","quantity":"10","averagePurchasePrice":150.25}`,
		`{"Ticker":"AAPL","QUANTITY":1e2}`, `{"ticker":1}`, `{"quantity":null}`, `{}`, `null`, `[]`))
	s.Add("partnerjwt.Claims", testkit.Marshalled(partnerjwt.Claims{ClientID: "c", ExpiresAt: time.Unix(1, 0).UTC()}))
	s.Add("partnerjwt.Token", testkit.Marshalled(partnerjwt.NewToken("v", time.Unix(1, 0))))
	r := &http.Request{Header: http.Header{"authorization": {"other"}}}
	partnerjwt.NewToken("v", time.Time{}).SetAuthHeader(r)
	s.Add("partnerjwt.Token.SetAuthHeader", fmt.Sprintf("%q", r.Header))
	s.Add("partnerjwt.Error", testkit.Marshalled(&partnerjwt.Error{
		Op: "Call", StatusCode: 422, Code: "c-7", Message: "not shown", Fields: testkit.OddFields,
		RequestID: "q-1", Attempts: 2, RetryAfter: time.Second, Err: testkit.ErrOdd,
	}, &partnerjwt.Error{}, []*partnerjwt.Error{nil}))
	testkit.Golden(t, "types", s.String())
}

func TestWire_Token(t *testing.T) {
	var s testkit.Sheet
	for _, id := range []string{"client-1", "a&b<c>é"} {
		onWire(t, emptyArray, func(t *testing.T, w *testkit.Wire, c *partnerjwt.Client) {
			tok, err := c.Token(t.Context())
			testkit.Must(t, err)
			s.Add(id, testkit.Segments(tok.Value()))
		}, func(cfg *partnerjwt.Config) { cfg.ClientID = id })
	}
	onWire(t, emptyArray, func(t *testing.T, w *testkit.Wire, c *partnerjwt.Client) {
		time.Sleep(1234567890 * time.Millisecond)
		tok, err := c.Token(t.Context())
		testkit.Must(t, err)
		s.Add("lifetime of an hour, at another time", testkit.Segments(tok.Value()))
	}, func(cfg *partnerjwt.Config) { cfg.Lifetime = time.Hour })
	testkit.Golden(t, "token", s.String())
}

func TestWire_Calls(t *testing.T) {
	onWire(t, emptyArray, func(t *testing.T, w *testkit.Wire, c *partnerjwt.Client) {
		var s testkit.Sheet
		_, err := c.Portfolio(t.Context())
		testkit.Must(t, err)
		s.Add("Portfolio", w.Sent())
		s.WriteString("\n" + w.Targets(t, func(method, path string, in any) error { return c.Call(t.Context(), method, path, in, nil) }))
		testkit.Golden(t, "calls", s.String())
	})
}

func TestWire_Call(t *testing.T) {
	onWire(t, emptyArray, func(t *testing.T, w *testkit.Wire, c *partnerjwt.Client) {
		testkit.Golden(t, "call", w.Calls(t, append(testkit.Bodies(), testkit.Amounts(testkit.ParseNumber)...), func(in any) error {
			return c.Call(t.Context(), http.MethodPost, "/trade", in, nil)
		}))
	})
}

func TestWire_HTTPClient(t *testing.T) {
	onWire(t, emptyArray, func(t *testing.T, w *testkit.Wire, c *partnerjwt.Client) {
		var s testkit.Sheet
		w.Requests(t, &s, "HTTPClient", c.HTTPClient())
		testkit.Golden(t, "httpclient", s.String())
	})
}

func TestWire_RejectedToken(t *testing.T) {
	h := &testkit.FailOnce{Path: "/trade", Status: http.StatusUnauthorized, Next: emptyArray}
	onWire(t, h, func(t *testing.T, w *testkit.Wire, c *partnerjwt.Client) {
		testkit.Must(t, c.Call(t.Context(), http.MethodPost, "/trade", map[string]int{"a": 1}, nil))
		var s testkit.Sheet
		s.Add("Call", w.Sent())
		h.Again()
		s.Add("HTTPClient", w.Post(t, c.HTTPClient(), "/trade", `{"a":1}`))
		testkit.Golden(t, "rejected", s.String())
	})
}

func TestWire_RepeatedCall(t *testing.T) {
	throttled := &testkit.FailOnce{Path: "/trade", Status: http.StatusTooManyRequests, Header: testkit.Throttled, Next: emptyArray}
	onWire(t, throttled, func(t *testing.T, w *testkit.Wire, c *partnerjwt.Client) {
		testkit.Must(t, c.Call(t.Context(), http.MethodPost, "/trade", map[string]int{"a": 1}, nil))
		testkit.Golden(t, "repeated", w.Sent())
	})
}

func TestWire_Answers(t *testing.T) {
	var s testkit.Sheet
	portfolio := ""
	for _, body := range []string{
		`[{"ticker":"AAPL","quantity":10,"averagePurchasePrice":150.25}]`, `[{"ticker":"AAPL","quantity":1e-3,"averagePurchasePrice":-0}]`,
		`[{"ticker":"AAPL","quantity":"10","averagePurchasePrice":150.25}]`, `[{"ticker":"","quantity":1,"averagePurchasePrice":1}]`,
		`[{"ticker":"AAPL","quantity":1}]`, `[null]`, `[]`, `null`, `{}`, ``,
	} {
		onWire(t, testkit.Answer(http.StatusOK, body, nil), func(t *testing.T, w *testkit.Wire, c *partnerjwt.Client) {
			got, err := c.Portfolio(t.Context())
			portfolio += testkit.Outcome(body, fmt.Sprintf("%+v", got), err)
		})
	}
	s.Add("Portfolio", portfolio)
	out := ""
	for _, body := range []string{`{"a":25.5}`, `{"a":"25.5"}`, `{"a":null}`, `{"a":1}{"a":2}`, `null`, ``} {
		onWire(t, testkit.Answer(http.StatusOK, body, nil), func(t *testing.T, w *testkit.Wire, c *partnerjwt.Client) {
			var got struct{ A providerauth.Number }
			err := c.Call(t.Context(), http.MethodGet, "/x", nil, &got)
			out += testkit.Outcome(body, fmt.Sprintf("%+v", got), err)
		})
	}
	s.Add("Call with an Amount in out", out)
	testkit.Golden(t, "answers", s.String())
}

func TestWire_Verify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s testkit.Sheet
		text := ""
		for _, payload := range []string{
			`{"clientId":"client-1","iat":946684800,"exp":946685700}`, `{"clientId":"client-1","exp":946685700.5}`,
			`{"clientid":"client-1","exp":946685700}`, `{"clientId":"a&b","exp":946685700,"other":{"x":1}}`, `{"clientId":"client-1"}`,
			`{"clientId":"client-1","exp":"946685700"}`, `{"clientId":"client-1","exp":946684800}`, `{"clientId":"client-1","iat":946684801,"exp":946685700}`,
			`{"clientId":"a","clientId":"client-1","exp":946685700}`, `{"clientId":1,"exp":946685700}`, `{}`,
		} {
			got, err := partnerjwt.Verify(context.Background(), testkit.HS256(wireSecret, `{"alg":"HS256","typ":"JWT"}`, payload), providerauth.StaticSecret(wireSecret), partnerjwt.VerifyOptions{})
			got.IssuedAt, got.ExpiresAt = got.IssuedAt.UTC(), got.ExpiresAt.UTC()
			text += testkit.Outcome(payload, testkit.Marshalled(got), err)
		}
		s.Add("Verify, by payload", text)
		text = ""
		for _, header := range []string{`{"alg":"HS256"}`, `{"typ":"JWT","alg":"HS256"}`, `{"alg":"none"}`, `{"alg":"HS512"}`, `{"alg":"HS256","crit":["x"]}`, `{}`} {
			_, err := partnerjwt.Verify(context.Background(), testkit.HS256(wireSecret, header, `{"clientId":"client-1","exp":946685700}`), providerauth.StaticSecret(wireSecret), partnerjwt.VerifyOptions{})
			text += testkit.Outcome(header, "accepted", err)
		}
		s.Add("Verify, by header", text)
		testkit.Golden(t, "verify", s.String())
	})
}
