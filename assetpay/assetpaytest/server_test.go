package assetpaytest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

const (
	steamID = "76561198012345678"
	good    = `{"clientSteamId":"76561198012345678","clientTradeUrl":"https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh"}`
)

type answer struct {
	status int
	header http.Header
	body   string

	RequestID string `json:"requestId"`
	Success   *bool
	Data      json.RawMessage
	Error     struct {
		Code    int
		Key     string
		Message json.RawMessage
		Fields  map[string]string
	}
}

func (a answer) token(t *testing.T) string {
	t.Helper()
	var d struct{ Token string }
	if json.Unmarshal(a.Data, &d) != nil || d.Token == "" {
		t.Fatalf("no token: %d %s", a.status, a.body)
	}
	return d.Token
}

// send makes a plain request, without the SDK.
func send(t *testing.T, srv *assetpaytest.Server, method, path, body string, header ...string) answer {
	t.Helper()
	r := testkit.Request(t, method, srv.URL()+path, body)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	resp, text := testkit.Do(t, srv.Client(), r)
	a := answer{status: resp.StatusCode, header: resp.Header, body: text}
	_ = json.Unmarshal([]byte(text), &a)
	return a
}

func authenticate(t *testing.T, srv *assetpaytest.Server, body string) answer {
	t.Helper()
	return send(t, srv, "POST", "/auth/authenticate-client", body, "api-key", "ap_test_0001")
}

func inventory(t *testing.T, srv *assetpaytest.Server, header ...string) answer {
	t.Helper()
	return send(t, srv, "GET", "/client/inventory", "", header...)
}

func memory(t *testing.T, opt assetpaytest.Options, f func(t *testing.T, srv *assetpaytest.Server)) {
	t.Helper()
	testkit.Bubble(t, assetpaytest.NewServer, opt, f)
}

func refused(t *testing.T, a answer, status, code int, key string) {
	t.Helper()
	testkit.Equal(t, "status, code, key", fmt.Sprint(a.status, a.Error.Code, a.Error.Key), fmt.Sprint(status, code, key))
	if a.Success == nil || *a.Success || a.RequestID == "" {
		t.Errorf("no error envelope: %s", a.body)
	}
}

func TestIssuedTokenIsTheDocumentedOne(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		time.Sleep(time.Until(time.Unix(1709550000, 0)))
		tok := authenticate(t, srv, good).token(t)
		testkit.Equal(t, "signature", tok[strings.LastIndex(tok, "."):], ".8KrX3vFwAfRm-kyeXBBtd_mB8m3muDmRoYalcVs20YA")
		tok = authenticate(t, srv, strings.TrimSuffix(good, "}")+`,"clientId":"user-123","clientData":{"totalWager":5000,"kycLevel":2,"fiatDeposits":true,"cryptoDeposits":false}}`).token(t)
		testkit.Equal(t, "signature", tok[strings.LastIndex(tok, "."):], ".Q2SC3dIMgnDRUVxsk-mtldkheo_mM6W0J8iCvkcQJAY")
	})
}

func TestTokensLiveAsLongAsTheOptionSays(t *testing.T) {
	memory(t, assetpaytest.Options{TokenLifetime: 365 * 24 * time.Hour}, func(t *testing.T, srv *assetpaytest.Server) {
		tok := authenticate(t, srv, good).token(t)
		payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(tok, ".")[1])
		var c struct{ Iat, Exp int64 }
		_ = json.Unmarshal(payload, &c)
		testkit.Equal(t, "exp - iat", c.Exp-c.Iat, 31536000)
		time.Sleep(365*24*time.Hour - time.Second)
		testkit.Equal(t, "status", inventory(t, srv, "Authorization", "Bearer "+tok).status, 200)
		time.Sleep(time.Second)
		refused(t, inventory(t, srv, "Authorization", "Bearer "+tok), 401, 1111, "TOKEN_EXPIRED")
	})
}

