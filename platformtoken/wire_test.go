package platformtoken_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
)

func TestMain(m *testing.M) { testkit.GoldenMain(m) }

const created = `{"isSuccess":true,"code":0,"message":null,"data":{"token":"player.token.1","expires":"2000-01-08 00:00:00"}}`

// succeeding answers every request.
var succeeding = testkit.Answer(http.StatusOK, `{"isSuccess":true,"code":0,"message":null,"data":{}}`, map[string]string{
	createToken:   created,
	"/game/enter": `{"isSuccess":true,"code":0,"message":null,"data":"https://games.example/launch?x=1"}`,
	getBalance:    `{"isSuccess":true,"code":0,"message":null,"data":{"balance":25.5,"currency":"BRL"}}`,
	transfer:      `{"isSuccess":true,"code":0,"message":null,"data":{"txId":"tx-1","recordId":"r-1","status":1}}`,
	getStatus:     `{"isSuccess":true,"code":0,"message":null,"data":{"status":2}}`,
})

// onWire runs f in simulated time, with a client whose bytes are recorded.
var onWire = provider.OnWire(func(hc *http.Client) platformtoken.Config {
	return platformtoken.Config{
		BaseURL: testkit.WireURL, TenantID: 1001, Secret: providerauth.StaticSecret("wire-test-secret"), HTTPClient: hc,
	}
})

func TestWire_Types(t *testing.T) {
	var s testkit.Sheet
	s.Add("platformtoken.Direction", testkit.Marshalled([]any{
		platformtoken.TransferIn, platformtoken.TransferOut, map[platformtoken.Direction]platformtoken.Direction{platformtoken.TransferIn: 0},
	}))
	s.Add("platformtoken.Direction, read", testkit.Reads(func(d platformtoken.Direction) string { return fmt.Sprint(int(d)) },
		`1`, `2`, `0`, `3`, `-1`, `"1"`, `"in"`, `"out"`, `"IN"`, `""`, `null`, `1.5`, `{}`))
	s.Add("platformtoken.TransferState", testkit.Marshalled([]any{
		platformtoken.TransferProcessing, platformtoken.TransferSucceeded, platformtoken.TransferFailed,
		map[platformtoken.TransferState]platformtoken.TransferState{platformtoken.TransferFailed: 0},
	}))
	s.Add("platformtoken.TransferState, read", testkit.Reads(func(d platformtoken.TransferState) string { return fmt.Sprint(int(d)) },
		`1`, `2`, `3`, `4`, `"1"`, `"processing"`, `"succeeded"`, `"failed"`, `"done"`, `null`))
	s.Add("platformtoken.Player", testkit.Marshalled(brl))
	s.Add("platformtoken.Balance", testkit.Marshalled(platformtoken.Balance{Amount: testkit.ParseAmount(t, "25.5"), Currency: "BRL"}))
	s.Add("platformtoken.Balance never set", testkit.Marshalled(platformtoken.Balance{}))
	s.Add("platformtoken.Balance, read", testkit.Reads(func(b platformtoken.Balance) string { return b.Amount.String() + " " + b.Currency },
		`{"Amount":25.5,"Currency":"BRL"}`, `{"Amount":"25.5","Currency":"BRL"}`))
	s.Add("platformtoken.TransferRequest", testkit.Marshalled(platformtoken.TransferRequest{
		TxID: "tx-1", Direction: platformtoken.TransferIn, Amount: testkit.ParseAmount(t, "25.5"),
	}))
	s.Add("platformtoken.Transfer", testkit.Marshalled(platformtoken.Transfer{TxID: "tx-1", RecordID: "r-1", State: platformtoken.TransferFailed}))
	s.Add("platformtoken.CreateTokenRequest", testkit.Marshalled(platformtoken.CreateTokenRequest{UserID: "u", Currency: "BRL", Language: "en"}))
	s.Add("platformtoken.EnterGameRequest", testkit.Marshalled(platformtoken.EnterGameRequest{UserID: "u", GameID: 7, Currency: "BRL", Language: "en"}))
	s.Add("platformtoken.SignInput", testkit.Marshalled(platformtoken.SignInput{Method: "POST", Path: "/p", Body: []byte("{}"), Timestamp: "1"}))
	s.Add("platformtoken.Token", testkit.Marshalled(platformtoken.NewToken("v", time.Unix(1, 0))))
	s.Add("platformtoken.Token, read", testkit.Reads(func(t platformtoken.Token) string { return fmt.Sprintf("%q %v", t.Value(), t.ExpiresAt) },
		`{}`, `{"ExpiresAt":"2000-01-01T00:00:00Z"}`))
	s.Add("platformtoken.Error", testkit.Marshalled(&platformtoken.Error{
		Op: "Call", StatusCode: 422, Code: 7, Message: "not shown", Fields: testkit.OddFields, TxID: "tx<&>",
		RequestID: "q-1", Attempts: 2, RetryAfter: time.Second, Err: testkit.ErrOdd,
	}, &platformtoken.Error{}, []*platformtoken.Error{nil}))
	testkit.Golden(t, "types", s.String())
}

