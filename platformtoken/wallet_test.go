package platformtoken_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

func in(t testing.TB, txID, units string) platformtoken.TransferRequest {
	return platformtoken.TransferRequest{TxID: txID, Direction: platformtoken.TransferIn, Amount: testkit.ParseAmount(t, units)}
}

func TestMoneyMovesInAndOutExactly(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		ctx := t.Context()
		got, err := c.Transfer(ctx, brl, in(t, "tx-1", "100.10"))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "transfer", got, platformtoken.Transfer{TxID: "tx-1", RecordID: "r1", State: platformtoken.TransferSucceeded})
		r, body := last(t, srv)
		testkit.Equal(t, "body", body, `{"txId":"tx-1","transferType":1,"amount":100.1}`)
		testkit.Equal(t, "bearer", r.Header.Get("Authorization"), "Bearer "+token(t, c, brl).Value())

		out := platformtoken.TransferRequest{TxID: "tx-2", Direction: platformtoken.TransferOut, Amount: testkit.ParseAmount(t, "0.000000000000000001")}
		if _, err := c.Transfer(ctx, brl, out); err != nil {
			t.Fatal(err)
		}
		_, body = last(t, srv)
		testkit.Equal(t, "body", body, `{"txId":"tx-2","transferType":2,"amount":0.000000000000000001}`)
		testkit.Equal(t, "wallet", srv.Balance(brl), "100.099999999999999999")
		testkit.Equal(t, "total", srv.Total(), "0")

		state, err := c.TransferStatus(ctx, brl, got.RecordID)
		if err != nil || state != platformtoken.TransferSucceeded || !state.Final() {
			t.Errorf("state %v, %v", state, err)
		}
		_, body = last(t, srv)
		testkit.Equal(t, "body", body, `{"recordId":"r1"}`)

		srv.Deposit(brl, "-100")
		b := balance(t, c, brl)
		testkit.Equal(t, "balance", fmt.Sprint(b.Amount, " ", b.Currency), "0.099999999999999999 BRL")
		_, body = last(t, srv)
		testkit.Equal(t, "body", body, `{"userId":"t1_225478"}`)
		srv.Deposit(brl, "-0.1")
		testkit.Equal(t, "sign of the balance", balance(t, c, brl).Amount.Sign(), -1)
	})
}

func TestPendingTransferIsNoError(t *testing.T) {
	bubble(t, platformtokentest.Options{Pending: true}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		got, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "5"))
		if err != nil || got.State != platformtoken.TransferProcessing || got.State.Final() {
			t.Fatalf("got %v, %v", got, err)
		}
		testkit.Equal(t, "wallet", srv.Balance(brl), "0")
		for _, want := range []platformtoken.TransferState{platformtoken.TransferProcessing, platformtoken.TransferSucceeded} {
			srv.Settle("tx-1", want)
			state, err := c.TransferStatus(t.Context(), brl, got.RecordID)
			if err != nil || state != want {
				t.Errorf("got %v, %v, want %v", state, err, want)
			}
		}
		testkit.Equal(t, "wallet", srv.Balance(brl), "5")
	})
}

