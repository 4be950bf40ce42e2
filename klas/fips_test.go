package klas_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
)

// inFIPSOnly reports whether this process is in FIPS 140-only mode, which cannot
// be entered after the start. If not, it runs the test in a process that is.
func inFIPSOnly(t *testing.T) bool {
	t.Helper()
	if os.Getenv("KLAS_TEST_FIPS") != "" {
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "KLAS_TEST_FIPS=1")
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

func TestWebhook_fipsOnly(t *testing.T) {
	if !inFIPSOnly(t) {
		return
	}
	t.Run("New reports static secrets that are too short", func(t *testing.T) {
		for name, f := range map[string]providerauth.SecretsFunc{
			"current":  providerauth.StaticSecrets(shortSecret, longSecret),
			"previous": providerauth.StaticSecrets(longSecret, shortSecret),
			"one byte": providerauth.StaticSecrets("s"),
		} {
			_, err := klas.New(klas.Config{Secrets: f})
			var e *klas.Error
			if !errors.As(err, &e) || !errors.Is(err, providerauth.ErrInvalidRequest) || !strings.Contains(e.Fields["Secrets"], fipsRule) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("a short secret that comes later is unavailable", func(t *testing.T) {
		list := []string{longSecret}
		results := newResults()
		hook := newHook(t, results.config, withSecrets(func(context.Context) ([]string, error) { return list, nil }))
		h := hook.AuthenticateHandler(accept(t))
		for _, later := range [][]string{{shortSecret}, {shortSecret, longSecret}, {longSecret, shortSecret}, {longSecret, "s"}} {
			list = []string{longSecret}
			want(t, send(t, h, request(compact, sign(longSecret, compact)), longSecret), ok)
			<-results
			list = later
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request(compact, sign(longSecret, compact)))
			if w.Code != http.StatusInternalServerError || w.Body.Len() != 0 || w.Header()["X-Signature"] != nil {
				t.Errorf("%q: %d %v %q", later, w.Code, w.Header(), w.Body)
			}
			if r := <-results; !errors.Is(r.Err, providerauth.ErrSecretUnavailable) || !strings.Contains(r.Err.Error(), fipsRule) {
				t.Errorf("%q: result %+v", later, r)
			}
		}
	})
	t.Run("secrets of 14 bytes work", func(t *testing.T) {
		hook := newHook(t, withSecrets(providerauth.StaticSecrets(longSecret)))
		for answer, h := range map[string]http.Handler{
			ok: hook.AuthenticateHandler(accept(t)), balanceOK: hook.Middleware(writes(balanceOK)),
		} {
			want(t, send(t, h, request(compact, sign(longSecret, compact)), longSecret), answer)
			want(t, send(t, h, request(compact), longSecret), integrityFailed)
		}
		s := klas.Sign(longSecret, []byte(compact))
		if s != sign(longSecret, compact) || !klas.Verify(longSecret, []byte(compact), s) {
			t.Errorf("Sign gives %q", s)
		}
	})
	for _, s := range []string{"", "s", shortSecret} {
		t.Run(fmt.Sprintf("Verify is false with a secret of %d bytes", len(s)), func(t *testing.T) {
			if klas.Verify(s, []byte(compact), strings.Repeat("0", 64)) {
				t.Error("it is true")
			}
		})
		t.Run(fmt.Sprintf("Sign returns nothing with a secret of %d bytes", len(s)), func(t *testing.T) {
			if got := klas.Sign(s, []byte(compact)); got != "" {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestWebhook_shortSecrets(t *testing.T) {
	t.Run("they work outside FIPS 140-only mode", func(t *testing.T) {
		h := newHook(t, withSecrets(providerauth.StaticSecrets("s", shortSecret))).AuthenticateHandler(accept(t))
		for _, s := range []string{"s", shortSecret} {
			want(t, send(t, h, request(compact, sign(s, compact)), s), ok)
			if !klas.Verify(s, []byte(compact), klas.Sign(s, []byte(compact))) {
				t.Errorf("%q does not verify", s)
			}
		}
	})
}
