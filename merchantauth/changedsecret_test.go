package merchantauth_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestClient_Token_changedPassword(t *testing.T) {
	var wrong atomic.Bool
	change := func(cfg *merchantauth.Config) {
		right := cfg.Password
		cfg.Password = func(ctx context.Context) (string, error) {
			if wrong.Load() {
				return "wrong", nil
			}
			return right(ctx)
		}
	}
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		time.Sleep(time.Until(token(t, c).RefreshExpiresAt) + time.Second)
		before := srv.Count(loginPath)
		wrong.Store(true)
		for range 3 {
			if _, err := c.Token(t.Context()); err == nil {
				t.Error("a token for a wrong password")
			}
		}
		testkit.Equal(t, "requests with the wrong password", srv.Count(loginPath)-before, 1)
		wrong.Store(false)
		time.Sleep(time.Second)
		_, _ = c.Token(t.Context()) // sees the change
		time.Sleep(time.Second)
		token(t, c)
	}, change)
}