func TestWire_Calls(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *platformtoken.Client) {
		var s testkit.Sheet
		sent := func(title string, err error) {
			t.Helper()
			testkit.Must(t, err)
			s.Add(title, w.Sent())
		}
		ctx := t.Context()
		_, err := c.CreateToken(ctx, platformtoken.CreateTokenRequest{UserID: "u-1"})
		sent("CreateToken", err)
		_, err = c.CreateToken(ctx, platformtoken.CreateTokenRequest{UserID: "u-<&>é", Currency: "BRL", Language: "pt-BR"})
		sent("CreateToken with everything", err)
		_, err = c.Token(ctx, platformtoken.Player{UserID: "u-2"})
		sent("Token", err)
		_, err = c.TokenSource(platformtoken.Player{UserID: "u-3", Currency: "EUR"}).Token(ctx)
		sent("TokenSource, with a currency", err)
		_, err = c.EnterGame(ctx, platformtoken.EnterGameRequest{UserID: "u-1", GameID: 7})
		sent("EnterGame", err)
		_, err = c.EnterGame(ctx, platformtoken.EnterGameRequest{UserID: "u-<&>", GameID: 1 << 53, Currency: "BRL", Language: "pt_BR"})
		sent("EnterGame with everything", err)
		_, err = c.Balance(ctx, brl)
		sent("Balance, with the token it needs", err)
		time.Sleep(90 * time.Second)
		_, err = c.Balance(ctx, brl)
		sent("Balance, 90 seconds later", err)
		for _, a := range []string{"25.5", "100", "0.000000000000000001", "123456789012345678"} {
			_, err = c.Transfer(ctx, brl, platformtoken.TransferRequest{TxID: "tx-1", Direction: platformtoken.TransferIn, Amount: testkit.ParseAmount(t, a)})
			sent("Transfer in of "+a, err)
		}
		_, err = c.Transfer(ctx, brl, platformtoken.TransferRequest{TxID: "tx-1", Direction: platformtoken.TransferOut, Amount: testkit.ParseAmount(t, "1.50")})
		sent("Transfer out of 1.50", err)
		_, err = c.TransferStatus(ctx, brl, "r-<&>")
		sent("TransferStatus", err)
		testkit.Golden(t, "calls", s.String())
	})
}

func TestWire_Call(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *platformtoken.Client) {
		testkit.Golden(t, "call", w.Calls(t, append(testkit.Bodies(), testkit.Amounts(testkit.ParseNumber)...), func(in any) error {
			return c.Call(t.Context(), http.MethodPost, "/player/register", in, nil)
		}))
	})
}

func TestWire_CallFor(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *platformtoken.Client) {
		testkit.Golden(t, "callfor", w.Calls(t, testkit.Amounts(testkit.ParseNumber), func(in any) error {
			return c.CallFor(t.Context(), brl, http.MethodPost, "/player/other", in, nil)
		}))
	})
}

func TestWire_Targets(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *platformtoken.Client) {
		var s testkit.Sheet
		s.WriteString(w.Targets(t, func(method, path string, in any) error { return c.Call(t.Context(), method, path, in, nil) }))
		testkit.Must(t, c.CallFor(t.Context(), brl, http.MethodGet, "/player/list?page=1", nil, nil))
		s.Add("GET by CallFor", w.Sent())
		testkit.Golden(t, "targets", s.String())
	})
}

