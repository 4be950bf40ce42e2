package partnerjwttest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func TestServer_Handle(t *testing.T) {
	type ask func(authorization ...string) (answer string)
	run := func(name string, f func(t *testing.T, srv *partnerjwttest.Server, ask ask)) {
		t.Run(name, func(t *testing.T) {
			memory(t, partnerjwttest.Options{}, func(t *testing.T, srv *partnerjwttest.Server) {
				srv.Handle("GET /orders/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					fmt.Fprint(w, r.PathValue("id"), " after ", srv.Trades(), " trades")
				}))
				f(t, srv, func(authorization ...string) string {
					status, body := send(t, srv, http.MethodGet, "/orders/7", "", authorization...)
					return fmt.Sprint(status, " ", body)
				})
			})
		})
	}
	const unauthorized = `401 {"message":"Unauthorized"}`
	run("a request with a valid token reaches it", func(t *testing.T, _ *partnerjwttest.Server, ask ask) {
		testkit.Equal(t, "answer", ask("Bearer "+token("secret-1")), "200 7 after 0 trades")
	})
	run("a request without a token does not", func(t *testing.T, _ *partnerjwttest.Server, ask ask) {
		testkit.Equal(t, "answer", ask(), unauthorized)
	})
	run("faults apply to it", func(t *testing.T, srv *partnerjwttest.Server, ask ask) {
		srv.FailActed(1, http.StatusInternalServerError, nil)
		testkit.Equal(t, "answer", ask("Bearer "+token("secret-1")), `500 {"message":"The simulator was asked to fail"}`)
	})
	run("StrayCalls rejects its calls", func(t *testing.T, srv *partnerjwttest.Server, ask ask) {
		srv.StrayCalls(1, 0)
		testkit.Equal(t, "answer", ask("Bearer "+token("secret-1")), unauthorized)
	})
	run("the pattern of a built-in endpoint panics", func(t *testing.T, srv *partnerjwttest.Server, _ ask) {
		defer func() {
			if recover() == nil {
				t.Error("the pattern was accepted")
			}
		}()
		srv.Handle("GET /portfolio", http.NotFoundHandler())
	})
}
