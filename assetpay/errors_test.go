package assetpay_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// refusal is AssetPay's error envelope.
func refusal(code int, key string, more ...string) string {
	return fmt.Sprintf(`{"requestId":"req-1","success":false,"error":{"code":%d,"key":%q,"message":"m"%s}}`, code, key, strings.Join(more, ""))
}

func sentinels() map[string]error {
	return map[string]error{
		"unauthorized": providerauth.ErrUnauthorized, "rate": providerauth.ErrRateLimited, "invalid": providerauth.ErrInvalidRequest,
		"bad": providerauth.ErrBadResponse, "ambiguous": providerauth.ErrAmbiguous, "scope": assetpay.ErrScopeDenied,
		"nosecret": assetpay.ErrNoAPISecret, "notsent": providerauth.ErrNotSent,
	}
}

func TestErrorsAreToldApartByTheirKey(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		is     string // the sentinels, in order of their names
		retry  bool
	}{
		{400, refusal(1001, "VALIDATION_FAILED"), "invalid", false},
		{422, refusal(1001, "VALIDATION_FAILED"), "invalid", false},
		{200, refusal(1001, "VALIDATION_FAILED"), "invalid", false},
		{401, refusal(1900, "MISSING_API_KEY"), "unauthorized", false},
		{401, refusal(1901, "INVALID_API_KEY"), "unauthorized", false},
		{401, refusal(1902, "API_KEY_REVOKED"), "unauthorized", false},
		{403, refusal(1903, "API_KEY_SCOPE_DENIED"), "scope unauthorized", false},
		{403, refusal(0, "INSUFFICIENT_SCOPE"), "scope unauthorized", false},
		{403, refusal(0, "API_KEY_IP_DENIED"), "unauthorized", false},
		{403, refusal(1915, "NO_API_SECRET_CONFIGURED"), "nosecret", false},
		{400, refusal(1915, "NO_API_SECRET_CONFIGURED"), "invalid nosecret", false},
		{403, refusal(1300, "FORBIDDEN"), "unauthorized", false},
		{403, refusal(1301, "ACCOUNT_DISABLED"), "unauthorized", false},
		{403, refusal(0, "MERCHANT_API_KEY_REQUIRED"), "unauthorized", false},
		{409, refusal(0, "DEPOSIT_IN_PROGRESS"), "", true},
		{409, refusal(0, "WITHDRAW_IN_PROGRESS"), "", true},
		{409, refusal(0, "ONCHAIN_CLIENT_WITHDRAW_BUSY"), "", true},
		{404, refusal(1003, "NOT_FOUND"), "", false},
		{409, refusal(1004, "CONFLICT"), "", false},
		{401, refusal(1100, "UNAUTHORIZED"), "unauthorized", false},
		{401, refusal(1102, "INVALID_TOKEN"), "unauthorized", false},
		{401, refusal(1108, "MISSING_BEARER"), "unauthorized", false},
		{401, refusal(1110, "TOKEN_INVALID_OR_EXPIRED"), "unauthorized", false},
		{401, refusal(1111, "TOKEN_EXPIRED"), "unauthorized", false},
		// One number is the rate limit on one host and maintenance on the other.
		{429, refusal(1005, "RATE_LIMITED"), "rate", true},
		{429, refusal(1007, "RATE_LIMITED"), "rate", true},
		{400, refusal(1007, "RATE_LIMITED"), "invalid rate", false},
		{200, refusal(1007, "RATE_LIMITED"), "rate", true},
		{503, refusal(1007, "SYSTEM_MAINTENANCE"), "", true},
		{200, refusal(1007, "SYSTEM_MAINTENANCE"), "", true},
		{500, refusal(1006, "SERVER_ERROR"), "", true},
		{503, refusal(1009, "SERVICE_UNAVAILABLE"), "", true},
		{418, refusal(9999, "NEW_ONE"), "", false},
		// What is no envelope.
		{401, `<html>`, "unauthorized", false},
		{403, ``, "", false},
		{429, ``, "rate", true},
		{500, `<html>`, "ambiguous", true},
		{502, `{}`, "ambiguous", true},
		{503, ``, "ambiguous", true},
		{500, `{"success":true,"data":{}}`, "ambiguous", true},
		{500, `{"success":false}`, "ambiguous", true},
		{500, `{"success":false,"error":"no"}`, "ambiguous", true},
		{500, `{"success":true,"error":{"code":1006}}`, "ambiguous", true},
		{500, `{"error":{"code":1006,"message":"m"}}`, "ambiguous", true},
		{200, `{"success":false}`, "ambiguous bad", false},
		{302, ``, "bad", false},
	} {
		t.Run(fmt.Sprint(tc.status, " ", tc.body), func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				answering(srv, tc.status, nil, tc.body)
				for i, call := range []func() error{
					func() error { _, err := c.AuthenticateClient(t.Context(), user()); return err },
					func() error { return c.Call(t.Context(), "GET", "/secure/prices", nil, nil) },
				} {
					err := call()
					var is []string
					for _, name := range []string{"ambiguous", "bad", "invalid", "nosecret", "notsent", "rate", "scope", "unauthorized"} {
						if errors.Is(err, sentinels()[name]) {
							is = append(is, name)
						}
					}
					testkit.Equal(t, "sentinels", strings.Join(is, " "), tc.is)
					e := errorIs(t, err)
					_, retry := e.Retryable()
					// An exchange whose answer is unusable may be made again, as the cache does.
					testkit.Equal(t, "retryable", retry, tc.retry || i == 0 && tc.is == "ambiguous bad")
					testkit.Equal(t, "ambiguous", e.Ambiguous(), errors.Is(err, providerauth.ErrAmbiguous))
					testkit.Equal(t, "status, attempts", []int{e.StatusCode, e.Attempts}, []int{tc.status, 1})
				}
			}, once)
		})
	}
}