func TestWire_HTTPClient(t *testing.T) {
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *platformtoken.Client) {
		_ = token(t, c, brl)
		_ = w.Sent()
		var s testkit.Sheet
		w.Requests(t, &s, "HTTPClient", c.HTTPClient())
		w.Requests(t, &s, "HTTPClientFor", c.HTTPClientFor(brl))
		testkit.Golden(t, "httpclient", s.String())
	})
}

func TestWire_Token_SetAuthHeader(t *testing.T) {
	r := &http.Request{Header: http.Header{"authorization": {"other"}}}
	platformtoken.NewToken("v", time.Time{}).SetAuthHeader(r)
	testkit.Golden(t, "setauthheader", fmt.Sprintf("%q\n", r.Header))
}

func TestWire_Signer(t *testing.T) {
	var s testkit.Sheet
	onWire(t, succeeding, func(t *testing.T, w *testkit.Wire, c *platformtoken.Client) {
		testkit.Must(t, c.Call(t.Context(), http.MethodPost, "/a%2Fb?q=1", map[string]string{"a": "<&>"}, nil))
		s.Add("sent by Call", w.Sent())
		testkit.Must(t, c.Call(t.Context(), http.MethodPost, "/a", nil, nil))
		s.Add("sent by Call without body", w.Sent())
		w.Requests(t, &s, "HTTPClient", c.HTTPClient())
	}, func(cfg *platformtoken.Config) {
		cfg.Secret, cfg.Language = nil, "pt-BR"
		cfg.Signer = platformtoken.SignerFunc(func(_ context.Context, in platformtoken.SignInput) (string, error) {
			s.Add("signed", fmt.Sprintf("%s %s %q at %s", in.Method, in.Path, in.Body, in.Timestamp))
			return "Signature=<&>;" + in.Timestamp, nil
		})
	})
	testkit.Golden(t, "signer", s.String())
}

func TestWire_RejectedToken(t *testing.T) {
	var s testkit.Sheet
	rejecting := func() http.Handler {
		return &testkit.FailOnce{Path: "/player/other", Status: http.StatusUnauthorized, Body: `{"isSuccess":false,"code":401}`, Next: succeeding}
	}
	onWire(t, rejecting(), func(t *testing.T, w *testkit.Wire, c *platformtoken.Client) {
		testkit.Must(t, c.CallFor(t.Context(), brl, http.MethodPost, "/player/other", struct {
			A providerauth.Number `json:"a"`
		}{providerauth.Number{Amount: testkit.ParseAmount(t, "25.5")}}, nil))
		s.Add("CallFor", w.Sent())
	})
	onWire(t, rejecting(), func(t *testing.T, w *testkit.Wire, c *platformtoken.Client) {
		s.Add("HTTPClientFor", w.Post(t, c.HTTPClientFor(brl), "/player/other", `{"a":25.5}`))
	})
	testkit.Golden(t, "rejected", s.String())
}

func TestWire_RepeatedCall(t *testing.T) {
	var s testkit.Sheet
	throttled := func(path string) http.Handler {
		return &testkit.FailOnce{Path: path, Status: http.StatusTooManyRequests, Header: testkit.Throttled, Next: succeeding}
	}
	onWire(t, throttled(getBalance), func(t *testing.T, w *testkit.Wire, c *platformtoken.Client) {
		_ = balance(t, c, brl)
		s.Add("Balance, signed again", w.Sent())
	})
	onWire(t, throttled("/game/enter"), func(t *testing.T, w *testkit.Wire, c *platformtoken.Client) {
		_, err := c.EnterGame(t.Context(), platformtoken.EnterGameRequest{UserID: "u-1", GameID: 7})
		testkit.Must(t, err)
		s.Add("EnterGame, signed again", w.Sent())
	})
	testkit.Golden(t, "repeated", s.String())
}

