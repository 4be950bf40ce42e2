package klas_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/klas"
)

func TestMain(m *testing.M) { testkit.GoldenMain(m) }

const (
	wireSecret, olderSecret = "wire-test-secret", "older-test-secret"

	webhook = `{"request_id":"r-1","timestamp":946684800,"session_id":"s-1","player_id":"p-1"}`
)

func TestWire_Types(t *testing.T) {
	var s testkit.Sheet
	s.Add("klas.AuthenticateRequest", testkit.Marshalled(klas.AuthenticateRequest{RequestID: "r<&>", Timestamp: 1710000000, SessionID: "s", PlayerID: "p"})+
		"\n"+testkit.Marshalled(klas.AuthenticateRequest{}))
	s.Add("klas.AuthenticateRequest, read", testkit.Reads(func(r klas.AuthenticateRequest) string { return fmt.Sprintf("%+v", r) },
		webhook, `{"Request_ID":"r","PLAYER_ID":"p"}`, `{"timestamp":"1"}`, `{"timestamp":null}`, `{"player_id":12001}`, `{"other":1}`, `{}`, `null`, `[]`))
	s.Add("klas.AuthenticateResponse", testkit.Marshalled(klas.AuthenticateResponse{Currency: "EUR", Balance: testkit.ParseAmount(t, "25.50")}))
	s.Add("klas.AuthenticateResponse empty", testkit.Marshalled(klas.AuthenticateResponse{}))
	s.Add("klas.AuthenticateResponse, read", testkit.Reads(func(r klas.AuthenticateResponse) string { return fmt.Sprintf("%+v", r) },
		`{"Currency":"EUR","Balance":"25.50"}`, `{"currency":"EUR","balance":25.5}`, `{"balance":null}`))
	s.Add("klas.Timestamp", testkit.Marshalled([]klas.Timestamp{0, -1, 1710000000, 1710000000123})+"\n"+testkit.Marshalled(map[klas.Timestamp]klas.Timestamp{1: 2}))
	s.Add("klas.Timestamp, read", testkit.Reads(func(t klas.Timestamp) string { return fmt.Sprint(int64(t), " ", t.Time()) },
		`1`, `1710000000`, `99999999999`, `100000000000`, `1710000000123`, `9223372036854775807`, `9223372036854775808`,
		`0`, `-1`, `1.0`, `1e3`, `"1"`, `null`, `true`, `[]`))
	s.Add("klas.StatusCode", testkit.Marshalled([]klas.StatusCode{
		klas.StatusOK, klas.StatusInvalidBody, klas.StatusBadParams, klas.StatusUnknown, klas.StatusIntegrityCheckFailed,
	}))
	s.Add("klas.Refusal", testkit.Marshalled(&klas.Refusal{Code: "ERR_X"}))
	s.Add("klas.Result", testkit.Marshalled(klas.Result{Path: "/p", Code: klas.StatusOK, RequestID: "r", Duration: time.Second}))
	s.Add("klas.Error", testkit.Marshalled(&klas.Error{
		Op: "New", Fields: map[string]string{"b": "rule <&>", "a": "é"}, Err: errors.New("cause <&>"),
	})+"\n"+testkit.Marshalled(&klas.Error{}))
	testkit.Golden(t, "types", s.String())
}

func TestWire_Sign(t *testing.T) {
	var s testkit.Sheet
	text := ""
	for _, b := range []string{"", "{}", "{ }", "{}\n", webhook, `{"a":"<&>é"}`, "\x00\xff"} {
		text += fmt.Sprintf("%q => %s\n", b, klas.Sign(wireSecret, []byte(b)))
	}
	s.Add("klas.Sign, by body", text)
	text = ""
	for _, secret := range []string{"", olderSecret, strings.Repeat("long", 64), "sécret with spaces"} {
		text += fmt.Sprintf("%q => %q\n", secret, klas.Sign(secret, []byte("{}")))
	}
	s.Add("klas.Sign, by secret", text)
	good := klas.Sign(wireSecret, []byte("{}"))
	text = ""
	for _, signature := range []string{good, strings.ToUpper(good), " \t" + good + "\n", good[:63], good + "0", "0x" + good, "sha256=" + good, ""} {
		text += fmt.Sprintf("%q => %v\n", signature, klas.Verify(wireSecret, []byte("{}"), signature))
	}
	s.Add("klas.Verify, by signature", text)
	s.Add("klas.SignatureHeader", klas.SignatureHeader)
	testkit.Golden(t, "sign", s.String())
}

