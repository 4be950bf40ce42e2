package assetpaytest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestServer_answersAsDocumented(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		testkit.Endpoints(t, "server.go", func(x testkit.Documented) string {
			var header []string
			switch {
			case x.Note != "":
			case strings.HasPrefix(x.Path, "/client/"):
				header = []string{"Authorization", "Bearer " + authenticate(t, srv, good).token(t)}
			default:
				header = []string{"api-key", "ap_test_0001"}
			}
			a := send(t, srv, x.Method, x.Path, x.Body, header...)
			return fmt.Sprint(a.status, " ", a.body)
		})
	})
}
