package merchantauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
)

func TestMain(m *testing.M) { testkit.GoldenMain(m) }

const oneCustomer = `{"data":{"id":"c-1"}}`

// onWire runs f in simulated time, with a client whose bytes are recorded.
var onWire = provider.OnWire(func(hc *http.Client) merchantauth.Config {
	return merchantauth.Config{
		MerchantID: "m-<&>é", Email: "a&b@merchant.example", Password: providerauth.StaticSecret(`p<&>"é`),
		BaseURL: testkit.WireURL, HTTPClient: hc,
	}
})

// succeeding answers logins and refreshes with tokens, and calls with data.
var succeeding = testkit.Answer(http.StatusOK, oneCustomer, map[string]string{
	loginPath:           `{"data":{"accessToken":"access.1","expiresIn":946688400,"refreshToken":"refresh<&>.1"}}`,
	refreshPath:         `{"data":{"accessToken":"access.2","expiresIn":946692000,"refreshToken":"refresh.2"}}`,
	"/v2/customer/find": `{"data":[{"id":"c-1"}]}`,
})

var (
	fullCustomer = merchantauth.CreateCustomerRequest{
		Email: "a&b@c.example", FirstName: "<A>", LastName: "é", Country: "FR", VerificationDocumentID: "D", ResidenceAddress: "1 Street\n<2> City",
		PhoneNumber: "+33", Comment: "c & d", ExternalID: "e", ReferralID: "r", ITN: "i",
	}
	fullQuery = merchantauth.CustomerQuery{
		Email: "a&b@c.example", ExternalID: "e", WalletID: "w", PhoneNumber: "+33", FullName: "<A> é", Comment: "c\nd", ReferralID: "r",
		CreatedFrom: time.Date(2024, 2, 29, 23, 59, 59, 123999999, time.FixedZone("", 2*60*60)), CreatedTo: time.Unix(1710000000, 0), Take: 10, Skip: 20,
	}
)

func TestWire_Types(t *testing.T) {
	var s testkit.Sheet
	full := merchantauth.Customer{
		ID: "c-1", WalletID: "w", Email: "a&b@c.example", PhoneNumber: "+33", FirstName: "A", LastName: "B", Comment: "<c>", ExternalID: "e",
		CreatedAt: time.Date(2024, 2, 29, 23, 59, 59, 123999999, time.FixedZone("", 2*60*60)),
	}
	s.Add("merchantauth.Customer", testkit.Marshalled(full, []*merchantauth.Customer{&full, nil}))
	s.Add("merchantauth.Customer empty", testkit.Marshalled(merchantauth.Customer{}))
	again := func(c merchantauth.Customer) string { return testkit.Marshalled(c) + " raw " + string(c.Raw()) }
	s.Add("merchantauth.Customer, read", testkit.Reads(again,
		`{"id":"c-1","walletId":"w","email":"a&b@c.example","phoneNumber":"+33","firstName":"A","lastName":"B","comment":"<c>","externalId":"e","createdAt":"2024-01-02T03:04:05.678Z","other":[1, 2]}`,
		`{"id":7,"walletId":8.50,"email":null,"firstName":{"a":1},"createdAt":"soon"}`, `{"id":"c-1","createdAt":1710000000}`, `{"ID":"c-1"}`,
		`{"id":"a","id":"b"}`, `{"id":""}`, `{"id":null}`, `{}`, `null`, `[]`, `"c-1"`))
	s.Add("merchantauth.Customer in a slice, read", testkit.Reads(func(l []merchantauth.Customer) string { return testkit.Marshalled(l) },
		`[{"id":"a"},{"id":"b"}]`, `[{"id":"a"},{}]`, `[null]`, `[]`))
	s.Add("merchantauth.CreateCustomerRequest", testkit.Marshalled(fullCustomer, merchantauth.CreateCustomerRequest{}))
	s.Add("merchantauth.CustomerQuery", testkit.Marshalled(fullQuery, merchantauth.CustomerQuery{}))
	s.Add("merchantauth.ErrorEntry", testkit.Marshalled(merchantauth.ErrorEntry{Code: "C", Raw: json.RawMessage(`{"code": "C"}`)}, merchantauth.ErrorEntry{}))
	s.Add("merchantauth.Token", testkit.Marshalled(merchantauth.NewToken("v", "r", time.Unix(1, 0), time.Unix(2, 0))))
	r := &http.Request{Header: http.Header{"authorization": {"other"}}}
	merchantauth.NewToken("v", "r", time.Time{}, time.Time{}).SetAuthHeader(r)
	s.Add("merchantauth.Token.SetAuthHeader", fmt.Sprintf("%q", r.Header))
	s.Add("merchantauth.Error", testkit.Marshalled(&merchantauth.Error{
		Op: "Call", StatusCode: 422, Code: "UNAUTHORIZED", Name: "N", Message: "not shown", Fields: testkit.OddFields,
		RequestID: "q-1", Attempts: 2, RetryAfter: time.Second, Err: testkit.ErrOdd,
	}, &merchantauth.Error{}, []*merchantauth.Error{nil}))
	testkit.Golden(t, "types", s.String())
}

