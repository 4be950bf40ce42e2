package partnerjwttest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// token is good for 15 minutes from now.
func token(secret string) string {
	now := time.Now().Unix()
	return testkit.HS256(secret, hs256, fmt.Sprintf(`{"clientId":"client-1","iat":%d,"exp":%d}`, now, now+900))
}

func memory(t *testing.T, opt partnerjwttest.Options, f func(t *testing.T, srv *partnerjwttest.Server)) {
	t.Helper()
	testkit.Bubble(t, partnerjwttest.NewServer, opt, f)
}

// send makes a plain request, without the SDK.
func send(t *testing.T, srv *partnerjwttest.Server, method, path, body string, authorization ...string) (status int, answer string) {
	t.Helper()
	r := testkit.Request(t, method, srv.URL()+path, body)
	r.Header["Authorization"] = authorization
	resp, answer := testkit.Do(t, srv.Client(), r)
	return resp.StatusCode, strings.TrimSpace(answer)
}

func portfolio(t *testing.T, srv *partnerjwttest.Server, authorization ...string) (status int) {
	t.Helper()
	status, _ = send(t, srv, http.MethodGet, "/portfolio", "", authorization...)
	return status
}

func TestTheServerChecksEveryRuleOfAToken(t *testing.T) {
	for name, c := range map[string]struct {
		authorization func(now int64) []string
		status        int
	}{
		"good": {func(int64) []string { return []string{"Bearer " + token("secret-1")} }, 200},
		"other key order": {func(now int64) []string {
			return []string{"Bearer " + testkit.HS256("secret-1", hs256, fmt.Sprintf(`{"exp":%d,"iat":%d,"clientId":"client-1"}`, now+1, now))}
		}, 200},
		"fractions of a second": {func(now int64) []string {
			return []string{"Bearer " + testkit.HS256("secret-1", hs256, fmt.Sprintf(`{"clientId":"client-1","iat":%d.25,"exp":%d.75}`, now-1, now+900))}
		}, 200},
		"nothing":      {func(int64) []string { return nil }, 401},
		"no Bearer":    {func(int64) []string { return []string{token("secret-1")} }, 401},
		"twice":        {func(int64) []string { return []string{"Bearer " + token("secret-1"), "Bearer " + token("secret-1")} }, 401},
		"other secret": {func(int64) []string { return []string{"Bearer " + token("secret-2")} }, 401},
		"other client": {func(now int64) []string {
			return []string{"Bearer " + testkit.HS256("secret-1", hs256, fmt.Sprintf(`{"clientId":"client-2","iat":%d,"exp":%d}`, now, now+900))}
		}, 401},
		"other algorithm": {func(now int64) []string {
			return []string{"Bearer " + testkit.HS256("secret-1", `{"alg":"none","typ":"JWT"}`, fmt.Sprintf(`{"clientId":"client-1","iat":%d,"exp":%d}`, now, now+900))}
		}, 401},
		"no exp": {func(now int64) []string {
			return []string{"Bearer " + testkit.HS256("secret-1", hs256, fmt.Sprintf(`{"clientId":"client-1","iat":%d}`, now))}
		}, 401},
		"no iat": {func(now int64) []string {
			return []string{"Bearer " + testkit.HS256("secret-1", hs256, fmt.Sprintf(`{"clientId":"client-1","exp":%d}`, now+900))}
		}, 401},
		"expired this second": {func(now int64) []string {
			return []string{"Bearer " + testkit.HS256("secret-1", hs256, fmt.Sprintf(`{"clientId":"client-1","iat":%d,"exp":%d}`, now-900, now))}
		}, 401},
		"issued in a second": {func(now int64) []string {
			return []string{"Bearer " + testkit.HS256("secret-1", hs256, fmt.Sprintf(`{"clientId":"client-1","iat":%d,"exp":%d}`, now+1, now+900))}
		}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			memory(t, partnerjwttest.Options{}, func(t *testing.T, srv *partnerjwttest.Server) {
				testkit.Equal(t, "status", portfolio(t, srv, c.authorization(time.Now().Unix())...), c.status)
				testkit.Equal(t, "tokens accepted", srv.Tokens() == 1, c.status == 200)
			})
		})
	}
}

