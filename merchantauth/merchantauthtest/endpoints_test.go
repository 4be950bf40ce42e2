package merchantauthtest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestServer_answersAsDocumented(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
		session := login(t, srv)
		testkit.Endpoints(t, "server.go", func(x testkit.Documented) string {
			r := testkit.Request(t, x.Method, srv.URL()+x.Path, strings.ReplaceAll(x.Body, "...", session.RefreshToken))
			r.Header.Set("Content-Type", "application/json")
			switch {
			case x.Note != "":
			case strings.HasPrefix(x.Path, "/v2/auth/"):
				r.Header.Set("merchant_id", "merchant-1")
			default:
				r.Header.Set("Authorization", "Bearer "+session.AccessToken)
			}
			resp, body := testkit.Do(t, srv.Client(), r)
			return fmt.Sprint(resp.StatusCode, " ", body)
		})
	})
}
