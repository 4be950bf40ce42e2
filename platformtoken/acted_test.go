package platformtoken_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

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
