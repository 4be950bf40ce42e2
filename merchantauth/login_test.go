package merchantauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// A refusal is explained by the password. An answer that nobody could read is not
// a refusal.
func TestClient_Login_unreadableAnswer(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"longer than is read": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) },
		"no gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("this is no gzip at all"))
		},
	} {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			srv.Intercept(func(http.Handler) http.Handler { return answer })
			_, err := c.Login(t.Context())
			if _, ok := errorIs(t, err).Retryable(); !ok || strings.Contains(err.Error(), "not accepted") {
				t.Errorf("%s: retryable %v: %v", name, ok, err)
			}
		})
	}
}