func TestErrorKeepsWhatTheAnswerSays(t *testing.T) {
	type seen struct {
		Code                    int
		Key, Message, RequestID string
		Fields                  map[string]string
		Details, Body, Text     string
		RetryAfter              time.Duration
	}
	const text = "assetpay: AuthenticateClient: status 400"
	for name, tc := range map[string]struct {
		header http.Header
		body   string
		want   seen
	}{
		"all of it": {
			http.Header{"X-Request-Id": {"from-header"}, "Retry-After": {"3"}},
			refusal(1001, "VALIDATION_FAILED", `,"fields":{"clientSteamId":"bad form","clientData.kycLevel":"too low"},"details":{"limit": 3}`),
			seen{
				Code: 1001, Key: "VALIDATION_FAILED", Message: "m", RequestID: "req-1", Details: `{"limit": 3}`, RetryAfter: 3 * time.Second,
				Fields: map[string]string{"clientSteamId": "bad form", "clientData.kycLevel": "too low"},
				Text:   text + ", code VALIDATION_FAILED, retry after 3s: AssetPay does not accept the request: see Fields and Message; field clientData.kycLevel; field clientSteamId",
			},
		},
		"message an array": {
			nil, `{"requestId":"r","success":false,"error":{"code":1001,"key":"K","message":["a: b","c"]}}`,
			seen{Code: 1001, Key: "K", Message: "a: b; c", RequestID: "r", Text: text + ", code K: AssetPay does not accept the request: see Fields and Message"},
		},
		"request id in the header": {
			http.Header{"X-Request-Id": {"h-1"}},
			`{"success":false,"error":{"code":"7","key":"K","message":null}}`,
			seen{Code: 7, Key: "K", RequestID: "h-1", Text: text + ", code K: AssetPay does not accept the request: see Fields and Message"},
		},
		"a code and no key": {
			nil, `{"success":false,"error":{"code":1001}}`,
			seen{Code: 1001, Text: text + ", code 1001: AssetPay does not accept the request: see Fields and Message"},
		},
		"a key that is none": {
			nil, `{"success":false,"error":{"key":"ap_live_secret-key"}}`,
			seen{Key: "ap_live_secret-key", Text: text + ": AssetPay does not accept the request: see Fields and Message"},
		},
		"members of other types": {
			nil, `{"requestId":7,"success":false,"error":{"code":[],"key":{},"message":{"a":1},"fields":["x"],"details":null}}`,
			seen{RequestID: "7", Text: text + ": AssetPay does not accept the request: see Fields and Message"},
		},
		"fields of other types": {
			nil, `{"success":false,"error":{"fields":{"a":["x","y"],"b":1,"c":null}}}`,
			seen{Fields: map[string]string{"a": "x; y", "b": "1", "c": ""}, Text: text + ": AssetPay does not accept the request: see Fields and Message; field a; field b; field c"},
		},
		"error a text": {
			nil, `{"success":false,"error":"no"}`,
			seen{Message: "no", Text: text + ": AssetPay does not accept the request: see Fields and Message"},
		},
		"no envelope": {nil, `<html>`, seen{Text: text + ": AssetPay does not accept the request: see Fields and Message"}},
		"an array":    {nil, `[1]`, seen{Text: text + ": AssetPay does not accept the request: see Fields and Message"}},
		"nothing":     {nil, ``, seen{Text: text + ": AssetPay does not accept the request: see Fields and Message"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				answering(srv, 400, tc.header, tc.body)
				_, err := c.AuthenticateClient(t.Context(), user())
				e := errorIs(t, err)
				tc.want.Body = tc.body
				got := seen{e.Code, e.Key, e.Message, e.RequestID, e.Fields, string(e.Details()), e.Body(), e.Error(), e.RetryAfter}
				testkit.Equal(t, "error", got, tc.want)
			}, once)
		})
	}
}

