package partnerjwttest_test

import (
	"fmt"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func TestServer_answersAsDocumented(t *testing.T) {
	memory(t, partnerjwttest.Options{}, func(t *testing.T, srv *partnerjwttest.Server) {
		testkit.Endpoints(t, "server.go", func(x testkit.Documented) string {
			var authorization []string
			if x.Note == "" {
				authorization = []string{"Bearer " + token("secret-1")}
			}
			status, body := send(t, srv, x.Method, x.Path, x.Body, authorization...)
			return fmt.Sprint(status, " ", body)
		})
	})
}
