package klas_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/klas"
)

func TestTheAuthenticatorGetsWhatKlasSent(t *testing.T) {
	var got klas.AuthenticateRequest
	h := newHook(t).AuthenticateHandler(keeps(t, &got))
	want(t, post(t, h, compact), ok)
	expected := klas.AuthenticateRequest{
		RequestID: "1234-5678-90ab-cdef12345678", Timestamp: 1710000000,
		SessionID: "1234-5678-90ab-cdef12345678", PlayerID: "12001",
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBodiesAreAnsweredByWhatIsWrongWithThem(t *testing.T) {
	with := func(name string, value any) string { return body(map[string]any{name: value}) }
	for _, c := range []struct{ name, body, want string }{
		{"empty", "", badBody},
		{"white space", " \r\n\t", badBody},
		{"not JSON", "hello", badBody},
		{"truncated JSON", compact[:len(compact)-1], badBody},
		{"cut in a string", compact[:40], badBody},
		{"null", "null", badBody},
		{"array", "[" + compact + "]", badBody},
		{"string", `"` + "x" + `"`, badBody},
		{"number", "1", badBody},
		{"byte order mark", "\uFEFF" + compact, badBody},
		{"BOM in UTF-16", "\xff\xfe" + compact, badBody},
		{"trailing brace", compact + "}", badBody},
		{"trailing text", compact + " x", badBody},
		{"two objects", compact + compact, badBody},
		{"two objects on two lines", compact + "\n" + compact, badBody},
		{"trailing comma", strings.TrimSuffix(compact, "}") + ",}", badBody},
		{"trailing NUL", compact + "\x00", badBody},
		{"trailing no-break space", compact + "\u00a0", badBody},
		{"comment", "{/**/" + compact[1:], badBody},
		{"single quotes", strings.ReplaceAll(compact, `"`, "'"), badBody},
		{"line feed in a string", strings.Replace(compact, "12001", "12\n001", 1), badBody},
		{"invalid UTF-8 in an id", strings.Replace(compact, "12001", "12\xff01", 1), badBody},
		{"invalid UTF-8 in an unknown field", `{"x":"` + "\xc3" + `",` + compact[1:], badBody},
		{"surrogate as UTF-8", strings.Replace(compact, "12001", "\xed\xa0\x80", 1), badBody},
		{"leading zero in the timestamp", strings.Replace(compact, "1710000000", "01710000000", 1), badBody},
		{"plus sign in the timestamp", strings.Replace(compact, "1710000000", "+1710000000", 1), badBody},
		{"nested beyond all measure", `{"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "," + compact[1:], badBody},

		{"no members", "{}", badParams},
		{"request_id missing", with("request_id", absent), badParams},
		{"timestamp missing", with("timestamp", absent), badParams},
		{"session_id missing", with("session_id", absent), badParams},
		{"player_id missing", with("player_id", absent), badParams},
		{"request_id empty", with("request_id", ""), badParams},
		{"session_id empty", with("session_id", ""), badParams},
		{"player_id empty", with("player_id", ""), badParams},
		{"request_id null", with("request_id", nil), badParams},
		{"timestamp null", with("timestamp", nil), badParams},
		{"session_id null", with("session_id", nil), badParams},
		{"player_id null", with("player_id", nil), badParams},
		{"player_id a number", with("player_id", 12001), badParams},
		{"session_id an object", with("session_id", map[string]any{}), badParams},
		{"request_id an array", with("request_id", []int{}), badParams},
		{"request_id a boolean", with("request_id", true), badParams},
		{"lone surrogate", strings.Replace(compact, "12001", `\ud800`, 1), badParams},
		{"surrogates in the wrong order", strings.Replace(compact, "12001", `\udc00\ud800`, 1), badParams},
		{"replacement character", with("player_id", "a\uFFFDb"), badParams},

		{"white space around", " \n" + compact + "\r\n\t ", ok},
		{"line feed at the end", compact + "\n", ok},
		{"unknown fields", `{"currency":"EUR","x":{"player_id":"y"},"z":[1,"player_id"],` + compact[1:], ok},
		{"surrogate pair", strings.Replace(compact, "12001", `\ud83d\ude00`, 1), ok},
		{"lone surrogate in an unknown field", `{"x":"\ud800",` + compact[1:], ok},
		{"escaped key", strings.Replace(compact, "player_id", `player\u005fid`, 1), ok},
		{"id that is no UUID", with("session_id", "4811430036867072"), ok},
		{"id with markup", with("player_id", "<a&b>"), ok},
	} {
		t.Run(c.name, func(t *testing.T) {
			var auth klas.Authenticator = unreachable(t)
			if c.want == ok {
				auth = accept(t)
			}
			want(t, post(t, newHook(t).AuthenticateHandler(auth), c.body), c.want)
		})
	}
}

func TestTimestampMustBeAPlainNumber(t *testing.T) {
	for number, expected := range map[string]string{
		"1710000000":          ok,
		"1586828615399":       ok,
		"1":                   ok,
		"9223372036854775807": ok,
		"9223372036854775808": badParams,
		"0":                   badParams,
		"-0":                  badParams,
		"-1":                  badParams,
		"1e30":                badParams,
		"1.71e9":              badParams,
		"1710000000.0":        badParams,
		"1710000000.5":        badParams,
		`"1710000000"`:        badParams,
		"true":                badParams,
		"[1710000000]":        badParams,
	} {
		t.Run(number, func(t *testing.T) {
			h := newHook(t).AuthenticateHandler(accept(t))
			want(t, post(t, h, strings.Replace(compact, "1710000000", number, 1)), expected)
		})
	}
}

// Another spelling of a key is a field that nobody knows.
func TestKeysThatDifferInCaseDoNotOverride(t *testing.T) {
	var got klas.AuthenticateRequest
	h := newHook(t).AuthenticateHandler(keeps(t, &got))
	want(t, post(t, h, compact), ok)
	expected := got
	for _, extra := range []string{
		`"Player_ID":"other"`, `"PLAYER_ID":"other"`, `"player_iD":null`, `"Player_ID":1`,
		`"REQUEST_ID":"other"`, `"Session_Id":"other"`, "\"\u017fession_id\":\"other\"",
		`"Timestamp":1`, `"TIMESTAMP":"x"`, "\"time\u017ftamp\":1",
	} {
		for name, b := range map[string]string{
			"before": "{" + extra + "," + compact[1:],
			"after":  strings.TrimSuffix(compact, "}") + "," + extra + "}",
		} {
			t.Run(extra+" "+name, func(t *testing.T) {
				got = klas.AuthenticateRequest{}
				want(t, post(t, h, b), ok)
				if got != expected {
					t.Errorf("read as %+v", got)
				}
			})
		}
	}
	t.Run("alone", func(t *testing.T) {
		b := strings.Replace(compact, "player_id", "Player_ID", 1)
		want(t, post(t, newHook(t).AuthenticateHandler(unreachable(t)), b), badParams)
	})
}

func TestOfAFieldThatComesTwiceTheLastCounts(t *testing.T) {
	for _, c := range []struct{ first, last, want, player string }{
		{"", `,"player_id":"last"`, ok, "last"},
		{`"player_id":5,`, "", ok, "12001"},
		{`"player_id":null,`, "", ok, "12001"},
		{`"timestamp":"x",`, "", ok, "12001"},
		{`"player_id":5,"session_id":{},`, "", ok, "12001"},
		{"", `,"player_id":5`, badParams, ""},
		{"", `,"player_id":null`, badParams, ""},
		{"", `,"timestamp":"x"`, badParams, ""},
		{"", `,"player_id":5,"session_id":5,"session_id":"s"`, badParams, ""},
		{"", `,"timestamp":9223372036854775808,"session_id":5,"session_id":"s"`, badParams, ""},
	} {
		var got klas.AuthenticateRequest
		h := newHook(t).AuthenticateHandler(keeps(t, &got))
		b := "{" + c.first + strings.Trim(compact, "{}") + c.last + "}"
		want(t, post(t, h, b), c.want)
		if got.PlayerID != c.player {
			t.Errorf("%s: player %q", b, got.PlayerID)
		}
	}
}

// The decoder is used again.
func TestOneBodyLeavesNothingForTheNext(t *testing.T) {
	var got klas.AuthenticateRequest
	h := newHook(t).AuthenticateHandler(keeps(t, &got))
	own := body(map[string]any{"player_id": "own"})
	for _, before := range []struct{ body, want string }{
		{compact, ok},
		{compact + "\n\n\n", ok},
		{compact + strings.Repeat(" ", 4000), ok},
		{compact + "{", badBody},
		{compact + `{"player_id":"stranger"}`, badBody},
		{compact[:60], badBody},
		{`{"player_id":"stranger","request_id":5}`, badParams},
		{`{"player_id":"stranger"}`, badParams},
		{"", badBody},
		{`{"x":"` + strings.Repeat("x", 100_000) + `",` + compact[1:], ok},
	} {
		want(t, post(t, h, before.body), before.want)
		want(t, post(t, h, own), ok)
		if got.PlayerID != "own" || got.RequestID != "r-1" {
			t.Errorf("after %.40q: %+v", before.body, got)
		}
		want(t, post(t, h, `{"player_id":"own"}`), badParams)
	}
}

func TestMethodsOtherThanPOSTAreRefusedUnsigned(t *testing.T) {
	h := newHook(t).AuthenticateHandler(unreachable(t))
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "X"} {
		w := httptest.NewRecorder()
		r := request(compact, sign(secret, compact))
		r.Method = method
		h.ServeHTTP(w, r)
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" ||
			w.Body.Len() != 0 || w.Header()["X-Signature"] != nil {
			t.Errorf("%s: %d %v %q", method, w.Code, w.Header(), w.Body)
		}
	}
}

func TestContentTypeDoesNotMatter(t *testing.T) {
	h := newHook(t).AuthenticateHandler(accept(t))
	for _, value := range []string{"", "application/json; charset=utf-8", "text/plain"} {
		r := request(compact, sign(secret, compact))
		r.Header.Set("Content-Type", value)
		want(t, send(t, h, r, secret), ok)
	}
}

func TestAnInvalidAnswerIsNeverOK(t *testing.T) {
	thirty := testkit.ParseAmount(t, "30")
	var long providerauth.Amount
	if err := json.Unmarshal([]byte("33.333333333333333333"), &long); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		resp klas.AuthenticateResponse
		any  bool
		want string
	}{
		{"nothing", klas.AuthenticateResponse{}, false, unknown},
		{"no balance", klas.AuthenticateResponse{Currency: "EUR"}, false, unknown},
		{"balance of 20 digits", klas.AuthenticateResponse{Currency: "EUR", Balance: long}, false, unknown},
		{"no currency", klas.AuthenticateResponse{Balance: thirty}, false, unknown},
		{"lower case", klas.AuthenticateResponse{Currency: "eur", Balance: thirty}, false, unknown},
		{"four letters", klas.AuthenticateResponse{Currency: "USDT", Balance: thirty}, false, unknown},
		{"two letters", klas.AuthenticateResponse{Currency: "EU", Balance: thirty}, false, unknown},
		{"digits", klas.AuthenticateResponse{Currency: "978", Balance: thirty}, false, unknown},
		{"line feed", klas.AuthenticateResponse{Currency: "EUR\n", Balance: thirty}, false, unknown},
		{"not ASCII", klas.AuthenticateResponse{Currency: "ÉÛ", Balance: thirty}, false, unknown},
		{"any, four letters", klas.AuthenticateResponse{Currency: "USDT", Balance: thirty}, true, `{"currency":"USDT","balance":"30","status_code":"OK"}`},
		{"any, empty", klas.AuthenticateResponse{Balance: thirty}, true, unknown},
		{"any, line feed", klas.AuthenticateResponse{Currency: "USDT\n", Balance: thirty}, true, unknown},
		{"any, invalid UTF-8", klas.AuthenticateResponse{Currency: "\xff", Balance: thirty}, true, unknown},
		{"any, no balance", klas.AuthenticateResponse{Currency: "USDT"}, true, unknown},
		{"zero", klas.AuthenticateResponse{Currency: "EUR", Balance: testkit.ParseAmount(t, "0")}, false, `{"currency":"EUR","balance":"0","status_code":"OK"}`},
		{"negative", klas.AuthenticateResponse{Currency: "EUR", Balance: testkit.ParseAmount(t, "-0.05")}, false, `{"currency":"EUR","balance":"-0.05","status_code":"OK"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			hook := newHook(t, func(cfg *klas.Config) { cfg.AnyCurrency = c.any })
			h := hook.AuthenticateHandler(klas.AuthenticatorFunc(
				func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
					return c.resp, nil
				}))
			want(t, post(t, h, compact), c.want)
		})
	}
}

func TestAFailureOfTheOperatorIsUnknownToKlas(t *testing.T) {
	for name, auth := range map[string]klas.Authenticator{
		"error":                    fails(errors.New("db: secret-detail")),
		"deadline of its own":      fails(context.DeadlineExceeded),
		"panic with an error":      panics(errors.New("secret-detail")),
		"panic with a text":        panics("secret-detail"),
		"panic with nil":           panics(nil),
		"abort":                    panics(http.ErrAbortHandler),
		"nil function":             klas.AuthenticatorFunc(nil),
		"no authenticator":         nil,
		"nil pointer, not a value": (*nilAuthenticator)(nil),
	} {
		eitherWay(t, name, func(t *testing.T, way func(*http.Request)) {
			r := request(compact, sign(secret, compact))
			way(r)
			want(t, send(t, newHook(t).AuthenticateHandler(auth), r, secret), unknown)
		})
	}
}

func panics(v any) klas.AuthenticatorFunc {
	return func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) { panic(v) }
}

type nilAuthenticator struct{ players map[string]string }

func (a *nilAuthenticator) Authenticate(_ context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
	return klas.AuthenticateResponse{Currency: a.players[req.PlayerID]}, nil
}

func TestConcurrentWebhooksDoNotMix(t *testing.T) {
	h := newHook(t).AuthenticateHandler(klas.AuthenticatorFunc(
		func(_ context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			balance, err := providerauth.ParseAmount(req.PlayerID)
			return klas.AuthenticateResponse{Currency: "EUR", Balance: balance}, err
		}))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				id := testkit.ParseAmount(t, strings.Repeat("1", g+1)+strings.Repeat("2", i%5)).String()
				b := body(map[string]any{"player_id": id})
				want(t, post(t, h, b), `{"currency":"EUR","balance":"`+id+`","status_code":"OK"}`)
				want(t, send(t, h, request(b, sign("forger", b)), secret), integrityFailed)
				want(t, post(t, h, b[:len(b)-1]), badBody)
			}
		})
	}
	wg.Wait()
}

