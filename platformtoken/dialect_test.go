package platformtoken_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// A failure envelope under a 303 proves that the platform did not act.
func TestClient_Transfer_rejectedUnderARedirect(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		first := true
		srv.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == transfer && first {
					first = false
					platformtokentest.WriteFailure(w, http.StatusSeeOther, 9004, "no")
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		_, err := c.Transfer(t.Context(), brl, platformtoken.TransferRequest{
			TxID: "tx-1", Direction: platformtoken.TransferIn, Amount: testkit.ParseAmount(t, "1"),
		})
		if err != nil {
			t.Error(err)
		}
	}, func(cfg *platformtoken.Config) {
		cfg.Rejected = func(_ string, _, code int) bool { return code == 9004 }
	})
}

const enterGame = "/game/enter"

func TestError_Retryable(t *testing.T) {
	for _, status := range []int{408, 500, 502, 503} {
		t.Run(fmt.Sprint("a caller who repeats while it is ok acts once, answered a failure under ", status), func(t *testing.T) {
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				soon := http.Header{"Retry-After": {"1"}}
				srv.FailActed(3, status, soon, testkit.Path(transfer))
				e := errorIs(t, testkit.Repeat(func(n int) error {
					_, err := c.Transfer(t.Context(), brl, in(t, fmt.Sprint("tx-", n), "5"))
					return err
				}), providerauth.ErrAmbiguous)
				testkit.Equal(t, "wallet after Transfer", srv.Balance(brl), "5")
				testkit.Equal(t, "code", e.Code, platformtokentest.CodeFault)

				srv.FailActed(3, status, soon, testkit.Path(transfer))
				errorIs(t, testkit.Repeat(func(n int) error {
					body := struct {
						TxID         string              `json:"txId"`
						TransferType int                 `json:"transferType"`
						Amount       providerauth.Number `json:"amount"`
					}{fmt.Sprint("raw-", n), int(platformtoken.TransferIn), providerauth.Number{Amount: testkit.ParseAmount(t, "2")}}
					return c.CallFor(t.Context(), brl, "POST", transfer, body, nil)
				}), providerauth.ErrAmbiguous)
				testkit.Equal(t, "wallet after CallFor", srv.Balance(brl), "7")

				srv.FailActed(3, status, soon, testkit.Path(enterGame))
				errorIs(t, testkit.Repeat(func(int) error {
					_, err := c.EnterGame(t.Context(), platformtoken.EnterGameRequest{UserID: "u", GameID: 7})
					return err
				}), providerauth.ErrAmbiguous)
				testkit.Equal(t, "games entered", srv.Count(enterGame), 1)
			})
		})
	}
}

func TestClient_EnterGame(t *testing.T) {
	t.Run("a 503 with Retry-After and without an envelope is not repeated", func(t *testing.T) {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			srv.FailNext(1, 503, http.Header{"Retry-After": {"1"}})
			_, err := c.EnterGame(t.Context(), platformtoken.EnterGameRequest{UserID: "u", GameID: 7})
			e := errorIs(t, err, providerauth.ErrAmbiguous)
			if _, ok := e.Retryable(); ok {
				t.Errorf("retryable: %v", e)
			}
			testkit.Equal(t, "requests", srv.Count(enterGame), 1)
		})
	})
}

func TestConfig_Rejected(t *testing.T) {
	every := func(cfg *platformtoken.Config) { cfg.Rejected = func(string, int, int) bool { return true } }
	for way, move := range map[string]func(*testing.T, *platformtokentest.Server, *platformtoken.Client){
		"Transfer": func(t *testing.T, _ *platformtokentest.Server, c *platformtoken.Client) {
			_, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "5"))
			testkit.Equal(t, "code", errorIs(t, err, providerauth.ErrAmbiguous).Code, platformtokentest.CodeFault)
		},
		"HTTPClientFor": func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			_, body := do(t, c.HTTPClientFor(brl), srv, transfer, `{"txId":"tx-1","transferType":1,"amount":5}`)
			testkit.Equal(t, "the answer is handed on", strings.Contains(body, "9999"), true)
		},
	} {
		for _, status := range []int{408, 500, 503} {
			t.Run(fmt.Sprint("a transfer that fails under ", status, " is not sent again, ", way), func(t *testing.T) {
				bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
					token(t, c, brl)
					srv.FailActed(2, status, nil, testkit.Path(transfer))
					move(t, srv, c)
					testkit.Equal(t, "wallet", srv.Balance(brl), "5")
					testkit.Equal(t, "transfers, tokens", []int{srv.Count(transfer), srv.Created(brl.UserID)}, []int{1, 1})
				}, every)
			})
		}
	}

	t.Run("a read that fails under 500 is made again if it says so", func(t *testing.T) {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			token(t, c, brl)
			srv.FailActed(1, 500, nil, testkit.Path(getBalance))
			balance(t, c, brl)
			testkit.Equal(t, "tokens", srv.Created(brl.UserID), 2)
		}, func(cfg *platformtoken.Config) {
			every(cfg)
			cfg.MaxAttempts = 1
		})
	})
}

