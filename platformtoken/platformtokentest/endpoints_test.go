package platformtokentest_test

import (
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

func TestServer_answersAsDocumented(t *testing.T) {
	bubble(t, platformtokentest.Options{}, func(t *testing.T, srv *platformtokentest.Server) {
		testkit.Endpoints(t, "server.go", func(x testkit.Documented) string {
			token := ""
			switch {
			case x.Note == "without a token", x.Path == "/player/register":
			case strings.HasPrefix(x.Path, "/player/"):
				token = srv.OutsideCreate("u1")
			}
			return signed(t, srv, x.Method, x.Path, x.Body, token)
		})
	})
}