func TestLeewayIsGivenOnBothSides(t *testing.T) {
	for _, c := range []struct {
		iat, exp int64
		status   int
	}{{0, -5, 401}, {-900, -4, 200}, {5, 900, 200}, {6, 900, 401}} {
		memory(t, partnerjwttest.Options{Leeway: 5 * time.Second}, func(t *testing.T, srv *partnerjwttest.Server) {
			now := time.Now().Unix()
			tok := testkit.HS256("secret-1", hs256, fmt.Sprintf(`{"clientId":"client-1","iat":%d,"exp":%d}`, now+c.iat, now+c.exp))
			testkit.Equal(t, fmt.Sprint("status of ", c), portfolio(t, srv, "Bearer "+tok), c.status)
		})
	}
}

func TestTheClockThatCountsIsTheServers(t *testing.T) {
	memory(t, partnerjwttest.Options{}, func(t *testing.T, srv *partnerjwttest.Server) {
		srv.SetClockOffset(time.Hour)
		testkit.Equal(t, "status an hour ahead", portfolio(t, srv, "Bearer "+token("secret-1")), 401)
		srv.SetClockOffset(-time.Hour)
		testkit.Equal(t, "status an hour behind", portfolio(t, srv, "Bearer "+token("secret-1")), 401)
		srv.SetClockOffset(0)
		testkit.Equal(t, "status", portfolio(t, srv, "Bearer "+token("secret-1")), 200)
	})
}

func TestRotateReplacesTheSecrets(t *testing.T) {
	memory(t, partnerjwttest.Options{}, func(t *testing.T, srv *partnerjwttest.Server) {
		srv.Rotate("secret-2", "secret-1")
		for _, secret := range []string{"secret-1", "secret-2"} {
			testkit.Equal(t, "status of "+secret+" during the overlap", portfolio(t, srv, "Bearer "+token(secret)), 200)
		}
		srv.Rotate("secret-2")
		testkit.Equal(t, "status of the old secret", portfolio(t, srv, "Bearer "+token("secret-1")), 401)
		testkit.Equal(t, "status of the new secret", portfolio(t, srv, "Bearer "+token("secret-2")), 200)
	})
}

func TestRevokedTokensAreRefusedAndNewOnesAreNot(t *testing.T) {
	memory(t, partnerjwttest.Options{}, func(t *testing.T, srv *partnerjwttest.Server) {
		old := token("secret-1")
		testkit.Equal(t, "status", portfolio(t, srv, "Bearer "+old), 200)
		srv.RevokeTokens()
		testkit.Equal(t, "status of a revoked token", portfolio(t, srv, "Bearer "+old), 401)
		time.Sleep(time.Second)
		testkit.Equal(t, "status of the next one", portfolio(t, srv, "Bearer "+token("secret-1")), 200)
		testkit.Equal(t, "tokens", srv.Tokens(), 2)
	})
}

func TestATradeIsActedOnOnceAndCounted(t *testing.T) {
	memory(t, partnerjwttest.Options{}, func(t *testing.T, srv *partnerjwttest.Server) {
		order := `{"ticker":"AAPL","orderSide":"BUY"}`
		status, answer := send(t, srv, http.MethodPost, "/trade", order, "Bearer "+token("secret-1"))
		testkit.Equal(t, "answer", fmt.Sprint(status, " ", answer), `200 {"id":1,"ticker":"AAPL"}`)
		status, _ = send(t, srv, http.MethodPost, "/trade", `{"ticker":"AAPL"}`, "Bearer "+token("secret-1"))
		testkit.Equal(t, "status of half an order", status, 400)
		status, _ = send(t, srv, http.MethodPost, "/trade", order)
		testkit.Equal(t, "status of an order without a token", status, 401)
		srv.LoseAnswers(1)
		r, err := http.NewRequest(http.MethodPost, srv.URL()+"/trade", strings.NewReader(order))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token("secret-1"))
		if resp, err := srv.Client().Do(r); err == nil {
			resp.Body.Close()
			t.Error("the answer was not lost")
		}
		testkit.Equal(t, "trades", srv.Trades(), 2)
	})
}

func TestItsConfigMakesAClientThatReachesIt(t *testing.T) {
	for _, inMemory := range []bool{true, false} {
		run := func(t *testing.T) {
			srv := partnerjwttest.NewServer(partnerjwttest.Options{InMemory: inMemory, Secret: "own"})
			defer srv.Close()
			c, err := partnerjwt.New(srv.Config())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			holdings, err := c.Portfolio(t.Context())
			if err != nil || len(holdings) != 2 {
				t.Errorf("%v, %v", holdings, err)
			}
			testkit.Equal(t, "requests", srv.Count("/portfolio"), 1)
		}
		if inMemory {
			synctest.Test(t, run)
		} else {
			run(t)
		}
	}
}

func TestStart(t *testing.T) { testkit.Started(t, partnerjwttest.Start) }
