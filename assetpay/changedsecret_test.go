package assetpay_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestClient_Token_changedAPIKey(t *testing.T) {
	var wrong atomic.Bool
	change := func(cfg *assetpay.Config) {
		right := cfg.APIKey
		cfg.APIKey = func(ctx context.Context) (string, error) {
			if wrong.Load() {
				return "wrong", nil
			}
			return right(ctx)
		}
	}
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		time.Sleep(time.Until(token(t, c.TokenSource(user())).ExpiresAt) + time.Second)
		before := srv.Count(exchange)
		wrong.Store(true)
		for range 3 {
			if _, err := c.Token(t.Context(), user()); err == nil {
				t.Error("a token for a wrong key")
			}
		}
		testkit.Equal(t, "requests with the wrong key", srv.Count(exchange)-before, 1)
		wrong.Store(false)
		time.Sleep(time.Second)
		_, _ = c.Token(t.Context(), user()) // sees the change
		time.Sleep(time.Second)
		token(t, c.TokenSource(user()))
	}, change)
}