func TestRequestsAreCheckedByTheRulesOfTheSpecification(t *testing.T) {
	const ids = `"clientSteamId":"76561198012345678","clientTradeUrl":"https://steamcommunity.com/tradeoffer/new/?partner=1&token=AbCdEfGh"`
	data := func(s string) string { return `{` + ids + `,"clientData":` + s + `}` }
	for body, fields := range map[string]string{
		good: "",
		data(`{"totalWager":0.5,"kycLevel":9,"fiatDeposits":true,"cryptoDeposits":false,"registrationDate":null,"kycHash":"","new":[1]}`): "",
		data(`{"registrationDate":"2026-09-25T12:00:00.000Z"}`):                                                                           "",
		`{` + ids + `,"clientId":"` + strings.Repeat("é", 128) + `"}`:                                                                     "",
		`{` + ids + `,"clientId":"` + strings.Repeat("é", 129) + `"}`:                                                                     "clientId",
		`{` + ids + `,"clientId":7}`: "clientId",
		`{` + ids + `,"extra":1}`:    "extra",
		`{}`:                         "clientSteamId clientTradeUrl",
		``:                           "body",
		`[]`:                         "body",
		`null`:                       "body",
		strings.Replace(good, `"76561198012345678"`, `76561198012345678`, 1): "clientSteamId",
		strings.Replace(good, `76561198012345678`, `76561198012345678\n`, 1): "clientSteamId",
		strings.Replace(good, `https:`, `http:`, 1):                          "clientTradeUrl",
		strings.Replace(good, `AbCdEfGh`, `AbCdEfGh&x=1`, 1):                 "clientTradeUrl",
		data(`{"totalWager":-1}`):                                            "clientData.totalWager",
		data(`{"totalWager":"1"}`):                                           "clientData.totalWager",
		data(`{"kycLevel":1.5}`):                                             "clientData.kycLevel",
		data(`{"kycLevel":null}`):                                            "clientData.kycLevel",
		data(`{"fiatDeposits":1}`):                                           "clientData.fiatDeposits",
		data(`{"registrationDate":"yesterday"}`):                             "clientData.registrationDate",
		data(`{"kycHash":null}`):                                             "clientData.kycHash",
		data(`null`):                                                         "clientData",
		data(`[]`):                                                           "clientData",
		data(`{"kycLevel":-1,"totalWager":-1}`):                              "clientData.kycLevel clientData.totalWager",
	} {
		memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
			a := authenticate(t, srv, body)
			if fields == "" {
				testkit.Equal(t, body, a.status, 200)
				return
			}
			refused(t, a, 400, 1001, "VALIDATION_FAILED")
			got := map[string]bool{}
			for name := range a.Error.Fields {
				got[name] = true
			}
			want := map[string]bool{}
			for _, name := range strings.Fields(fields) {
				want[name] = true
			}
			testkit.Equal(t, body, got, want)
			testkit.Equal(t, "stored", srv.ClientData(steamID), "")
		})
	}
}

func TestValidationAnswersInTheFormsThatAreDocumented(t *testing.T) {
	memory(t, assetpaytest.Options{ValidationStatus: 422, MessageArray: true}, func(t *testing.T, srv *assetpaytest.Server) {
		var many []string
		for i := range 30 {
			many = append(many, fmt.Sprintf(`"x%02d":1`, i))
		}
		a := authenticate(t, srv, `{`+strings.Join(many, ",")+`}`)
		refused(t, a, 422, 1001, "VALIDATION_FAILED")
		var lines []string
		if err := json.Unmarshal(a.Error.Message, &lines); err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "fields, lines", []int{len(a.Error.Fields), len(lines)}, []int{20, 5})
	})
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		a := authenticate(t, srv, `{"clientSteamId":"`+steamID+`"}`)
		testkit.Equal(t, "message", strings.HasPrefix(string(a.Error.Message), `"clientTradeUrl: must match`), true)
		a = send(t, srv, "POST", "/auth/authenticate-client", good, "api-key", "ap_test_0001", "Content-Type", "text/plain")
		testkit.Equal(t, "the first of two content types", a.status, 200)
		r := testkit.Request(t, "POST", srv.URL()+"/auth/authenticate-client", good)
		r.Header.Set("api-key", "ap_test_0001")
		resp, _ := testkit.Do(t, srv.Client(), r)
		testkit.Equal(t, "no content type", resp.StatusCode, 400)
	})
}

