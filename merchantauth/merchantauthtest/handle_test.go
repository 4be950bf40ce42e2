package merchantauthtest_test

import (
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestServer_Handle(t *testing.T) {
	run := func(name string, f func(t *testing.T, srv *merchantauthtest.Server)) {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
				srv.Handle("POST /v2/balance", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					merchantauthtest.WriteData(w, http.StatusOK, srv.Customers())
				}))
				f(t, srv)
			})
		})
	}
	run("a request with a valid credential reaches it", func(t *testing.T, srv *merchantauthtest.Server) {
		testkit.Equal(t, "answer with a token", post(t, srv, "/v2/balance", `{}`, "Authorization", "Bearer "+login(t, srv).AccessToken), `200 {"data":0}`)
		testkit.Equal(t, "answer with the API key", post(t, srv, "/v2/balance", `{}`, "Api-Key", "api-key-1"), `200 {"data":0}`)
	})
	run("a request without a credential does not", func(t *testing.T, srv *merchantauthtest.Server) {
		testkit.Equal(t, "answer", post(t, srv, "/v2/balance", `{}`),
			`401 {"errors":[{"code":"UNAUTHORIZED","message":"one of Authorization and Api-key is required"}]}`)
	})
	run("faults apply to it", func(t *testing.T, srv *merchantauthtest.Server) {
		srv.FailActed(1, http.StatusInternalServerError, nil)
		testkit.Equal(t, "answer", post(t, srv, "/v2/balance", `{}`, "Api-Key", "api-key-1"),
			`500 {"errors":[{"code":"INTERNAL_ERROR","message":"The simulator was asked to fail"}]}`)
	})
	run("the pattern of a built-in endpoint panics", func(t *testing.T, srv *merchantauthtest.Server) {
		defer func() {
			if recover() == nil {
				t.Error("the pattern was accepted")
			}
		}()
		srv.Handle("POST /v2/auth/login", http.NotFoundHandler())
	})
}
