package assetpaytest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
)

func TestServer_StrayCalls(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		bearer := "Bearer " + authenticate(t, srv, good).token(t)
		srv.StrayCalls(2, 0)
		srv.StrayTokens(2, 0)
		var got []string
		for range 4 {
			call := inventory(t, srv, "Authorization", bearer)
			exchange := authenticate(t, srv, good)
			got = append(got, call.Error.Key+" "+exchange.Error.Key)
		}
		if want := "[  INVALID_TOKEN INVALID_API_KEY   INVALID_TOKEN INVALID_API_KEY]"; fmt.Sprint(got) != want {
			t.Errorf("got %q, want %s", got, want)
		}
		if calls, tokens := srv.Strays(); calls != 2 || tokens != 2 {
			t.Errorf("counts %d calls and %d token requests, want 2 and 2", calls, tokens)
		}
	})
}

func TestServer_RepeatTokens(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		exchange := func() string {
			defer time.Sleep(2 * time.Second)
			return authenticate(t, srv, good).token(t)
		}
		first := exchange()
		srv.RepeatTokens(1, 0)
		if exchange() != first {
			t.Error("the token was not repeated")
		}
		srv.Revoke(first)
		second := exchange()
		if second == first {
			t.Error("a revoked token was repeated")
		}
		srv.RepeatTokens(0, 0)
		if exchange() == second {
			t.Error("a token was repeated after the end")
		}
	})
}

func TestServer_FailActed(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		srv.FailActed(1, http.StatusBadGateway, nil)
		a := authenticate(t, srv, good)
		if a.status != http.StatusBadGateway || a.Success == nil || *a.Success || a.Error.Key != "SERVER_ERROR" || srv.Tokens() != 1 {
			t.Errorf("answered %d %s, and made %d tokens", a.status, a.body, srv.Tokens())
		}
	})
}
