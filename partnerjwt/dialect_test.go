package partnerjwt_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func TestClient_Portfolio_failureUnderASuccess(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		srv.Intercept(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, `{"code":"NO_FUNDS","message":"there is none"}`)
			})
		})
		_, err := c.Portfolio(t.Context())
		var e *partnerjwt.Error
		if !errors.As(err, &e) || e.Code != "NO_FUNDS" || e.Message != "there is none" {
			t.Errorf("%v: %+v", err, e)
		}
	})
}

// An Error that is no pointer has the same fields, and hides them alike.
func TestError_value(t *testing.T) {
	e := partnerjwt.Error{Op: "Call", Message: "quotes the request"}
	out, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(out) + fmt.Sprintf("%v %+v %#v %d", e, e, e, e); strings.Contains(s, "quotes") {
		t.Error(s)
	}
}
