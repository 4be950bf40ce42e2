package assetpaytest_test

import (
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestServer_Handle(t *testing.T) {
	run := func(name string, f func(t *testing.T, srv *assetpaytest.Server)) {
		t.Run(name, func(t *testing.T) {
			memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
				srv.Handle("GET /client/inventory", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					assetpaytest.WriteData(w, srv.Tokens())
				}))
				f(t, srv)
			})
		})
	}
	run("it takes precedence over a built-in endpoint", func(t *testing.T, srv *assetpaytest.Server) {
		a := inventory(t, srv, "Authorization", authenticate(t, srv, good).token(t))
		testkit.Equal(t, "data", string(a.Data), "1")
	})
	run("faults apply to it", func(t *testing.T, srv *assetpaytest.Server) {
		tok := authenticate(t, srv, good).token(t)
		srv.FailActed(1, http.StatusInternalServerError, nil)
		refused(t, inventory(t, srv, "Authorization", tok), 500, 1006, "SERVER_ERROR")
	})
	run("StrayCalls rejects its calls", func(t *testing.T, srv *assetpaytest.Server) {
		tok := authenticate(t, srv, good).token(t)
		srv.StrayCalls(1, 0)
		refused(t, inventory(t, srv, "Authorization", tok), 401, 1102, "INVALID_TOKEN")
	})
}
