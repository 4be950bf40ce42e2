package partnerjwt_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func supplies(secret string) providerauth.SecretFunc {
	return func(context.Context) (string, error) { return secret, nil }
}

func TestClient_fipsOnly(t *testing.T) {
	if !testkit.InFIPSOnly(t) {
		return
	}
	withSecret := func(f providerauth.SecretFunc) partnerjwt.Config {
		return partnerjwt.Config{ClientID: "client-1", Secret: f, BaseURL: "https://partner.example"}
	}
	unavailable := func(t *testing.T, err error) {
		t.Helper()
		errorIs(t, err, providerauth.ErrSecretUnavailable)
		testkit.SecretTooShort(t, err)
	}
	t.Run("New reports a static secret that is too short", func(t *testing.T) {
		_, err := partnerjwt.New(withSecret(providerauth.StaticSecret(testkit.ShortSecret)))
		e := errorIs(t, err, providerauth.ErrInvalidRequest)
		testkit.Equal(t, "fields", len(e.Fields), 1)
		testkit.Equal(t, "rule", e.Fields["Secret"], testkit.FIPSRule)
	})
	t.Run("New does not call a function", func(t *testing.T) {
		open(t, withSecret(func(context.Context) (string, error) { panic("called") }))
	})
	t.Run("a short secret that comes later is unavailable", func(t *testing.T) {
		secret := testkit.NewVault(testkit.LongSecret)
		opt := partnerjwttest.Options{Secret: testkit.LongSecret}
		provider.Bubble(t, opt, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
			portfolio(t, c)
			secret.Store(testkit.ShortSecret)
			time.Sleep(time.Hour)
			_, err := c.Token(t.Context())
			unavailable(t, err)
			err = c.Call(t.Context(), http.MethodGet, "/portfolio", nil, nil)
			errorIs(t, err, providerauth.ErrNotSent)
			unavailable(t, err)
			secret.Store(testkit.LongSecret)
			time.Sleep(time.Minute)
			portfolio(t, c)
		}, func(cfg *partnerjwt.Config) { cfg.Secret = secret.Get })
	})
	t.Run("Verify reports a secret that is too short", func(t *testing.T) {
		for _, f := range []providerauth.SecretFunc{supplies(testkit.ShortSecret), providerauth.StaticSecret(testkit.ShortSecret)} {
			_, err := partnerjwt.Verify(t.Context(), vector, f, partnerjwt.VerifyOptions{})
			unavailable(t, err)
		}
	})
	t.Run("a secret of 14 bytes works", func(t *testing.T) {
		c := open(t, withSecret(providerauth.StaticSecret(testkit.LongSecret)))
		defer c.Close()
		tok, err := c.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		claims, err := partnerjwt.Verify(t.Context(), tok.Value(), supplies(testkit.LongSecret), partnerjwt.VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "client", claims.ClientID, "client-1")
	})
}