// fragile is an error whose nil pointer cannot be asked for what it wraps.
type fragile struct{ err error }

func (f *fragile) Error() string { return "fragile" }
func (f *fragile) Unwrap() error { return f.err }

func TestAnErrorThatPanicsWhenItIsUnwrappedIsAnswered(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"alone":        {(*fragile)(nil), unknown},
		"joined":       {errors.Join(errors.New("x"), (*fragile)(nil)), unknown},
		"in a Refusal": {&klas.Refusal{Code: "ERR_X", Err: (*fragile)(nil)}, `{"status_code":"ERR_X"}`},
	} {
		eitherWay(t, name, func(t *testing.T, way func(*http.Request)) {
			var log bytes.Buffer
			results := newResults()
			hook := newHook(t, results.config, func(cfg *klas.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			r := request(compact, sign(secret, compact))
			way(r)
			want(t, send(t, hook.AuthenticateHandler(fails(tc.err)), r, secret), tc.want)
			if r := <-results; r.Err == nil || log.Len() == 0 {
				t.Errorf("result %+v, log %q", r, log.String())
			}
		})
	}
}

func TestARefusalOfAReplayGuardIsNone(t *testing.T) {
	refuse := false
	hook := newHook(t, func(cfg *klas.Config) {
		cfg.ReplayGuard = guardFunc(func(string) (bool, error) {
			if refuse {
				return false, &klas.Refusal{Code: "ERR_X"}
			}
			return false, nil
		})
	})
	h := hook.AuthenticateHandler(accept(t))
	for range 5 { // what is used again must not remember that the last one got further
		refuse = false
		want(t, post(t, h, compact), ok)
		refuse = true
		want(t, post(t, h, compact), unknown)
	}
}

func TestTheHeaderOfAnAnswerMayBeAddedTo(t *testing.T) {
	w := httptest.NewRecorder()
	newHook(t).AuthenticateHandler(accept(t)).ServeHTTP(w, request(compact, sign(secret, compact)))
	w.Header().Add("X-Signature", "outer")
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
}
