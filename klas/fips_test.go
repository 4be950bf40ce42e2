package klas_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/klas"
)

func TestWebhook_fipsOnly(t *testing.T) {
	if !testkit.InFIPSOnly(t) {
		return
	}
	t.Run("New reports static secrets that are too short", func(t *testing.T) {
		for name, f := range map[string]providerauth.SecretsFunc{
			"current":  providerauth.StaticSecrets(testkit.ShortSecret, testkit.LongSecret),
			"previous": providerauth.StaticSecrets(testkit.LongSecret, testkit.ShortSecret),
			"one byte": providerauth.StaticSecrets("s"),
		} {
			_, err := klas.New(klas.Config{Secrets: f})
			var e *klas.Error
			if !errors.As(err, &e) || !errors.Is(err, providerauth.ErrInvalidRequest) || !strings.Contains(e.Fields["Secrets"], testkit.FIPSRule) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("a short secret that comes later is unavailable", func(t *testing.T) {
		list := []string{testkit.LongSecret}
		results := newResults()
		hook := newHook(t, results.config, withSecrets(func(context.Context) ([]string, error) { return list, nil }))
		h := hook.AuthenticateHandler(accept(t))
		for _, later := range [][]string{{testkit.ShortSecret}, {testkit.ShortSecret, testkit.LongSecret}, {testkit.LongSecret, testkit.ShortSecret}, {testkit.LongSecret, "s"}} {
			list = []string{testkit.LongSecret}
			want(t, send(t, h, request(compact, sign(testkit.LongSecret, compact)), testkit.LongSecret), ok)
			<-results
			list = later
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request(compact, sign(testkit.LongSecret, compact)))
			if w.Code != http.StatusInternalServerError || w.Body.Len() != 0 || w.Header()["X-Signature"] != nil {
				t.Errorf("%q: %d %v %q", later, w.Code, w.Header(), w.Body)
			}
			if r := <-results; !errors.Is(r.Err, providerauth.ErrSecretUnavailable) || !strings.Contains(r.Err.Error(), testkit.FIPSRule) {
				t.Errorf("%q: result %+v", later, r)
			}
		}
	})
	t.Run("secrets of 14 bytes work", func(t *testing.T) {
		hook := newHook(t, withSecrets(providerauth.StaticSecrets(testkit.LongSecret)))
		for answer, h := range map[string]http.Handler{
			ok: hook.AuthenticateHandler(accept(t)), balanceOK: hook.Middleware(writes(balanceOK)),
		} {
			want(t, send(t, h, request(compact, sign(testkit.LongSecret, compact)), testkit.LongSecret), answer)
			want(t, send(t, h, request(compact), testkit.LongSecret), integrityFailed)
		}
		s := klas.Sign(testkit.LongSecret, []byte(compact))
		if s != sign(testkit.LongSecret, compact) || !klas.Verify(testkit.LongSecret, []byte(compact), s) {
			t.Errorf("Sign gives %q", s)
		}
	})
	for _, s := range []string{"", "s", testkit.ShortSecret} {
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
		h := newHook(t, withSecrets(providerauth.StaticSecrets("s", testkit.ShortSecret))).AuthenticateHandler(accept(t))
		for _, s := range []string{"s", testkit.ShortSecret} {
			want(t, send(t, h, request(compact, sign(s, compact)), s), ok)
			if !klas.Verify(s, []byte(compact), klas.Sign(s, []byte(compact))) {
				t.Errorf("%q does not verify", s)
			}
		}
	})
}
