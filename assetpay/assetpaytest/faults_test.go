package assetpaytest_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
)

func TestServer_StrayCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := assetpaytest.NewServer(assetpaytest.Options{InMemory: true})
		defer srv.Close()
		bearer := "Bearer " + send(t, srv, http.MethodPost, "/auth/authenticate-client", good, "api-key", "ap_test_0001").token(t)
		srv.StrayCalls(2, 0)
		srv.StrayTokens(2, 0)
		var got []string
		for range 4 {
			call := send(t, srv, http.MethodGet, "/client/inventory", "", "Authorization", bearer)
			exchange := send(t, srv, http.MethodPost, "/auth/authenticate-client", good, "api-key", "ap_test_0001")
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
	synctest.Test(t, func(t *testing.T) {
		srv := assetpaytest.NewServer(assetpaytest.Options{InMemory: true})
		defer srv.Close()
		exchange := func() string {
			defer time.Sleep(2 * time.Second)
			return send(t, srv, http.MethodPost, "/auth/authenticate-client", good, "api-key", "ap_test_0001").token(t)
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
	synctest.Test(t, func(t *testing.T) {
		srv := assetpaytest.NewServer(assetpaytest.Options{InMemory: true})
		defer srv.Close()
		srv.FailActed(1, http.StatusBadGateway, nil)
		a := send(t, srv, http.MethodPost, "/auth/authenticate-client", good, "api-key", "ap_test_0001")
		if a.status != http.StatusBadGateway || a.Success == nil || *a.Success || a.Error.Key != "SERVER_ERROR" || srv.Tokens() != 1 {
			t.Errorf("answered %d %s, and made %d tokens", a.status, a.body, srv.Tokens())
		}
	})
}