func TestLostTransferIsAmbiguousNamesItsTxIDAndIsNotSentAgain(t *testing.T) {
	for name, fault := range map[string]func(*platformtokentest.Server){
		"lost":    func(srv *platformtokentest.Server) { srv.LoseAnswers(1, testkit.Path(transfer)) },
		"cut":     func(srv *platformtokentest.Server) { srv.Truncate(1, testkit.Path(transfer)) },
		"reset":   func(srv *platformtokentest.Server) { srv.Reset(1, testkit.Path(transfer)) },
		"late":    func(srv *platformtokentest.Server) { srv.ActLate(1, time.Second, testkit.Path(transfer)) },
		"gateway": func(srv *platformtokentest.Server) { srv.FailNext(1, 502, nil, testkit.Path(transfer)) },
		"unavailable": func(srv *platformtokentest.Server) {
			srv.FailNext(1, 503, http.Header{"Retry-After": {"1"}}, testkit.Path(transfer))
		},
		"slow": func(srv *platformtokentest.Server) { srv.Delay(3*time.Minute, testkit.Path(transfer)) },
		"unusable": func(srv *platformtokentest.Server) {
			srv.Intercept(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == transfer {
						platformtokentest.WriteData(w, map[string]any{"txId": "tx-1", "status": 2})
						return
					}
					next.ServeHTTP(w, r)
				})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				token(t, c, brl)
				fault(srv)
				got, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "5"))
				e := errorIs(t, err, providerauth.ErrAmbiguous)
				if _, ok := e.Retryable(); ok || !e.Ambiguous() || e.TxID != "tx-1" || e.Attempts != 1 {
					t.Errorf("retryable, not ambiguous, or without the id: %v", e)
				}
				testkit.Contains(t, e.Error(), "Transfer tx-1")
				testkit.Equal(t, "result", got, platformtoken.Transfer{})
				testkit.Equal(t, "requests", srv.Count(transfer), 1)
			})
		})
	}
}

func TestCallThatMayMoveMoneyIsNotSentAgainAfterA503(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			token(t, c, brl)
			for name, call := range map[string]func() error{
				"Call":    func() error { return c.Call(t.Context(), method, "/x", nil, nil) },
				"CallFor": func() error { return c.CallFor(t.Context(), brl, method, "/x", nil, nil) },
			} {
				before := srv.Count("/x")
				srv.FailNext(1, http.StatusServiceUnavailable, http.Header{"Retry-After": {"1"}}, testkit.Path("/x"))
				e := errorIs(t, call(), providerauth.ErrAmbiguous)
				if _, ok := e.Retryable(); ok || e.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("%s %s: retryable, or another status: %v", name, method, e)
				}
				testkit.Equal(t, name+" "+method+": attempts, requests", []int{e.Attempts, srv.Count("/x") - before}, []int{1, 1})
			}
		})
	}
}

func TestTransferThatWasRefusedForItsTokenIsSentAgainAndThenMayBeLost(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		srv.OutsideCreate(brl.UserID)
		n := 0
		srv.LoseAnswers(1, testkit.Path(transfer), func(*http.Request) bool { n++; return n == 2 })
		_, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "5"))
		e := errorIs(t, err, providerauth.ErrAmbiguous)
		testkit.Equal(t, "attempts", e.Attempts, 2)
		testkit.Equal(t, "wallet", srv.Balance(brl), "5")
	})
}

func TestRejectedThatIsWrongDoesNotMakeAnUnclearTransferBeSentAgain(t *testing.T) {
	for _, status := range []int{200, 408, 500, 502} {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			token(t, c, brl)
			srv.Intercept(testkit.Always(status, nil, `{"code":7}`, testkit.Path(transfer)))
			_, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "5"))
			errorIs(t, err, providerauth.ErrAmbiguous)
			testkit.Equal(t, "requests", srv.Count(transfer), 1)
			do(t, c.HTTPClientFor(brl), srv, transfer, `{}`)
			testkit.Equal(t, "requests", srv.Count(transfer), 2)
			testkit.Equal(t, "tokens", srv.Created(brl.UserID), 1)
		}, func(cfg *platformtoken.Config) { cfg.Rejected = func(string, int, int) bool { return true } })
	}
}