func TestKeysAreChecked(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		for _, path := range []string{"/auth/authenticate-client", "/secure/prices", "/secure/x"} {
			refused(t, send(t, srv, "POST", path, good), 401, 1900, "MISSING_API_KEY")
			refused(t, send(t, srv, "POST", path, good, "api-key", "x"), 401, 1901, "INVALID_API_KEY")
			refused(t, send(t, srv, "POST", path, good, "api-key", "ap_test_0001", "Api-Key", "ap_test_0001"), 401, 1901, "INVALID_API_KEY")
		}
		testkit.Equal(t, "status", send(t, srv, "GET", "/secure/prices", "", "API-KEY", "ap_test_0001").status, 200)
		refused(t, send(t, srv, "GET", "/secure/x", "", "api-key", "ap_test_0001"), 404, 1003, "NOT_FOUND")
		refused(t, send(t, srv, "GET", "/elsewhere", ""), 404, 1003, "NOT_FOUND")
		srv.RotateAPIKeys("ap_2", "ap_3")
		refused(t, authenticate(t, srv, good), 401, 1901, "INVALID_API_KEY")
		testkit.Equal(t, "status", send(t, srv, "GET", "/secure/prices", "", "api-key", "ap_3").status, 200)
	})
	memory(t, assetpaytest.Options{NoCoreAccess: true}, func(t *testing.T, srv *assetpaytest.Server) {
		refused(t, authenticate(t, srv, good), 403, 1903, "API_KEY_SCOPE_DENIED")
		testkit.Equal(t, "the scope is for exchanges", send(t, srv, "GET", "/secure/prices", "", "api-key", "ap_test_0001").status, 200)
	})
	memory(t, assetpaytest.Options{NoAPISecret: true}, func(t *testing.T, srv *assetpaytest.Server) {
		refused(t, authenticate(t, srv, good), 403, 1915, "NO_API_SECRET_CONFIGURED")
	})
}

func TestTokensAreChecked(t *testing.T) {
	sign := func(secret, header, payload string) string { return "Bearer " + testkit.HS256(secret, header, payload) }
	const header, secret = `{"alg":"HS256","userId":"merchant-uuid"}`, "test_api_secret"
	const payload = `{"merchantId":"merchant-uuid","client":{"steamID":"76561198012345678","tradeUrl":"x"},"iat":946684800,"exp":946771200}`
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		ok := sign(secret, header, payload)
		testkit.Equal(t, "Bearer", inventory(t, srv, "Authorization", ok).status, 200)
		testkit.Equal(t, "bare", inventory(t, srv, "Authorization", strings.TrimPrefix(ok, "Bearer ")).status, 200)
		testkit.Equal(t, "with typ", inventory(t, srv, "Authorization", sign(secret, `{"alg":"HS256","typ":"JWT","userId":"merchant-uuid"}`, payload)).status, 200)
		fraction := strings.NewReplacer("946684800", "946684799.75", "946771200", "946771199.75").Replace(payload)
		testkit.Equal(t, "fractions of a second", inventory(t, srv, "Authorization", sign(secret, header, fraction)).status, 200)
		for _, bad := range [][]string{
			{},
			{"Authorization", ""},
			{"Authorization", "Bearer "},
			{"Authorization", "Basic abc"},
			{"Authorization", ok, "Authorization", ok},
		} {
			refused(t, inventory(t, srv, bad...), 401, 1108, "MISSING_BEARER")
		}
		for _, bad := range []string{
			"x", ok + "x", "Bearer " + ok,
			sign("other", header, payload),
			sign(secret, `{"alg":"none","userId":"merchant-uuid"}`, payload),
			sign(secret, `{"alg":"HS256","userId":"other"}`, payload),
			sign(secret, header, strings.Replace(payload, "merchant-uuid", "other", 1)),
			sign(secret, header, strings.Replace(payload, `,"exp":946771200`, "", 1)),
			sign(secret, header, strings.Replace(payload, steamID, "", 1)),
			sign(secret, header, strings.Replace(payload, `"x"`, `""`, 1)),
			sign(secret, header, `[]`),
		} {
			refused(t, inventory(t, srv, "Authorization", bad), 401, 1102, "INVALID_TOKEN")
		}
		testkit.Equal(t, "tokens", srv.Tokens(), 3)
		time.Sleep(24 * time.Hour)
		refused(t, inventory(t, srv, "Authorization", ok), 401, 1111, "TOKEN_EXPIRED")
		srv.SetClockOffset(-time.Hour)
		testkit.Equal(t, "by the server's clock", inventory(t, srv, "Authorization", ok).status, 200)
		early := sign(secret, header, strings.Replace(payload, `"iat":946684800`, `"iat":946767601`, 1)) // a second ahead of that clock
		refused(t, inventory(t, srv, "Authorization", early), 401, 1102, "INVALID_TOKEN")
		time.Sleep(time.Second)
		testkit.Equal(t, "a second later", inventory(t, srv, "Authorization", early).status, 200)
	})
}