func TestSimulatedRefusalsAreReadAsTheyAreMeant(t *testing.T) {
	for name, tc := range map[string]struct {
		opt    assetpaytest.Options
		change func(*assetpay.Config)
		is     []error
		want   string // status, code, key
	}{
		"wrong key":      {assetpaytest.Options{}, func(c *assetpay.Config) { c.APIKey = providerauth.StaticSecret("ap_2") }, []error{providerauth.ErrUnauthorized}, "401 1901 INVALID_API_KEY"},
		"no scope":       {assetpaytest.Options{NoCoreAccess: true}, once, []error{providerauth.ErrUnauthorized, assetpay.ErrScopeDenied}, "403 1903 API_KEY_SCOPE_DENIED"},
		"no API secret":  {assetpaytest.Options{NoAPISecret: true}, once, []error{assetpay.ErrNoAPISecret}, "403 1915 NO_API_SECRET_CONFIGURED"},
		"limit":          {assetpaytest.Options{RateLimit: -1}, once, nil, ""},
		"loose URL, 400": {assetpaytest.Options{}, loose, []error{providerauth.ErrInvalidRequest}, "400 1001 VALIDATION_FAILED"},
		"loose URL, 422": {assetpaytest.Options{ValidationStatus: 422, MessageArray: true}, loose, []error{providerauth.ErrInvalidRequest}, "422 1001 VALIDATION_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, tc.opt, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				req := user()
				req.TradeURL += "&x=1"
				if name[:5] != "loose" {
					req = user()
				}
				_, err := c.Token(t.Context(), req)
				if tc.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				e := errorIs(t, err, tc.is...)
				testkit.Equal(t, "status, code, key", fmt.Sprint(e.StatusCode, " ", e.Code, " ", e.Key), tc.want)
				if _, ok := e.Retryable(); ok || e.Ambiguous() {
					t.Errorf("retryable or ambiguous: %v", e)
				}
				testkit.Equal(t, "requests", srv.Count(exchange), 1)
			}, tc.change)
		})
	}
}

func loose(cfg *assetpay.Config) { cfg.LooseTradeURL = true }

func TestRateLimitOfUnverifiedMerchants(t *testing.T) {
	bubble(t, assetpaytest.Options{RateLimit: 100}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		for range 1000 {
			inventory(t, c) // one exchange
		}
		for range 99 {
			if _, err := c.AuthenticateClient(t.Context(), user()); err != nil {
				t.Fatal(err)
			}
		}
		_, err := c.AuthenticateClient(t.Context(), user())
		e := errorIs(t, err, providerauth.ErrRateLimited)
		after, ok := e.Retryable()
		testkit.Equal(t, "status, key, retry", fmt.Sprint(e.StatusCode, e.Key, after, ok), "429RATE_LIMITED0s true")
		testkit.Equal(t, "requests", srv.Count(exchange), 101)
		time.Sleep(time.Hour)
		if _, err := c.AuthenticateClient(t.Context(), user()); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
	bubble(t, assetpaytest.Options{RateLimit: 1, RetryAfter: time.Minute}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		inventory(t, c)
		_, err := c.AuthenticateClient(t.Context(), user())
		after, ok := errorIs(t, err, providerauth.ErrRateLimited).Retryable()
		testkit.Equal(t, "retry", fmt.Sprint(after, ok), "1m0s true")
		testkit.Equal(t, "requests", srv.Count(exchange), 2)
	})
}

