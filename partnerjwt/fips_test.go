package partnerjwt_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// inFIPSOnly reports whether this process is in FIPS 140-only mode, which is set
// when a process starts. If not, it runs the test in a process that is.
func inFIPSOnly(t *testing.T) bool {
	t.Helper()
	if os.Getenv("PARTNERJWT_TEST_FIPS") != "" {
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "PARTNERJWT_TEST_FIPS=1")
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

func supplies(secret string) providerauth.SecretFunc {
	return func(context.Context) (string, error) { return secret, nil }
}

func TestClient_fipsOnly(t *testing.T) {
	if !inFIPSOnly(t) {
		return
	}
	withSecret := func(f providerauth.SecretFunc) partnerjwt.Config {
		return partnerjwt.Config{ClientID: "client-1", Secret: f, BaseURL: "https://partner.example"}
	}
	unavailable := func(t *testing.T, err error) {
		t.Helper()
		errorIs(t, err, providerauth.ErrSecretUnavailable)
		if !strings.Contains(err.Error(), fipsRule) || strings.Contains(err.Error(), shortSecret) {
			t.Errorf("got %q, want %q in it and not the secret", err, fipsRule)
		}
	}
	t.Run("New reports a static secret that is too short", func(t *testing.T) {
		_, err := partnerjwt.New(withSecret(providerauth.StaticSecret(shortSecret)))
		e := errorIs(t, err, providerauth.ErrInvalidRequest)
		testkit.Equal(t, "fields", len(e.Fields), 1)
		testkit.Equal(t, "rule", e.Fields["Secret"], fipsRule)
	})
	t.Run("New does not call a function", func(t *testing.T) {
		open(t, withSecret(func(context.Context) (string, error) { panic("called") }))
	})
	t.Run("a short secret that comes later is unavailable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var secret atomic.Value
			secret.Store(longSecret)
			srv := partnerjwttest.NewServer(partnerjwttest.Options{InMemory: true, Secret: longSecret})
			defer srv.Close()
			cfg := srv.Config()
			cfg.Secret = func(context.Context) (string, error) { return secret.Load().(string), nil }
			c := open(t, cfg)
			defer c.Close()
			portfolio(t, c)
			secret.Store(shortSecret)
			time.Sleep(time.Hour)
			_, err := c.Token(t.Context())
			unavailable(t, err)
			err = c.Call(t.Context(), http.MethodGet, "/portfolio", nil, nil)
			errorIs(t, err, providerauth.ErrNotSent)
			unavailable(t, err)
			secret.Store(longSecret)
			time.Sleep(time.Minute)
			portfolio(t, c)
		})
	})
	t.Run("Verify reports a secret that is too short", func(t *testing.T) {
		for _, f := range []providerauth.SecretFunc{supplies(shortSecret), providerauth.StaticSecret(shortSecret)} {
			_, err := partnerjwt.Verify(t.Context(), vector, f, partnerjwt.VerifyOptions{})
			unavailable(t, err)
		}
	})
	t.Run("a secret of 14 bytes works", func(t *testing.T) {
		c := open(t, withSecret(providerauth.StaticSecret(longSecret)))
		defer c.Close()
		tok, err := c.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		claims, err := partnerjwt.Verify(t.Context(), tok.Value(), supplies(longSecret), partnerjwt.VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "client", claims.ClientID, "client-1")
	})
}
