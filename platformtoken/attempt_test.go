package platformtoken_test

import (
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

func TestConfig_OnAttempt(t *testing.T) {
	t.Run("it sees token requests, calls and requests", func(t *testing.T) {
		var seen testkit.Attempts
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			ctx := seen.Trace(t.Context(), "trace-1")
			if _, err := c.Balance(ctx, brl); err != nil {
				t.Fatal(err)
			}
			if _, err := c.CreateToken(ctx, platformtoken.CreateTokenRequest{UserID: brl.UserID, Currency: brl.Currency}); err != nil {
				t.Fatal(err)
			}
			request := testkit.Request(t, http.MethodPost, srv.URL()+getBalance, `{"userId":"t1_225478"}`)
			request.Header.Set("Content-Type", "application/json")
			testkit.Do(t, c.HTTPClientFor(brl), request.WithContext(ctx))
		}, func(cfg *platformtoken.Config) { cfg.OnAttempt = seen.Add })
		testkit.Equal(t, "attempts", seen.Lines(), []string{
			"platformtoken Token POST /auth/createToken 1: 200 ok, trace-1",
			"platformtoken Balance POST /player/getBalance 1: 200 ok, trace-1",
			"platformtoken CreateToken POST /auth/createToken 1: 200 ok, trace-1",
			"platformtoken Transport POST /player/getBalance 1: 200 ok, trace-1",
		})
	})
}