func TestWire_Answers(t *testing.T) {
	var s testkit.Sheet
	// read answers a call with data and returns its result.
	read := func(title string, call func(ctx context.Context, c *platformtoken.Client) (any, error), datas ...string) {
		t.Helper()
		text := ""
		for _, data := range datas {
			body, whole := strings.CutPrefix(data, "envelope ")
			if !whole {
				body = `{"isSuccess":true,"code":0,"message":"","data":` + data + `}`
			}
			paths := map[string]string{createToken: created}
			if title == "Token" {
				paths = nil
			}
			onWire(t, testkit.Answer(http.StatusOK, body, paths), func(t *testing.T, _ *testkit.Wire, c *platformtoken.Client) {
				got, err := call(t.Context(), c)
				text += testkit.Outcome(data, fmt.Sprintf("%+v", got), err)
			})
		}
		s.Add(title, text)
	}
	read("Balance", func(ctx context.Context, c *platformtoken.Client) (any, error) { return c.Balance(ctx, brl) },
		`{"balance":25.5,"currency":"BRL"}`, `{"balance":"25.5","currency":"BRL"}`, `{"balance":-1.50}`, `{"balance":1e2,"currency":null}`,
		`{"balance":1.4210854715202004e-14}`, `{"balance":"1e2"}`, `{"balance":0}`, `{"balance":null}`, `{"balance":""}`, `{"balance":" 1"}`,
		`{"balance":true}`, `{"Balance":1}`, `{}`, `null`, `25.5`, `{"balance":1,"balance":2}`,
		`envelope {"isSuccess":false,"code":0,"data":{"balance":1}}`, `envelope {"isSuccess":true,"code":"0","data":{"balance":1}}`,
		`envelope {"isSuccess":true,"code":7,"data":{"balance":1}}`, `envelope {"isSuccess":"true","data":{"balance":1}}`, `envelope {"isSuccess":true}`, `envelope `)
	read("Transfer", func(ctx context.Context, c *platformtoken.Client) (any, error) {
		return c.Transfer(ctx, brl, platformtoken.TransferRequest{TxID: "tx-1", Direction: platformtoken.TransferIn, Amount: testkit.ParseAmount(t, "1")})
	},
		`{"txId":"tx-1","recordId":"r-1","status":1}`, `{"recordId":12345678901234567890,"status":"2"}`, `{"recordId":"r","status":3.0}`,
		`{"recordId":"r","status":9}`, `{"recordId":"r","status":0}`, `{"recordId":"r","status":-1}`, `{"recordId":"r","status":1.5}`,
		`{"recordId":"r","status":"succeeded"}`, `{"recordId":"r"}`, `{"status":1}`, `{"txId":"tx-2","recordId":"r","status":1}`)
	read("TransferStatus", func(ctx context.Context, c *platformtoken.Client) (any, error) {
		return c.TransferStatus(ctx, brl, "r-1")
	},
		`{"status":1}`, `{"status":2}`, `{"status":"3"}`, `{"status":4}`, `{"status":null}`, `{}`)
	read("EnterGame", func(ctx context.Context, c *platformtoken.Client) (any, error) {
		game, err := c.EnterGame(ctx, platformtoken.EnterGameRequest{UserID: "u", GameID: 1})
		return game.URL, err
	},
		`"https://games.example/?a=1&b=2"`, `"http://games.example"`, `"games.example"`, `"javascript:alert(1)"`, `""`, `null`, `{"url":"https://games.example"}`)
	read("Token", func(ctx context.Context, c *platformtoken.Client) (any, error) {
		tok, err := c.Token(ctx, brl)
		return fmt.Sprint(tok.Value(), " until ", tok.ExpiresAt.UTC(), ", assumed ", tok.ExpiryAssumed), err
	},
		`{"token":"v","expires":"2000-01-03 04:05:06"}`, `{"token":"v","expires":"2000-01-03T04:05:06.789+02:00"}`, `{"token":"v","expires":946900000}`,
		`{"token":"v","expires":"946900000000"}`, `{"token":"v","expires":"0001-01-01T00:00:00"}`, `{"token":"v","expires":"soon"}`, `{"token":"v"}`,
		`{"token":"","expires":"2000-01-03 04:05:06"}`, `{"token":"v w"}`, `{"token":1}`, `{}`)
	testkit.Golden(t, "answers", s.String())
}