func TestWire_Session(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *merchantauth.Client) {
		var s testkit.Sheet
		tok, err := c.Login(t.Context())
		testkit.Must(t, err)
		s.Add("Login", w.Sent())
		_, err = c.Refresh(t.Context(), tok)
		testkit.Must(t, err)
		s.Add("Refresh", w.Sent())
		_, err = c.Refresh(t.Context(), merchantauth.NewToken("a", `kept elsewhere <&>"é`, time.Time{}, time.Time{}))
		testkit.Must(t, err)
		s.Add("Refresh of a token kept elsewhere", w.Sent())
		time.Sleep(49 * time.Hour)
		_, err = c.Token(t.Context())
		s.Add("Token after all have expired", w.Sent())
		if err == nil {
			t.Error("the answer has expired, and there is a token")
		}
		testkit.Golden(t, "session", s.String())
	})
}

func TestWire_Calls(t *testing.T) {
	for name, change := range map[string]func(*merchantauth.Config){"session": func(*merchantauth.Config) {}, "key": withKey} {
		onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *merchantauth.Client) {
			var s testkit.Sheet
			sent := func(title string, err error) {
				t.Helper()
				testkit.Must(t, err)
				s.Add(title, w.Sent())
			}
			_, err := c.CustomerDetails(t.Context(), "c-<&>")
			sent("CustomerDetails", err)
			_, err = c.FindCustomers(t.Context(), merchantauth.CustomerQuery{ExternalID: "e"})
			sent("FindCustomers", err)
			_, err = c.FindCustomers(t.Context(), fullQuery)
			sent("FindCustomers with everything", err)
			_, err = c.CreateCustomer(t.Context(), alex())
			sent("CreateCustomer", err)
			_, err = c.CreateCustomer(t.Context(), fullCustomer)
			sent("CreateCustomer with everything", err)
			s.WriteString("\n" + w.Targets(t, func(method, path string, in any) error { return c.Call(t.Context(), method, path, in, nil) }))
			testkit.Golden(t, "calls-"+name, s.String())
		}, change)
	}
}

func TestWire_Call(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *merchantauth.Client) {
		_ = token(t, c)
		_ = w.Sent()
		testkit.Golden(t, "call", w.Calls(t, testkit.Bodies(), func(in any) error {
			return c.Call(t.Context(), http.MethodPost, "/v2/x", in, nil)
		}))
	})
}

func TestWire_HTTPClient(t *testing.T) {
	var s testkit.Sheet
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *merchantauth.Client) {
		_ = token(t, c)
		_ = w.Sent()
		w.Requests(t, &s, "HTTPClient", c.HTTPClient())
	})
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *merchantauth.Client) {
		w.Requests(t, &s, "HTTPClient in key mode", c.HTTPClient())
	}, withKey)
	testkit.Golden(t, "httpclient", s.String())
}

func TestWire_RejectedToken(t *testing.T) {
	h := &testkit.FailOnce{
		Path: "/v2/x", Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError"}}]}`, Next: succeeding,
	}
	onWire(t, h, func(t *testing.T, w *testkit.Wire, c *merchantauth.Client) {
		testkit.Must(t, c.Call(t.Context(), http.MethodPost, "/v2/x", map[string]int{"a": 1}, nil))
		var s testkit.Sheet
		s.Add("Call", w.Sent())
		h.Again()
		s.Add("HTTPClient", w.Post(t, c.HTTPClient(), "/v2/x", `{"a":1}`))
		testkit.Golden(t, "rejected", s.String())
	})
}

