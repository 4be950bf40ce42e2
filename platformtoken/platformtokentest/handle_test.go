package platformtokentest_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// signed sends a signed request and returns status and body of the answer.
func signed(t *testing.T, srv *platformtokentest.Server, method, path, body, token string) string {
	t.Helper()
	r := testkit.Request(t, method, srv.URL()+path, body)
	sum := md5.Sum([]byte(secret + body + secret))
	r.Header["Sign"] = []string{hex.EncodeToString(sum[:])}
	r.Header["Timestamp"] = []string{strconv.FormatInt(time.Now().Unix(), 10)}
	r.Header["Accept-Language"] = []string{"en"}
	r.Header["Content-Type"] = []string{"application/json; charset=utf-8"}
	if token != "" {
		r.Header["Authorization"] = []string{"Bearer " + token}
	}
	resp, answer := testkit.Do(t, srv.Client(), r)
	return fmt.Sprint(resp.StatusCode, " ", answer)
}

func TestServer_Handle(t *testing.T) {
	const (
		served  = `200 {"isSuccess":true,"code":0,"data":"0"}`
		noToken = `401 {"isSuccess":false,"code":9004,"message":"The token is missing, dead or expired"}`
		noSign  = `403 {"isSuccess":false,"code":9002,"message":"The signature does not match"}`
	)
	run := func(name string, f func(t *testing.T, srv *platformtokentest.Server)) {
		t.Run(name, func(t *testing.T) {
			bubble(t, platformtokentest.Options{}, func(t *testing.T, srv *platformtokentest.Server) {
				h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					platformtokentest.WriteData(w, srv.Balance(platformtoken.Player{UserID: "u1"}))
				})
				srv.Handle("POST /player/getBets", h)
				srv.Handle("GET /report/{day}", h)
				f(t, srv)
			})
		})
	}
	bets := func(t *testing.T, srv *platformtokentest.Server, token string) string {
		t.Helper()
		return signed(t, srv, http.MethodPost, "/player/getBets", `{}`, token)
	}
	report := func(t *testing.T, srv *platformtokentest.Server, token string) string {
		t.Helper()
		return signed(t, srv, http.MethodGet, "/report/monday", "", token)
	}
	run("below /player a request needs a live token", func(t *testing.T, srv *platformtokentest.Server) {
		dead := srv.OutsideCreate("u1")
		live := srv.OutsideCreate("u1")
		testkit.Equal(t, "with a live token", bets(t, srv, live), served)
		testkit.Equal(t, "with a dead token", bets(t, srv, dead), noToken)
		testkit.Equal(t, "without a token", bets(t, srv, ""), noToken)
	})
	run("elsewhere a request has a live token or none", func(t *testing.T, srv *platformtokentest.Server) {
		dead := srv.OutsideCreate("u1")
		live := srv.OutsideCreate("u1")
		testkit.Equal(t, "with a live token", report(t, srv, live), served)
		testkit.Equal(t, "with a dead token", report(t, srv, dead), noToken)
		testkit.Equal(t, "without a token", report(t, srv, ""), served)
	})
	run("a request needs a valid signature", func(t *testing.T, srv *platformtokentest.Server) {
		srv.RotateSecrets("another secret")
		testkit.Equal(t, "answer", report(t, srv, ""), noSign)
	})
	run("faults apply to it", func(t *testing.T, srv *platformtokentest.Server) {
		srv.FailActed(1, http.StatusInternalServerError, nil)
		testkit.Equal(t, "answer", report(t, srv, ""), `500 {"isSuccess":false,"code":9999,"message":"The simulator was asked to fail"}`)
	})
	run("StrayCalls rejects its calls", func(t *testing.T, srv *platformtokentest.Server) {
		srv.StrayCalls(1, 0)
		testkit.Equal(t, "answer", bets(t, srv, srv.OutsideCreate("u1")), noToken)
	})
	run("the pattern of a built-in endpoint panics", func(t *testing.T, srv *platformtokentest.Server) {
		defer func() {
			if recover() == nil {
				t.Error("the pattern was accepted")
			}
		}()
		srv.Handle("POST /player/register", http.NotFoundHandler())
	})
}