func TestFailedTokenCallBeforeATransferIsNotSentAndNeverAmbiguous(t *testing.T) {
	for name, tc := range map[string]struct {
		fault     func(*platformtokentest.Server)
		retryable bool
	}{
		"lost":     {func(srv *platformtokentest.Server) { srv.LoseAnswers(2) }, true},
		"unusable": {func(srv *platformtokentest.Server) { answering(srv, 200, `{"isSuccess":true,"code":0,"data":{}}`) }, true},
		"refused":  {func(srv *platformtokentest.Server) { srv.FailNext(1, 403, nil) }, false},
		"gateway":  {func(srv *platformtokentest.Server) { srv.FailNext(2, 502, nil) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				tc.fault(srv)
				_, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "5"))
				e := errorIs(t, err, providerauth.ErrNotSent)
				if e.Ambiguous() || errors.Is(err, providerauth.ErrAmbiguous) || e.TxID != "tx-1" || e.Attempts != 0 || e.StatusCode != 0 {
					t.Errorf("not one that was not sent: %+v", e)
				}
				if _, ok := e.Retryable(); ok != tc.retryable {
					t.Errorf("retryable: %v", ok)
				}
				testkit.Equal(t, "requests", srv.Count(transfer), 0)
			})
		})
	}
}

// A lost createToken leaves open which token is alive. The next Token finds
// that out and does no harm; a raw CreateToken kills whatever is there.
func TestATokenCallWithoutAnAnswerMayBeRepeatedAndARawCreationNot(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.LoseAnswers(3)
		_, err := c.Token(t.Context(), brl)
		if _, ok := errorIs(t, err, providerauth.ErrAmbiguous).Retryable(); !ok {
			t.Error("Token is not retryable")
		}
		_, err = c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: brl.UserID, Currency: brl.Currency})
		if _, ok := errorIs(t, err, providerauth.ErrAmbiguous).Retryable(); ok {
			t.Error("CreateToken is retryable")
		}
	})
}

func TestTransferIsCheckedBeforeAnythingIsSent(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		good := in(t, "tx-1", "1")
		for name, tc := range map[string]struct {
			change func(*platformtoken.TransferRequest)
			field  string
		}{
			"no txId":            {func(r *platformtoken.TransferRequest) { r.TxID = "" }, "TxID"},
			"txId with newline":  {func(r *platformtoken.TransferRequest) { r.TxID = "tx\n" }, "TxID"},
			"txId of bad UTF-8":  {func(r *platformtoken.TransferRequest) { r.TxID = "tx\xff" }, "TxID"},
			"no direction":       {func(r *platformtoken.TransferRequest) { r.Direction = 0 }, "Direction"},
			"third direction":    {func(r *platformtoken.TransferRequest) { r.Direction = 3 }, "Direction"},
			"amount never set":   {func(r *platformtoken.TransferRequest) { r.Amount = providerauth.Amount{} }, "Amount"},
			"amount of zero":     {func(r *platformtoken.TransferRequest) { r.Amount = testkit.ParseAmount(t, "0") }, "Amount"},
			"amount below zero":  {func(r *platformtoken.TransferRequest) { r.Amount = testkit.ParseAmount(t, "-1") }, "Amount"},
			"amount of zero, .0": {func(r *platformtoken.TransferRequest) { r.Amount = testkit.ParseAmount(t, "0.00") }, "Amount"},
			"amount of 20 digits, read from a balance": {func(r *platformtoken.TransferRequest) {
				if err := json.Unmarshal([]byte("33.333333333333333333"), &r.Amount); err != nil {
					t.Error(err)
				}
			}, "Amount"},
			"amount of 30 decimals, read from a balance": {func(r *platformtoken.TransferRequest) {
				if err := json.Unmarshal([]byte("1.4210854715202004e-14"), &r.Amount); err != nil {
					t.Error(err)
				}
			}, "Amount"},
		} {
			req := good
			tc.change(&req)
			_, err := c.Transfer(t.Context(), brl, req)
			e := errorIs(t, err, providerauth.ErrInvalidRequest)
			if e.Fields[tc.field] == "" || len(e.Fields) != 1 || e.TxID != req.TxID {
				t.Errorf("%s: %v", name, e)
			}
		}
		_, err := c.Transfer(t.Context(), platformtoken.Player{}, platformtoken.TransferRequest{})
		testkit.Equal(t, "fields", len(errorIs(t, err).Fields), 4)
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
	})
}

