package merchantauthtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

const loginBody = `{"token":"owner@merchant.example","password":"password-1"}`

// session is what a login or refresh answers.
func session(t *testing.T, srv *merchantauthtest.Server, path, body string) tokens {
	t.Helper()
	answer := post(t, srv, path, body, "merchant_id", "merchant-1")
	var env struct{ Data tokens }
	if _, body, _ := strings.Cut(answer, " "); json.Unmarshal([]byte(body), &env) != nil || env.Data.AccessToken == "" {
		t.Fatalf("no tokens: %s", answer)
	}
	return env.Data
}

func TestServer_StrayCalls(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
		bearer := "Bearer " + session(t, srv, "/v2/auth/login", loginBody).AccessToken
		srv.StrayCalls(2, 0)
		srv.StrayTokens(2, 0)
		var got []string
		for range 4 {
			call := post(t, srv, "/v2/customer/find", `{}`, "Authorization", bearer)
			login := post(t, srv, "/v2/auth/login", loginBody, "merchant_id", "merchant-1")
			got = append(got, call[:3], login[:3])
		}
		if want := "[200 200 401 401 200 200 401 401]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
		if calls, tokens := srv.Strays(); calls != 2 || tokens != 2 {
			t.Errorf("counts %d calls and %d token requests, want 2 and 2", calls, tokens)
		}
	})
}

func TestServer_RepeatTokens(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
		srv.RepeatTokens(1, 0, func(r *http.Request) bool { return r.URL.Path == "/v2/auth/refresh" })
		first := session(t, srv, "/v2/auth/login", loginBody)
		again := session(t, srv, "/v2/auth/refresh", `{"refreshToken":"`+first.RefreshToken+`"}`)
		if again.AccessToken != first.AccessToken || again.ExpiresIn != first.ExpiresIn || again.RefreshToken == first.RefreshToken {
			t.Error("the refresh did not bring the same access token and another refresh token")
		}
		if session(t, srv, "/v2/auth/login", loginBody).AccessToken == first.AccessToken {
			t.Error("the login brought the same access token")
		}
		srv.RevokeTokens()
		srv.RepeatTokens(1, 0)
		if session(t, srv, "/v2/auth/login", loginBody).AccessToken == first.AccessToken {
			t.Error("a revoked token was repeated")
		}
	})
}

func TestServer_FailActed(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
		srv.FailActed(1, http.StatusInternalServerError, nil)
		answer := post(t, srv, "/v2/auth/login", loginBody, "merchant_id", "merchant-1")
		if !strings.HasPrefix(answer, `500 {"errors":[{`) || srv.Logins() != 1 {
			t.Errorf("answered %s, and logged in %d times", answer, srv.Logins())
		}
	})
}
