package assetpay_test

import (
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestConfig_OnAttempt(t *testing.T) {
	t.Run("it sees token requests, calls and requests", func(t *testing.T) {
		var seen testkit.Attempts
		bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			ctx := seen.Trace(t.Context(), "trace-1")
			if err := c.CallFor(ctx, user(), http.MethodGet, "/client/inventory?limit=1", nil, nil); err != nil {
				t.Fatal(err)
			}
			testkit.Do(t, c.HTTPClientFor(user()), testkit.MustRequest(srv.URL()+"/client/inventory").WithContext(ctx))
			if _, err := c.AuthenticateClient(ctx, user()); err != nil {
				t.Fatal(err)
			}
		}, func(cfg *assetpay.Config) { cfg.OnAttempt = seen.Add })
		testkit.Equal(t, "attempts", seen.Lines(), []string{
			"assetpay Token POST /auth/authenticate-client 1: 200 ok, trace-1",
			"assetpay CallFor GET /client/inventory 1: 200 ok, trace-1",
			"assetpay Transport GET /client/inventory 1: 200 ok, trace-1",
			"assetpay AuthenticateClient POST /auth/authenticate-client 1: 200 ok, trace-1",
		})
	})
}