func TestBalanceIsReadExactly(t *testing.T) {
	for data, want := range map[string]string{
		`{"balance":12.5,"currency":"BRL"}`:                "12.5 BRL",
		`{"balance":0}`:                                    "0 ",
		`{"balance":-3.10}`:                                "-3.1 ",
		`{"balance":1E2,"currency":null}`:                  "100 ",
		`{"balance":0.30000000000000004,"currency":"USD"}`: "0.30000000000000004 USD",
		`{"balance":"12.50"}`:                              "12.5 ",
		`{}`:                                               "",
		`{"balance":null}`:                                 "",
		`{"balance":""}`:                                   "",
		`{"balance":"x"}`:                                  "",
		`{"balance":{}}`:                                   "",
		`{"balance":1.4210854715202004e-14}`:               "0.000000000000014210854715202004 ",
		`{"balance":-8.673617379884035e-19}`:               "-0.0000000000000000008673617379884035 ",
		`{"balance":33.333333333333333333}`:                "33.333333333333333333 ",
		`{"balance":"33.333333333333333333"}`:              "33.333333333333333333 ",
		`{"balance":12345678901234567890}`:                 "12345678901234567890 ",
		`{"balance":1e38}`:                                 "",
		`{"balance":1e-41}`:                                "",
		`"12"`:                                             "",
		`null`:                                             "",
	} {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			token(t, c, brl)
			answering(srv, 200, `{"isSuccess":true,"code":0,"data":`+data+`}`)
			b, err := c.Balance(t.Context(), brl)
			if want == "" {
				errorIs(t, err, providerauth.ErrBadResponse)
				testkit.Equal(t, "balance beside an error", b == platformtoken.Balance{}, true)
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			testkit.Equal(t, data, fmt.Sprint(b.Amount, " ", b.Currency), want)
		})
	}
}

func TestTransferAnswersAreReadStrictly(t *testing.T) {
	for data, want := range map[string]string{
		`{"txId":"tx-1","recordId":"r","status":2}`:     "r succeeded",
		`{"txId":"tx-1","recordId":"r","status":3}`:     "r failed",
		`{"txId":"tx-1","recordId":"r","status":"1"}`:   "r processing",
		`{"txId":"tx-1","recordId":17,"status":2.0}`:    "17 succeeded",
		`{"recordId":"r","status":4}`:                   "r TransferState(4)",
		`{"txId":"tx-2","recordId":"r","status":2}`:     "",
		`{"txId":"tx-1","status":2}`:                    "",
		`{"txId":"tx-1","recordId":"r"}`:                "",
		`{"txId":"tx-1","recordId":"r","status":0}`:     "",
		`{"txId":"tx-1","recordId":"r","status":-1}`:    "",
		`{"txId":"tx-1","recordId":"r","status":1.5}`:   "",
		`{"txId":"tx-1","recordId":"r","status":true}`:  "",
		`{"txId":"tx-1","recordId":"r","status":null}`:  "",
		`{"txId":"tx-1","recordId":"r","status":"two"}`: "",
	} {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			token(t, c, brl)
			answering(srv, 200, `{"isSuccess":true,"code":0,"data":`+data+`}`)
			got, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "1"))
			if want == "" {
				e := errorIs(t, err, providerauth.ErrBadResponse, providerauth.ErrAmbiguous)
				if _, ok := e.Retryable(); ok {
					t.Errorf("%s: retryable", data)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			testkit.Equal(t, data, fmt.Sprint(got.RecordID, " ", got.State), want)
		})
	}
}

func TestStatusThatIsMissingIsNoState(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		for _, data := range []string{`{}`, `null`, `{"status":null}`, `{"status":{}}`} {
			answering(srv, 200, `{"isSuccess":true,"code":0,"data":`+data+`}`)
			state, err := c.TransferStatus(t.Context(), brl, "r1")
			errorIs(t, err, providerauth.ErrBadResponse)
			testkit.Equal(t, "state", state, platformtoken.TransferState(0))
		}
	})
}

