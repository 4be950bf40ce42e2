package partnerjwt_test

import (
	"context"
	"errors"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func TestClient_Ready(t *testing.T) {
	t.Run("a client with a secret is ready, without a request", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
			if err := c.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			testkit.Equal(t, "requests", len(srv.Requests()), 0)
			testkit.Equal(t, "mints", c.Stats().Refreshes, 1)
		})
	})

	t.Run("a client without a secret is not ready", func(t *testing.T) {
		bubble(t, func(t *testing.T, _ *partnerjwttest.Server, c *partnerjwt.Client) {
			e := errorIs(t, c.Ready(t.Context()), providerauth.ErrSecretUnavailable)
			testkit.Equal(t, "op", e.Op, "Token")
		}, func(cfg *partnerjwt.Config) {
			cfg.Secret = func(context.Context) (string, error) { return "", errors.New("sealed") }
		})
	})

	t.Run("it needs a context", func(t *testing.T) {
		bubble(t, func(t *testing.T, _ *partnerjwttest.Server, c *partnerjwt.Client) {
			var none context.Context
			e := errorIs(t, c.Ready(none), providerauth.ErrInvalidRequest)
			testkit.Equal(t, "fields", e.Fields, map[string]string{"ctx": "must not be nil"})
		})
	})
}
