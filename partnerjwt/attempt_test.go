package partnerjwt_test

import (
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func TestConfig_OnAttempt(t *testing.T) {
	t.Run("it sees calls and requests; minting makes none", func(t *testing.T) {
		var seen testkit.Attempts
		bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
			ctx := seen.Trace(t.Context(), "trace-1")
			if _, err := c.Portfolio(ctx); err != nil {
				t.Fatal(err)
			}
			srv.FailNext(1, 500, nil)
			_ = c.Call(ctx, http.MethodPost, "/users/u-4711/trade?x=hunter2", nil, nil)
			testkit.Do(t, c.HTTPClient(), testkit.MustRequest(srv.URL()+"/portfolio").WithContext(ctx))
		}, func(cfg *partnerjwt.Config) { cfg.OnAttempt = seen.Add })
		testkit.Equal(t, "attempts", seen.Lines(), []string{
			"partnerjwt Portfolio GET /portfolio 1: 200 ok, trace-1",
			"partnerjwt Call POST /users/{id}/trade 1: 500 failed, trace-1",
			"partnerjwt Transport GET /portfolio 1: 200 ok, trace-1",
		})
	})
}
