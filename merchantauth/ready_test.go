package merchantauth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestClient_Ready(t *testing.T) {
	ready := func(t *testing.T, c *merchantauth.Client) {
		t.Helper()
		if err := c.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	}

	t.Run("probes share a login, and a usable token costs nothing", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			testkit.Crowd(20, func(int) { ready(t, c) })
			ready(t, c)
			testkit.Equal(t, "requests", len(srv.Requests()), 1)
		})
	})

	t.Run("a client is ready until its token expires", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			tok := token(t, c)
			answering(srv, "", 503, "")
			intoWindow(tok)
			ready(t, c)
			past(tok)
			e := errorIs(t, c.Ready(t.Context()))
			testkit.Equal(t, "status", e.StatusCode, 503)
			n := len(srv.Requests())
			errorIs(t, c.Ready(t.Context()))
			testkit.Equal(t, "requests of a probe in the back-off", len(srv.Requests())-n, 0)
			srv.Intercept(nil)
			time.Sleep(time.Minute)
			ready(t, c)
		})
	})

	t.Run("a refused login is not ready", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			srv.SetPassword("another")
			errorIs(t, c.Ready(t.Context()), providerauth.ErrUnauthorized)
		})
	})

	t.Run("in key mode it asks for the key, and sends nothing", func(t *testing.T) {
		sealed := false
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			ready(t, c)
			sealed = true
			e := errorIs(t, c.Ready(t.Context()), providerauth.ErrSecretUnavailable)
			testkit.Equal(t, "op", e.Op, "Ready")
			testkit.Equal(t, "requests", len(srv.Requests()), 0)
		}, withKey, func(cfg *merchantauth.Config) {
			cfg.APIKey = func(context.Context) (string, error) {
				if sealed {
					return "", errors.New("sealed")
				}
				return "api-key-1", nil
			}
		})
	})

	t.Run("it needs a context", func(t *testing.T) {
		for mode, change := range modes {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, _ *merchantauthtest.Server, c *merchantauth.Client) {
				e := errorIs(t, c.Ready(none), providerauth.ErrInvalidRequest)
				testkit.Equal(t, mode+", fields", e.Fields, map[string]string{"ctx": "must not be nil"})
			}, change...)
		}
	})
}
