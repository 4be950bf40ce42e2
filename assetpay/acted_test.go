package assetpay_test

import (
	"fmt"
	"net/http"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

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