func TestWire_RepeatedCall(t *testing.T) {
	var s testkit.Sheet
	for _, path := range []string{loginPath, createPath} {
		throttled := &testkit.FailOnce{Path: path, Status: http.StatusTooManyRequests, Header: testkit.Throttled, Next: succeeding}
		onWire(t, throttled, func(t *testing.T, w *testkit.Wire, c *merchantauth.Client) {
			_, err := c.CreateCustomer(t.Context(), alex())
			testkit.Must(t, err)
			s.Add("CreateCustomer, "+path+" throttled", w.Sent())
		})
	}
	testkit.Golden(t, "repeated", s.String())
}

func TestWire_Answers(t *testing.T) {
	var s testkit.Sheet
	read := func(title string, call func(ctx context.Context, c *merchantauth.Client) (any, error), change func(*merchantauth.Config), bodies ...string) {
		t.Helper()
		text := ""
		for _, body := range bodies {
			onWire(t, testkit.Answer(http.StatusOK, body, nil), func(t *testing.T, _ *testkit.Wire, c *merchantauth.Client) {
				got, err := call(t.Context(), c)
				text += testkit.Outcome(body, testkit.Marshalled(got), err)
			}, change, func(cfg *merchantauth.Config) { cfg.MaxAttempts = 1 })
		}
		s.Add(title, text)
	}
	read("Login", func(ctx context.Context, c *merchantauth.Client) (any, error) {
		tok, err := c.Login(ctx)
		return []any{tok.Value(), tok.RefreshToken(), tok.ExpiresAt.UTC(), tok.RefreshExpiresAt.UTC()}, err
	}, func(*merchantauth.Config) {},
		`{"data":{"accessToken":"a","expiresIn":946688400,"refreshToken":"r"}}`, `{"data":{"accessToken":"a","expiresIn":"946688400.9"},"errors":[]}`,
		`{"data":{"accessToken":"a","expiresIn":3600,"refreshToken":"r"}}`, `{"data":{"accessToken":"a b","expiresIn":946688400}}`,
		`{"data":{"accessToken":"a","expiresIn":946688400,"refreshToken":7}}`, `{"data":{"accessToken":"a","expiresIn":946688400},"errors":[{"code":"X"}]}`,
		`{"data":null}`, `{}`, ``)
	read("CustomerDetails", func(ctx context.Context, c *merchantauth.Client) (any, error) { return c.CustomerDetails(ctx, "c-1") }, withKey,
		`{"data":{"id":"c-1","walletId":"w"}}`, `{"data":{"id":7}}`, `{"data":{}}`, `{"data":null}`, `{"data":[]}`, `{"data":{"id":"c"},"errors":[{}]}`, `{}`)
	read("FindCustomers", func(ctx context.Context, c *merchantauth.Client) (any, error) {
		return c.FindCustomers(ctx, merchantauth.CustomerQuery{Email: "e"})
	}, withKey,
		`{"data":[{"id":"c-1"},{"id":"c-2"}]}`, `{"data":[]}`, `{"data":{"items":[{"id":"c-1"}],"total":1}}`, `{"data":{"a":[],"b":[]}}`, `{"data":{"a":1}}`, `{"data":null}`, `{"data":[{}]}`)

	text := ""
	for _, body := range []string{
		`{"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError","message":"jwt expired","expiredAt":"2000-01-01T00:00:00.000Z"}}]}`,
		`{"errors":[{"code":7,"message":"text"},{"message":["a",{"message":"b"}]}]}`, `{"errors":{"code":"X"}}`, `{"errors":["text"]}`,
	} {
		onWire(t, testkit.Answer(http.StatusBadRequest, body, nil), func(t *testing.T, _ *testkit.Wire, c *merchantauth.Client) {
			e := errorIs(t, c.Call(t.Context(), http.MethodPost, "/v2/x", nil, nil))
			text += body + " => " + testkit.Marshalled(e.Entries) + "\n"
		}, withKey)
	}
	s.Add("Error.Entries", text)
	testkit.Golden(t, "answers", s.String())
}
