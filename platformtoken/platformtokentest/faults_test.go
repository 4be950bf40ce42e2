package platformtokentest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

const createBody = `{"tenantId":1,"userId":"u1"}`

func TestServer_StrayCalls(t *testing.T) {
	bubble(t, platformtokentest.Options{}, func(t *testing.T, srv *platformtokentest.Server) {
		post(t, srv, "/auth/createToken", "", createBody)
		srv.StrayCalls(2, 0)
		srv.StrayTokens(3, 0)
		var got []int
		for range 4 {
			all := srv.Tokens("u1")
			call := post(t, srv, "/player/getBalance", all[len(all)-1].Value, `{"userId":"u1"}`)
			creation := post(t, srv, "/auth/createToken", "", createBody)
			got = append(got, call.Code, creation.Code)
		}
		if want := "[0 0 9004 0 0 9002 9004 0]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
		if calls, tokens := srv.Strays(); calls != 2 || tokens != 1 {
			t.Errorf("counts %d calls and %d token requests, want 2 and 1", calls, tokens)
		}
	})
}

func TestServer_RepeatTokens(t *testing.T) {
	bubble(t, platformtokentest.Options{}, func(t *testing.T, srv *platformtokentest.Server) {
		srv.RepeatTokens(1, 0)
		first := string(post(t, srv, "/auth/createToken", "", createBody).Data)
		if again := string(post(t, srv, "/auth/createToken", "", createBody).Data); again != first || srv.Created("u1") != 1 {
			t.Errorf("%s after %s, %d created", again, first, srv.Created("u1"))
		}
		srv.RepeatTokens(0, 0)
		if string(post(t, srv, "/auth/createToken", "", createBody).Data) == first {
			t.Error("a token was repeated after the end")
		}
	})
}

func TestServer_FailActed(t *testing.T) {
	bubble(t, platformtokentest.Options{}, func(t *testing.T, srv *platformtokentest.Server) {
		srv.FailActed(1, http.StatusServiceUnavailable, nil)
		a := post(t, srv, "/auth/createToken", "", createBody)
		if a.status != http.StatusServiceUnavailable || a.IsSuccess || a.Code != platformtokentest.CodeFault || srv.Created("u1") != 1 {
			t.Errorf("answered %+v, and made %d tokens", a, srv.Created("u1"))
		}
	})
}