func TestTokensAreRevokedAndNotIssuedAgain(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		a := authenticate(t, srv, good).token(t)
		testkit.Equal(t, "in the same second", authenticate(t, srv, good).token(t), a)
		srv.Revoke(a)
		refused(t, inventory(t, srv, "Authorization", a), 401, 1102, "INVALID_TOKEN")
		b := authenticate(t, srv, good).token(t)
		if a == b {
			t.Fatal("issued again")
		}
		testkit.Equal(t, "the next one", inventory(t, srv, "Authorization", b).status, 200)
		srv.ExpireTokens()
		refused(t, inventory(t, srv, "Authorization", b), 401, 1111, "TOKEN_EXPIRED")
		c := authenticate(t, srv, good).token(t)
		srv.RevokeTokens()
		refused(t, inventory(t, srv, "Authorization", c), 401, 1102, "INVALID_TOKEN")
		refused(t, inventory(t, srv, "Authorization", b), 401, 1111, "TOKEN_EXPIRED")
		testkit.Equal(t, "tokens", srv.Tokens(), 3)
	})
}

func TestSecretsOverlapDuringARotation(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		old := authenticate(t, srv, good).token(t)
		srv.RotateAPISecrets("new", "test_api_secret")
		fresh := authenticate(t, srv, good).token(t)
		testkit.Equal(t, "both", []int{inventory(t, srv, "Authorization", old).status, inventory(t, srv, "Authorization", fresh).status}, []int{200, 200})
		srv.RotateAPISecrets("new")
		testkit.Equal(t, "one", []int{inventory(t, srv, "Authorization", old).status, inventory(t, srv, "Authorization", fresh).status}, []int{401, 200})
		srv.RotateAPISecrets()
		refused(t, authenticate(t, srv, good), 403, 1915, "NO_API_SECRET_CONFIGURED")
	})
}

func TestClientDataIsReplacedByEveryExchange(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		authenticate(t, srv, strings.TrimSuffix(good, "}")+`,"clientData":{ "kycLevel" : 1 }}`)
		testkit.Equal(t, "data", srv.ClientData(steamID), `{"kycLevel":1}`)
		authenticate(t, srv, good)
		testkit.Equal(t, "data", srv.ClientData(steamID), "")
		testkit.Equal(t, "of a stranger", srv.ClientData("x"), "")
	})
}

func TestRateLimitIsOneOfAnHour(t *testing.T) {
	memory(t, assetpaytest.Options{RateLimit: 2, RetryAfter: 90 * time.Second}, func(t *testing.T, srv *assetpaytest.Server) {
		authenticate(t, srv, good)
		time.Sleep(30 * time.Minute)
		authenticate(t, srv, good)
		a := authenticate(t, srv, good)
		refused(t, a, 429, 1005, "RATE_LIMITED")
		testkit.Equal(t, "Retry-After", a.header.Get("Retry-After"), "90")
		time.Sleep(30 * time.Minute) // the first is an hour old
		testkit.Equal(t, "status", authenticate(t, srv, good).status, 200)
		testkit.Equal(t, "status", authenticate(t, srv, good).status, 429)
		testkit.Equal(t, "requests", srv.Count("/auth/authenticate-client"), 5)
	})
}