func TestWaitersOfOneTokenHaveAnErrorEach(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		answering(srv, 422, nil, `{"success":false,"error":{"code":4,"key":"VALIDATION_FAILED","message":"no","fields":{"clientSteamId":"bad"}}}`)
		_, first := c.Token(t.Context(), user())
		_, second := c.Token(t.Context(), user())
		a, b := errorIs(t, first, providerauth.ErrInvalidRequest), errorIs(t, second, providerauth.ErrInvalidRequest)
		text := b.Error()
		a.Op, a.Fields["clientSteamId"], a.Fields["mine"] = "mine", "mine", "mine"
		testkit.Equal(t, "text of the other's", b.Error(), text)
		testkit.Equal(t, "fields of the other's", b.Fields, map[string]string{"clientSteamId": "bad"})
	})
}

func TestError_Retryable(t *testing.T) {
	for _, status := range []int{408, 500, 502, 504} {
		t.Run(fmt.Sprint("a caller who repeats while it is ok deposits once, answered SERVER_ERROR under ", status), func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				for path, call := range map[string]func(path string) error{
					"/client/deposit": func(path string) error { return c.CallFor(t.Context(), user(), "POST", path, nil, nil) },
					"/secure/deposit": func(path string) error { return c.Call(t.Context(), "POST", path, nil, nil) },
				} {
					deposits := 0
					srv.Handle("POST "+path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						deposits++
						assetpaytest.WriteData(w, 1)
					}))
					srv.FailActed(3, status, nil, testkit.Path(path))
					e := errorIs(t, testkit.Repeat(func(int) error { return call(path) }), providerauth.ErrAmbiguous)
					testkit.Equal(t, "key", e.Key, "SERVER_ERROR")
					testkit.Equal(t, "deposits", deposits, 1)
					srv.FailActed(0, 0, nil)
				}
			})
		})
	}

	t.Run("a deposit refused as SERVICE_UNAVAILABLE may be repeated after Retry-After", func(t *testing.T) {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			token(t, c.TokenSource(user()))
			srv.FailNext(1, 503, http.Header{"Retry-After": {"7"}})
			e := errorIs(t, c.CallFor(t.Context(), user(), "POST", "/client/deposit", nil, nil))
			after, ok := e.Retryable()
			testkit.Equal(t, "key, ambiguous, retryable", fmt.Sprint(e.Key, " ", e.Ambiguous(), " ", after, ok), "SERVICE_UNAVAILABLE false 7s true")
			testkit.Equal(t, "requests", srv.Count("/client/deposit"), 1)
		})
	})
}

func TestError_Ambiguous(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   bool
	}{
		{"SERVER_ERROR under 500", 500, refusal(1006, "SERVER_ERROR"), true},
		{"SERVER_ERROR under 503", 503, refusal(1006, "SERVER_ERROR"), true},
		{"an envelope without a key under 500", 500, `{"success":false,"error":{"code":1006}}`, true},
		{"an envelope with a key of another form under 500", 500, refusal(1006, "server error"), true},
		{"any key under 408", 408, refusal(7, "REQUEST_TIMEOUT"), true},
		{"no envelope under 503", 503, `<html>`, true},
		{"SYSTEM_MAINTENANCE under 503", 503, refusal(1007, "SYSTEM_MAINTENANCE"), false},
		{"SERVICE_UNAVAILABLE under 503", 503, refusal(1009, "SERVICE_UNAVAILABLE"), false},
		{"NO_BOTS_AVAILABLE under 503", 503, refusal(1010, "NO_BOTS_AVAILABLE"), false},
		{"RATE_LIMITED under 429", 429, refusal(1005, "RATE_LIMITED"), false},
		{"CONFLICT under 409", 409, refusal(1004, "CONFLICT"), false},
		{"SERVER_ERROR under 400", 400, refusal(1006, "SERVER_ERROR"), true},
		{"SERVER_ERROR under 200", 200, refusal(1006, "SERVER_ERROR"), true},
		{"VALIDATION_FAILED under 200", 200, refusal(1001, "VALIDATION_FAILED"), false},
		{"a number as the key under 504", 504, `{"success":false,"error":{"key":504}}`, true},
		{"digits as the key under 504", 504, refusal(1006, "504"), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				token(t, c.TokenSource(user()))
				answering(srv, tc.status, http.Header{"Retry-After": {"1"}}, tc.body)
				for _, call := range []func() error{
					func() error { return c.Call(t.Context(), "POST", "/secure/deposit", nil, nil) },
					func() error { return c.CallFor(t.Context(), user(), "POST", "/client/deposit", nil, nil) },
				} {
					e := errorIs(t, call())
					testkit.Equal(t, "ambiguous", e.Ambiguous(), tc.want)
					if _, ok := e.Retryable(); ok && tc.want {
						t.Errorf("ambiguous and retryable: %v", e)
					}
				}
			}, once)
		})
	}
}
