package assetpay_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// inFIPSOnly reports whether this process is in FIPS 140-only mode, which is set
// when a process starts. If not, it runs the test in a process that is.
func inFIPSOnly(t *testing.T) bool {
	t.Helper()
	if os.Getenv("ASSETPAY_TEST_FIPS") != "" {
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "ASSETPAY_TEST_FIPS=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

const (
	shortSecret = "13-bytes-long"
	longSecret  = "14-bytes-long!"
	fipsRule    = "must have at least 14 bytes in FIPS 140-only mode"
)

func TestClient_fipsOnly(t *testing.T) {
	if !inFIPSOnly(t) {
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
		if !strings.Contains(err.Error(), fipsRule) || strings.Contains(err.Error(), shortSecret) {
			t.Errorf("got %q, want %q in it and not the secret", err, fipsRule)
		}
	}
	t.Run("New reports a static secret that is too short", func(t *testing.T) {
		for _, mint := range []assetpay.MintMode{assetpay.MintLocal, assetpay.MintRemote} {
			_, err := assetpay.New(withSecret(providerauth.StaticSecret(shortSecret), func(cfg *assetpay.Config) { cfg.Mint = mint }))
			testkit.Equal(t, mint.String(), errorIs(t, err, providerauth.ErrInvalidRequest).Fields, map[string]string{"APISecret": fipsRule})
		}
	})
	t.Run("New does not call a function", func(t *testing.T) {
		f := func(context.Context) (string, error) { panic("called") }
		open(t, withSecret(f, func(cfg *assetpay.Config) { cfg.APIKey = f }))
	})
	t.Run("MintClientToken reports a secret that is too short", func(t *testing.T) {
		_, err := open(t, withSecret(supplies(shortSecret))).MintClientToken(t.Context(), user())
		unavailable(t, err)
	})
	t.Run("VerifyClientToken reports a secret that is too short", func(t *testing.T) {
		_, err := open(t, withSecret(supplies(shortSecret))).VerifyClientToken(t.Context(), vector)
		unavailable(t, err)
	})
	t.Run("with MintLocal a short secret that comes later is unavailable", func(t *testing.T) {
		var secret atomic.Value
		secret.Store(longSecret)
		bubble(t, assetpaytest.Options{APISecret: longSecret}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
			inventory(t, c)
			secret.Store(shortSecret)
			time.Sleep(25 * time.Hour)
			_, err := c.Token(t.Context(), user())
			unavailable(t, err)
			secret.Store(longSecret)
			time.Sleep(time.Minute)
			_, _ = c.Token(t.Context(), user()) // has the secret looked at
			synctest.Wait()
			inventory(t, c)
		}, local, func(cfg *assetpay.Config) {
			cfg.APISecret = func(context.Context) (string, error) { return secret.Load().(string), nil }
		})
	})
	t.Run("an API key may be short", func(t *testing.T) {
		bubble(t, assetpaytest.Options{APIKey: "short"}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
			inventory(t, c)
		})
	})
	t.Run("a secret of 14 bytes works", func(t *testing.T) {
		c := open(t, withSecret(providerauth.StaticSecret(longSecret), local))
		defer c.Close()
		claims, err := c.VerifyClientToken(t.Context(), token(t, c.TokenSource(user())).Value())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "Steam ID", claims.SteamID, steamID)
	})
}
