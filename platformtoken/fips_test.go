package platformtoken_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
)

// inFIPSOnly reports whether this process is in FIPS 140-only mode, which is set
// when a process starts. If not, it runs the test in a process that is.
func inFIPSOnly(t *testing.T) bool {
	t.Helper()
	if os.Getenv("PLATFORMTOKEN_TEST_FIPS") != "" {
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "PLATFORMTOKEN_TEST_FIPS=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func TestClient_fipsOnly(t *testing.T) {
	if !inFIPSOnly(t) {
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
			return &http.Response{
				StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
				Body: io.NopCloser(strings.NewReader(`{"isSuccess":true,"data":{"token":"token-1","expires":253402300799}}`)),
			}, nil
		}).through(nil)}
		c := open(t, cfg)
		defer c.Close()
		testkit.Equal(t, "token", token(t, c, brl).Value(), "token-1")
	})
}