// onWire sends requests to the handler over one recorded connection each, and
// adds the bytes of the answers to s.
func onWire(t *testing.T, s *testkit.Sheet, h func(hook *klas.Webhook) http.Handler, change func(*klas.Config), f func(send func(title, body string, edit ...func(*http.Request)))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewWire(t, h(newHook(t, func(cfg *klas.Config) {
			cfg.Secrets = providerauth.StaticSecrets(wireSecret, olderSecret)
			change(cfg)
		})))
		f(func(title, body string, edit ...func(*http.Request)) {
			t.Helper()
			r, err := http.NewRequest(http.MethodPost, testkit.WireURL+"/authenticate", strings.NewReader(body))
			testkit.Must(t, err)
			r.Header.Set("X-Signature", sign(wireSecret, body))
			for _, e := range edit {
				e(r)
			}
			resp, err := w.Client().Do(r)
			if err != nil {
				t.Fatalf("%s: %v", title, err)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			testkit.Must(t, err)
			resp.Body.Close()
			w.Client().CloseIdleConnections()
			s.Add(title, w.Answered())
		})
		time.Sleep(time.Minute) // code that is late has ended
	})
}

func unchanged(*klas.Config) {}

// authenticator makes a handler for /authenticate.
func authenticator(f klas.AuthenticatorFunc) func(*klas.Webhook) http.Handler {
	return func(hook *klas.Webhook) http.Handler { return hook.AuthenticateHandler(f) }
}

// lets is an Authenticator that lets everybody in.
func lets(currency string, balance providerauth.Amount) klas.AuthenticatorFunc {
	return func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		return klas.AuthenticateResponse{Currency: currency, Balance: balance}, nil
	}
}

func TestWire_AuthenticateHandler_OK(t *testing.T) {
	var s testkit.Sheet
	for _, balance := range []string{"30", "0", "-1.50", "123456789.123456789", "0.000000000000000001"} {
		onWire(t, &s, authenticator(lets("EUR", testkit.ParseAmount(t, balance))), unchanged, func(send func(string, string, ...func(*http.Request))) {
			send("balance "+balance, webhook)
		})
	}
	onWire(t, &s, authenticator(lets("EUR", testkit.ParseAmount(t, "30"))), unchanged, func(send func(string, string, ...func(*http.Request))) {
		send("signed with the older secret", webhook, func(r *http.Request) { r.Header.Set("X-Signature", sign(olderSecret, webhook)) })
		send("signature in upper case", webhook, func(r *http.Request) { r.Header.Set("X-Signature", strings.ToUpper(sign(wireSecret, webhook))) })
		send("header in lower case", webhook, func(r *http.Request) {
			r.Header = http.Header{"x-signature": {sign(wireSecret, webhook)}}
		})
		send("unknown members and white space", ` {"request_id":"r-1","x":[{"a":1}],"timestamp":1710000000123,"session_id":"s","player_id":"p"} `+"\n")
	})
	onWire(t, &s, authenticator(lets("x<&>é", testkit.ParseAmount(t, "30"))), func(cfg *klas.Config) { cfg.AnyCurrency = true }, func(send func(string, string, ...func(*http.Request))) {
		send("any currency", webhook)
	})
	testkit.Golden(t, "authenticate-ok", s.String())
}