func TestReadingCallsAreRepeatedWhereThatHelps(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		if _, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "1")); err != nil {
			t.Fatal(err)
		}
		srv.LoseAnswers(2, testkit.Path(getBalance))
		balance(t, c, brl)
		srv.FailNext(2, http.StatusBadGateway, nil, testkit.Path(getStatus))
		if _, err := c.TransferStatus(t.Context(), brl, "r1"); err != nil {
			t.Error(err)
		}
		testkit.Equal(t, "requests", srv.Count(getBalance)+srv.Count(getStatus), 6)
	})
}

func TestUsedTxIDAndEmptyWalletAreRefusals(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		if _, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "1")); err != nil {
			t.Fatal(err)
		}
		_, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "1"))
		e := errorIs(t, err)
		testkit.Equal(t, "code", e.Code, platformtokentest.CodeTxID)
		out := in(t, "tx-2", "2")
		out.Direction = platformtoken.TransferOut
		_, err = c.Transfer(t.Context(), brl, out)
		e2 := errorIs(t, err)
		testkit.Equal(t, "code", e2.Code, platformtokentest.CodeBalance)
		for _, e := range []*platformtoken.Error{e, e2} {
			if _, ok := e.Retryable(); ok || e.Ambiguous() {
				t.Errorf("retryable or ambiguous: %v", e)
			}
		}
		testkit.Equal(t, "wallet", srv.Balance(brl), "1")
	})
}

func TestNamesOfDirectionsAndStates(t *testing.T) {
	testkit.Equal(t, "directions", fmt.Sprint(platformtoken.TransferIn, platformtoken.TransferOut, platformtoken.Direction(7)), "in out Direction(7)")
	testkit.Equal(t, "states", fmt.Sprint(platformtoken.TransferProcessing, platformtoken.TransferSucceeded, platformtoken.TransferFailed), "processing succeeded failed")
}

func TestEnterGameReturnsTheLaunchURLWithoutATokenBeingMade(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		got, err := c.EnterGame(t.Context(), platformtoken.EnterGameRequest{UserID: "u", GameID: 7, Currency: "BRL", Language: "zh"})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "url", got.URL, "https://play.example.com/?t=1&g=7&k=launch-key&l=zh")
		r, body := last(t, srv)
		testkit.Equal(t, "body", body, `{"tenantId":1,"userId":"u","gameId":7,"currency":"BRL","language":"zh"}`)
		testkit.Equal(t, "authorization", len(r.Header.Values("Authorization")), 0)
		testkit.Equal(t, "requests", len(srv.Requests()), 1)
		if _, err := c.EnterGame(t.Context(), platformtoken.EnterGameRequest{UserID: "u", GameID: 7}); err != nil {
			t.Fatal(err)
		}
		_, body = last(t, srv)
		testkit.Equal(t, "body", body, `{"tenantId":1,"userId":"u","gameId":7}`)
	})
}

func TestEnterGameTakesNothingForAURLThatIsNone(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		for _, data := range []string{`""`, `"x"`, `"/launch"`, `"//play.example.com"`, `"javascript:alert(1)"`, `"https://"`, `"https://a b/"`, `"https://a/\n"`, `{}`, `null`, `7`} {
			answering(srv, 200, `{"isSuccess":true,"code":0,"data":`+data+`}`)
			got, err := c.EnterGame(t.Context(), platformtoken.EnterGameRequest{UserID: "u", GameID: 7})
			errorIs(t, err, providerauth.ErrBadResponse)
			testkit.Equal(t, data, got.URL, "")
		}
	})
}

func TestEnterGameIsNotSentAgainAfterALostAnswer(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.LoseAnswers(1)
		_, err := c.EnterGame(t.Context(), platformtoken.EnterGameRequest{UserID: "u", GameID: 7})
		errorIs(t, err, providerauth.ErrAmbiguous)
		testkit.Equal(t, "requests", len(srv.Requests()), 1)
	})
}
