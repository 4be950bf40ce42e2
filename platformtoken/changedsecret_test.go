package platformtoken_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

func TestClient_Token_changedSecret(t *testing.T) {
	var wrong atomic.Bool
	change := func(cfg *platformtoken.Config) {
		right := cfg.Secret
		cfg.Secret = func(ctx context.Context) (string, error) {
			if wrong.Load() {
				return "wrong", nil
			}
			return right(ctx)
		}
	}
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		time.Sleep(time.Until(token(t, c, brl).ExpiresAt) + time.Second)
		before := srv.Count(createToken)
		wrong.Store(true)
		for range 3 {
			if _, err := c.Token(t.Context(), brl); err == nil {
				t.Error("a token for a wrong secret")
			}
		}
		testkit.Equal(t, "requests with the wrong secret", srv.Count(createToken)-before, 1)
		wrong.Store(false)
		time.Sleep(time.Second)
		_, _ = c.Token(t.Context(), brl) // sees the change
		time.Sleep(time.Second)
		token(t, c, brl)
	}, change)
}
