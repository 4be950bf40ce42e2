package partnerjwttest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func TestServer_StrayCalls(t *testing.T) {
	memory(t, partnerjwttest.Options{}, func(t *testing.T, srv *partnerjwttest.Server) {
		srv.StrayCalls(2, 0)
		var got []int
		for range 4 {
			status, _ := send(t, srv, http.MethodGet, "/portfolio", "", "Bearer "+token("secret-1"))
			got = append(got, status)
		}
		if want := "[200 401 200 401]"; fmt.Sprint(got) != want || srv.Strays() != 2 {
			t.Errorf("got %v, want %s; counts %d, want 2", got, want, srv.Strays())
		}
	})
}

func TestServer_FailActed(t *testing.T) {
	memory(t, partnerjwttest.Options{}, func(t *testing.T, srv *partnerjwttest.Server) {
		srv.FailActed(1, http.StatusInternalServerError, nil)
		status, answer := send(t, srv, http.MethodPost, "/trade", `{"ticker":"AAPL","orderSide":"BUY"}`, "Bearer "+token("secret-1"))
		if status != http.StatusInternalServerError || answer == "" || srv.Trades() != 1 {
			t.Errorf("answered %d %s, and made %d trades", status, answer, srv.Trades())
		}
	})
}
