package merchantauth_test

import (
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestConfig_OnAttempt(t *testing.T) {
	t.Run("it sees token requests, calls and requests", func(t *testing.T) {
		var seen testkit.Attempts
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			ctx := seen.Trace(t.Context(), "trace-1")
			tok, err := c.Token(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Refresh(ctx, tok); err != nil {
				t.Fatal(err)
			}
			srv.LoseAnswers(1)
			_, _ = c.CreateCustomer(ctx, alex())
			testkit.Do(t, c.HTTPClient(), testkit.MustRequest(srv.URL()+"/v2/rate/equivalent").WithContext(ctx))
		}, func(cfg *merchantauth.Config) { cfg.OnAttempt = seen.Add })
		testkit.Equal(t, "attempts", seen.Lines(), []string{
			"merchantauth Login POST /v2/auth/login 1: 200 ok, trace-1",
			"merchantauth Refresh POST /v2/auth/refresh 1: 200 ok, trace-1",
			"merchantauth CreateCustomer POST /v2/customer/create 1: 0 lost, trace-1",
			"merchantauth Transport GET /v2/rate/equivalent 1: 200 ok, trace-1",
		})
	})

	t.Run("a call is seen with each of its tokens", func(t *testing.T) {
		var seen testkit.Attempts
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			token(t, c)
			srv.RevokeTokens()
			if _, err := c.CreateCustomer(t.Context(), alex()); err != nil {
				t.Fatal(err)
			}
		}, func(cfg *merchantauth.Config) { cfg.OnAttempt = seen.Add })
		testkit.Equal(t, "attempts", seen.Lines()[1:], []string{
			"merchantauth CreateCustomer POST /v2/customer/create 1: 401 rejected, ",
			"merchantauth Refresh POST /v2/auth/refresh 1: 200 ok, ",
			"merchantauth CreateCustomer POST /v2/customer/create 2: 200 ok, ",
		})
	})
}