func TestWire_AuthenticateHandler_Errors(t *testing.T) {
	var s testkit.Sheet
	onWire(t, &s, authenticator(lets("EUR", testkit.ParseAmount(t, "30"))), func(cfg *klas.Config) { cfg.MaxBodyBytes = 1000 }, func(send func(string, string, ...func(*http.Request))) {
		send("GET", "", func(r *http.Request) { r.Method, r.Body = http.MethodGet, http.NoBody })
		send("PUT", webhook, func(r *http.Request) { r.Method = http.MethodPut })
		send("no signature", webhook, func(r *http.Request) { r.Header.Del("X-Signature") })
		send("two signatures", webhook, func(r *http.Request) { r.Header.Add("X-Signature", "0") })
		send("wrong signature", webhook, func(r *http.Request) { r.Header.Set("X-Signature", sign("other", webhook)) })
		send("too long", webhook+strings.Repeat(" ", 1000))
		for _, body := range []string{
			``, `[]`, `null`, `{`, `{} {}`, "{\"request_id\":\"\xff\"}", `{}`, `{"request_id":1}`, `{"request_id":"r","status_code":"OK"}`,
			`{"request_id":"r","timestamp":0,"session_id":"s","player_id":"p"}`, `{"request_id":"r","timestamp":"1","session_id":"s","player_id":"p"}`,
			`{"request_id":"r","timestamp":1,"session_id":"s","player_id":12}`, `{"request_id":"r","timestamp":1,"session_id":"s"}`,
			`{"Request_ID":"r","timestamp":1,"session_id":"s","player_id":"p"}`, `{"request_id":"r","timestamp":1,"session_id":"s","player_id":"\ud800"}`,
		} {
			send(fmt.Sprintf("body %q", body), body)
		}
	})
	onWire(t, &s, authenticator(lets("EUR", testkit.ParseAmount(t, "30"))), func(cfg *klas.Config) { cfg.MaxAge = time.Minute }, func(send func(string, string, ...func(*http.Request))) {
		send("MaxAge, now", webhook)
		send("MaxAge, too old", strings.Replace(webhook, "946684800", "946684739", 1))
	})
	onWire(t, &s, authenticator(lets("EUR", testkit.ParseAmount(t, "30"))), func(cfg *klas.Config) {
		cfg.Secrets = func(context.Context) ([]string, error) { return nil, errors.New("no vault") }
	}, func(send func(string, string, ...func(*http.Request))) {
		send("no secret", webhook)
	})
	var long providerauth.Amount
	testkit.Must(t, json.Unmarshal([]byte("1234567890123456789"), &long))
	for _, tc := range []struct {
		name string
		f    klas.AuthenticatorFunc
	}{
		{"refused without a code", fails(&klas.Refusal{})},
		{"refused with a code", fails(fmt.Errorf("wrapped: %w", &klas.Refusal{Code: "ERR_PLAYER_BLOCKED", Err: errors.New("reason")}))},
		{"refused with OK", fails(&klas.Refusal{Code: klas.StatusOK})},
		{"refused with a code that cannot be sent", fails(&klas.Refusal{Code: "err <&>"})},
		{"refused by a nil Refusal", fails((*klas.Refusal)(nil))},
		{"another error", fails(errors.New("database"))},
		{"a panic", func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) { panic("p") }},
		{"balance never set", lets("EUR", providerauth.Amount{})},
		{"balance too long", lets("EUR", long)},
		{"currency of two letters", lets("EU", testkit.ParseAmount(t, "30"))},
		{"too late", func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			time.Sleep(6 * time.Second) // HandlerTimeout is 5
			return klas.AuthenticateResponse{}, nil
		}},
	} {
		onWire(t, &s, authenticator(tc.f), unchanged, func(send func(string, string, ...func(*http.Request))) { send(tc.name, webhook) })
	}
	onWire(t, &s, func(hook *klas.Webhook) http.Handler { return hook.AuthenticateHandler(nil) }, unchanged, func(send func(string, string, ...func(*http.Request))) {
		send("no Authenticator", webhook)
	})
	testkit.Golden(t, "authenticate-errors", s.String())
}

func TestWire_Middleware(t *testing.T) {
	var s testkit.Sheet
	behind := func(title string, next http.HandlerFunc, edit ...func(*http.Request)) {
		t.Helper()
		onWire(t, &s, func(hook *klas.Webhook) http.Handler { return hook.Middleware(next) }, func(cfg *klas.Config) { cfg.MaxBodyBytes = 1000 },
			func(send func(string, string, ...func(*http.Request))) { send(title, webhook, edit...) })
	}
	writes := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	behind("an answer goes out byte for byte", writes(` {"balance" : "<&>1.50", "status_code":"OK"}`+"\n"))
	behind("an answer with an Amount", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"balance": testkit.ParseAmount(t, "1.50"), "status_code": "OK"})
	})
	behind("headers", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("X-Own", "1")
		h["x-lower"] = []string{"2", "3"}
		h.Set("Content-Type", "text/html")
		h.Set("X-Signature", "other")
		h.Set("Content-Length", "1")
		h.Set("Connection", "close")
		h.Set("Trailer", "X-After")
		h.Set(http.TrailerPrefix+"X-After", "4")
		_, _ = io.WriteString(w, `{"status_code":"OK"}`)
	})
	behind("the webhook as next reads it", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		testkit.Must(t, err)
		_ = json.NewEncoder(w).Encode(map[string]any{"status_code": "OK", "read": string(b), "length": r.ContentLength, "signature": r.Header["X-Signature"]})
	})
	behind("signed with the older secret", writes(`{"status_code":"OK"}`), func(r *http.Request) { r.Header.Set("X-Signature", sign(olderSecret, webhook)) })
	behind("wrong signature", writes(`{"status_code":"OK"}`), func(r *http.Request) { r.Header.Set("X-Signature", "0") })
	behind("a code of the operator's", writes(`{"status_code":"ERR_X"}`))
	behind("no status_code", writes(`{"balance":"1"}`))
	behind("request_id without status_code", writes(`{"request_id":"r"}`))
	behind("no JSON", writes(`<html>`))
	behind("nothing", writes(``))
	behind("too long", writes(`{"status_code":"OK"}`+strings.Repeat(" ", 1000)))
	behind("another status", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "page", http.StatusInternalServerError) })
	behind("encoded", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, `{"status_code":"OK"}`)
	})
	behind("a panic", func(http.ResponseWriter, *http.Request) { panic("p") })
	behind("too late", func(http.ResponseWriter, *http.Request) { time.Sleep(6 * time.Second) })
	testkit.Golden(t, "middleware", s.String())
}