func TestAnswersAreJudgedByStatusFlagAndCode(t *testing.T) {
	const (
		success   = "success"
		refused   = "refused"   // a failure envelope: the platform did not act
		unusable  = "unusable"  // ErrBadResponse, and ambiguous
		ambiguous = "ambiguous" // nobody knows
		plain     = "plain"     // an error that says no more than its status
	)
	for _, tc := range []struct {
		status int
		body   string
		want   string
		code   int
	}{
		{200, `{"isSuccess":true,"code":0,"data":{"x":1}}`, success, 0},
		{201, `{"isSuccess":true,"code":0,"data":{"x":1},"new":[]}`, success, 0},
		{200, `{"isSuccess":true,"data":{"x":1}}`, success, 0},
		{200, `{"isSuccess":true,"code":null,"data":{"x":1}}`, success, 0},
		{200, `{"isSuccess":true,"code":"0","data":{"x":1}}`, success, 0},
		{200, `{"isSuccess":true,"code":0.0,"data":{"x":1}}`, success, 0},
		{200, `{"isSuccess":true,"code":0,"message":{},"data":{"x":1}}`, success, 0},

		{200, `{"isSuccess":true,"code":7,"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":true,"code":"x","data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":true,"code":{},"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":true,"code":0}`, unusable, 0},
		{200, `{"isSuccess":true,"code":0,"data":null}`, unusable, 0},
		{200, `{"isSuccess":true,"code":0,"data":{"x":"1"}}`, unusable, 0},
		{200, `{"isSuccess":true,"code":0,"data":[1]}`, unusable, 0},
		{200, `{"code":0,"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":null,"code":0,"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":"true","code":0,"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":1,"code":0,"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":"false","code":7}`, unusable, 0},
		{200, ``, unusable, 0},
		{204, ``, unusable, 0},
		{200, `[]`, unusable, 0},
		{200, `null`, unusable, 0},
		{200, `<html>`, unusable, 0},
		{200, `{"isSuccess":true,"code":0,"data":{"x":1}}{}`, unusable, 0},
		{200, `{"isSuccess":true,"code":0,"data":{"x":1}`, unusable, 0},

		{200, `{"isSuccess":false,"code":2014,"message":"m"}`, refused, 2014},
		{200, `{"isSuccess":false,"code":2014,"message":"m","data":{"x":1}}`, refused, 2014},
		{200, `{"isSuccess":false,"code":"2014","message":"m"}`, refused, 2014},
		{200, `{"isSuccess":false,"code":1e300,"message":"m"}`, refused, 0},
		{200, `{"isSuccess":false,"code":0,"message":"m"}`, refused, 0},
		{200, `{"isSuccess":false,"message":"m"}`, refused, 0},
		{400, `{"isSuccess":false,"code":3,"message":"m"}`, refused, 3},
		{403, `{"isSuccess":false,"code":3,"message":"m"}`, refused, 3},
		{302, `{"isSuccess":false,"code":3,"message":"m"}`, refused, 3},

		{408, `{"isSuccess":false,"code":3,"message":"m"}`, ambiguous, 3},
		{500, `{"isSuccess":false,"code":3,"message":"m"}`, ambiguous, 3},
		{503, `{"isSuccess":false,"code":3,"message":"m"}`, ambiguous, 3},
		{500, `{"isSuccess":true,"code":0,"data":{"x":1}}`, ambiguous, 0},
		{502, `<html>`, ambiguous, 0},
		{504, ``, ambiguous, 0},
		{408, ``, ambiguous, 0},
		{400, `{"isSuccess":true,"code":0,"data":{"x":1}}`, plain, 0},
		{404, `<html>`, plain, 0},
		{401, ``, plain, 0},
		{302, ``, plain, 0},
	} {
		t.Run(fmt.Sprint(tc.status, " ", tc.body), func(t *testing.T) {
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				token(t, c, brl)
				answering(srv, tc.status, tc.body)
				for name, call := range map[string]func(out any) error{
					"Call":    func(out any) error { return c.Call(t.Context(), http.MethodPost, "/x", nil, out) },
					"CallFor": func(out any) error { return c.CallFor(t.Context(), brl, http.MethodPost, "/x", nil, out) },
				} {
					if name == "CallFor" && tc.status == http.StatusUnauthorized {
						continue // needs another token
					}
					var out struct{ X int }
					err := call(&out)
					if tc.want == success {
						if err != nil || out.X != 1 {
							t.Errorf("%s: got %v, %v", name, out, err)
						}
						continue
					}
					e := errorIs(t, err)
					got := plain
					switch {
					case e.Message == "m" && !e.Ambiguous():
						got = refused
					case e.Ambiguous() && e.StatusCode < 300 && errors.Is(e, providerauth.ErrBadResponse):
						got = unusable
					case e.Ambiguous():
						got = ambiguous
					}
					testkit.Equal(t, name, fmt.Sprint(got, e.StatusCode, e.Code, e.Attempts), fmt.Sprint(tc.want, tc.status, tc.code, 1))
					if _, ok := e.Retryable(); ok && tc.want != refused {
						t.Errorf("%s: retryable", name)
					}
					if tc.body != "" && tc.want != unusable && e.Body() != tc.body {
						t.Errorf("%s: body %q", name, e.Body())
					}
				}
			})
		})
	}
}