func TestAddedEndpointsAreBehindTheirCredential(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { assetpaytest.WriteData(w, r.PathValue("id")) })
		srv.Handle("GET /client/trades/{id}", h)
		srv.Handle("GET /secure/trades/{id}", h)
		srv.Handle("GET /open/{id}", h)
		tok := authenticate(t, srv, good).token(t)
		refused(t, send(t, srv, "GET", "/client/trades/7", ""), 401, 1108, "MISSING_BEARER")
		testkit.Equal(t, "data", string(send(t, srv, "GET", "/client/trades/7", "", "Authorization", tok).Data), `"7"`)
		refused(t, send(t, srv, "GET", "/secure/trades/7", ""), 401, 1900, "MISSING_API_KEY")
		testkit.Equal(t, "data", string(send(t, srv, "GET", "/secure/trades/7", "", "api-key", "ap_test_0001").Data), `"7"`)
		testkit.Equal(t, "data", string(send(t, srv, "GET", "/open/7", "").Data), `"7"`)
	})
}

func TestFailuresHaveTheDocumentedEnvelope(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		for status, key := range map[int]string{
			400: "VALIDATION_FAILED", 422: "VALIDATION_FAILED", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND",
			429: "RATE_LIMITED", 500: "SERVER_ERROR", 503: "SERVICE_UNAVAILABLE",
		} {
			srv.FailNext(1, status, http.Header{"Retry-After": {"7"}})
			a := authenticate(t, srv, good)
			refused(t, a, status, a.Error.Code, key)
			testkit.Equal(t, "header", a.header.Get("Retry-After"), "7")
		}
		srv.FailNext(1, 502, nil)
		a := authenticate(t, srv, good)
		testkit.Equal(t, "status, body", fmt.Sprint(a.status, a.header.Get("Content-Type"), strings.HasPrefix(a.body, "<html>")), "502text/htmltrue")
	})
}

func TestFaultsComeAsTheyWereAskedFor(t *testing.T) {
	memory(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server) {
		post := func() error {
			r := testkit.Request(t, "POST", srv.URL()+"/auth/authenticate-client", good)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("api-key", "ap_test_0001")
			return testkit.Send(srv.Client(), r)
		}
		for name, ask := range map[string]func(){
			"lost": func() { srv.LoseAnswers(1) }, "cut": func() { srv.Truncate(1) }, "reset": func() { srv.Reset(1) },
			"late": func() { srv.ActLate(1, time.Second) },
		} {
			srv.Client().CloseIdleConnections()
			ask()
			if post() == nil {
				t.Errorf("%s: no error", name)
			}
			if err := post(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		srv.Delay(time.Minute)
		start := time.Now()
		_ = post()
		testkit.Equal(t, "delayed", time.Since(start), time.Minute)
		srv.Delay(0)
		srv.Intercept(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				assetpaytest.WriteError(w, 403, 1301, "ACCOUNT_DISABLED", "m")
			})
		})
		refused(t, authenticate(t, srv, good), 403, 1301, "ACCOUNT_DISABLED")
		testkit.Equal(t, "requests", len(srv.Requests()), 10)
	})
}

func TestSocketAndMemoryAnswerAlike(t *testing.T) {
	check := func(t *testing.T, srv *assetpaytest.Server) {
		cfg := srv.Config()
		for _, mode := range []assetpay.MintMode{assetpay.MintRemote, assetpay.MintLocal} {
			cfg.Mint = mode
			c, err := assetpay.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			req := assetpay.User{SteamID: steamID, TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=1&token=AbCdEfGh"}
			if err := c.CallFor(t.Context(), req, "GET", "/client/inventory", nil, nil); err != nil {
				t.Error(mode, err)
			}
			c.Close()
		}
		testkit.Equal(t, "exchanges", srv.Count("/auth/authenticate-client"), 1)
		srv.Close()
		srv.Close()
	}
	t.Run("socket", func(t *testing.T) {
		srv := assetpaytest.NewServer(assetpaytest.Options{})
		defer srv.Close()
		check(t, srv)
	})
	t.Run("memory", func(t *testing.T) { memory(t, assetpaytest.Options{}, check) })
}

func TestStart(t *testing.T) { testkit.Started(t, assetpaytest.Start) }
