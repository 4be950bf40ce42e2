package assetpay_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestClient_fipsOnly(t *testing.T) {
	if !testkit.InFIPSOnly(t) {
		return
	}
	withSecret := func(f providerauth.SecretFunc, change ...func(*assetpay.Config)) assetpay.Config {
		cfg := assetpay.Config{APIKey: providerauth.StaticSecret("ap_1"), APISecret: f, MerchantID: "merchant-uuid"}
		for _, ch := range change {
			ch(&cfg)
		}
		return cfg
	}
	supplies := func(secret string) providerauth.SecretFunc {
		return func(context.Context) (string, error) { return secret, nil }
	}
	unavailable := func(t *testing.T, err error) {
		t.Helper()
		errorIs(t, err, providerauth.ErrSecretUnavailable)
		testkit.SecretTooShort(t, err)
	}
	t.Run("New reports a static secret that is too short", func(t *testing.T) {
		for _, mint := range []assetpay.MintMode{assetpay.MintLocal, assetpay.MintRemote} {
			_, err := assetpay.New(withSecret(providerauth.StaticSecret(testkit.ShortSecret), func(cfg *assetpay.Config) { cfg.Mint = mint }))
			testkit.Equal(t, mint.String(), errorIs(t, err, providerauth.ErrInvalidRequest).Fields, map[string]string{"APISecret": testkit.FIPSRule})
		}
	})
	t.Run("New does not call a function", func(t *testing.T) {
		f := func(context.Context) (string, error) { panic("called") }
		open(t, withSecret(f, func(cfg *assetpay.Config) { cfg.APIKey = f }))
	})
	t.Run("MintClientToken reports a secret that is too short", func(t *testing.T) {
		_, err := open(t, withSecret(supplies(testkit.ShortSecret))).MintClientToken(t.Context(), user())
		unavailable(t, err)
	})
	t.Run("VerifyClientToken reports a secret that is too short", func(t *testing.T) {
		_, err := open(t, withSecret(supplies(testkit.ShortSecret))).VerifyClientToken(t.Context(), vector)
		unavailable(t, err)
	})
	t.Run("with MintLocal a short secret that comes later is unavailable", func(t *testing.T) {
		secret := testkit.NewVault(testkit.LongSecret)
		bubble(t, assetpaytest.Options{APISecret: testkit.LongSecret}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
			inventory(t, c)
			secret.Store(testkit.ShortSecret)
			time.Sleep(25 * time.Hour)
			_, err := c.Token(t.Context(), user())
			unavailable(t, err)
			secret.Store(testkit.LongSecret)
			time.Sleep(time.Minute)
			_, _ = c.Token(t.Context(), user()) // has the secret looked at
			synctest.Wait()
			inventory(t, c)
		}, local, func(cfg *assetpay.Config) {
			cfg.APISecret = secret.Get
		})
	})
	t.Run("an API key may be short", func(t *testing.T) {
		bubble(t, assetpaytest.Options{APIKey: "short"}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
			inventory(t, c)
		})
	})
	t.Run("a secret of 14 bytes works", func(t *testing.T) {
		c := open(t, withSecret(providerauth.StaticSecret(testkit.LongSecret), local))
		defer c.Close()
		claims, err := c.VerifyClientToken(t.Context(), token(t, c.TokenSource(user())).Value())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "Steam ID", claims.SteamID, steamID)
	})
}