func TestDataMayBeAnObjectAnArrayOrAString(t *testing.T) {
	for data, out := range map[string]any{`{"a":1}`: &map[string]int{}, `[1,2]`: &[]int{}, `"s"`: new(string), `12.50`: &providerauth.Number{}} {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			answering(srv, 200, `{"isSuccess":true,"code":0,"data":`+data+`}`)
			if err := c.Call(t.Context(), http.MethodPost, "/x", nil, out); err != nil {
				t.Errorf("%s: %v", data, err)
			}
			got, err := json.Marshal(out)
			if err != nil || strings.TrimSuffix(string(got), "0") != strings.TrimSuffix(data, "0") {
				t.Errorf("%s: got %s, %v", data, got, err)
			}
		})
	}
}

func TestCallWithoutAnOutNeedsNoData(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		in := struct {
			TenantID int64  `json:"tenantId"`
			UserID   string `json:"userId"`
			NickName string `json:"nickName"`
		}{1, "u", "n"}
		if err := c.Call(t.Context(), http.MethodPost, "/player/register", in, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestGETIsRepeatedAndPOSTIsNot(t *testing.T) {
	for method, want := range map[string]int{http.MethodGet: 3, http.MethodPost: 1} {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			srv.FailNext(3, http.StatusBadGateway, nil)
			e := errorIs(t, c.Call(t.Context(), method, "/x", nil, nil))
			testkit.Equal(t, method, e.Attempts, want)
		})
	}
}

// FuzzEnvelope looks for answers that are a success and a refusal at once, and
// for successes that do not say so.
func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{
		`{"isSuccess":true,"code":0,"data":{"token":"x"}}`, `{"isSuccess":false,"code":2014,"message":"m","data":{}}`,
		`{"isSuccess":true,"code":"0"}`, `{"ISSUCCESS":true,"isSuccess":false}`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var data any
		err := platformtoken.Open(body, &data)
		code, message, refused := platformtoken.ReadRefusal(body)
		if err == nil && refused {
			t.Fatalf("%q is both", body)
		}
		if !refused && (code != 0 || message != "") {
			t.Fatalf("%q is no refusal, and has %d %q", body, code, message)
		}
		if err != nil {
			return
		}
		var e struct {
			IsSuccess any
			Data      any
		}
		if json.Unmarshal(body, &e) != nil || e.IsSuccess != true || e.Data == nil {
			t.Fatalf("%q is no success", body)
		}
	})
}
