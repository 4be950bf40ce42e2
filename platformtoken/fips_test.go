package platformtoken_test

import (
	"context"
	"net/http"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
)

func TestClient_fipsOnly(t *testing.T) {
	if !testkit.InFIPSOnly(t) {
		return
	}
	const rule = "MD5 is not allowed in FIPS 140-only mode, set Signer"
	cfg := platformtoken.Config{BaseURL: "https://platform.example", TenantID: 1}
	t.Run("New reports that the documented signature cannot be made", func(t *testing.T) {
		for name, secret := range map[string]providerauth.SecretFunc{
			"a static secret": providerauth.StaticSecret("a secret that is long enough"),
			"a function":      func(context.Context) (string, error) { panic("called") },
			"no secret":       nil,
		} {
			cfg := cfg
			cfg.Secret = secret
			_, err := platformtoken.New(cfg)
			testkit.Equal(t, name, errorIs(t, err, providerauth.ErrInvalidRequest).Fields, map[string]string{"Secret": rule})
		}
	})
	t.Run("a Signer works", func(t *testing.T) {
		cfg := cfg
		cfg.Signer = platformtoken.SignerFunc(func(context.Context, platformtoken.SignInput) (string, error) { return "signed", nil })
		cfg.HTTPClient = &http.Client{Transport: tap(func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
			testkit.Equal(t, "sign", r.Header["sign"], []string{"signed"})
			return testkit.Responding(http.StatusOK, nil, `{"isSuccess":true,"data":{"token":"token-1","expires":253402300799}}`)(r)
		}).through(nil)}
		c := open(t, cfg)
		defer c.Close()
		testkit.Equal(t, "token", token(t, c, brl).Value(), "token-1")
	})
}
