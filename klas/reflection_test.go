package klas_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/klas"
)

// repeats is a handler behind Middleware whose answers have the members of the
// request, and a status_code.
func repeats(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil || members == nil {
		members = map[string]json.RawMessage{}
	}
	members["status_code"] = json.RawMessage(`"OK"`)
	_ = json.NewEncoder(w).Encode(members)
}

// signedAnswers are the answers of all kinds that an endpoint signs.
func signedAnswers(t *testing.T) map[string]string {
	hook := newHook(t)
	players, balance := hook.AuthenticateHandler(accept(t)), hook.Middleware(writes(balanceOK))
	return map[string]string{
		"to junk":                     send(t, players, request("junk"), secret),
		"to junk, of Middleware":      send(t, balance, request("junk"), secret),
		"to a forgery":                send(t, balance, request(compact, sign("forger", compact)), secret),
		"to a body that is not JSON":  post(t, players, "x"),
		"to a body without fields":    post(t, players, "{}"),
		"that accepts a player":       post(t, players, compact),
		"that refuses a player":       post(t, hook.AuthenticateHandler(fails(&klas.Refusal{Code: "ERR_BLOCKED"})), compact),
		"after an error":              post(t, hook.AuthenticateHandler(fails(errors.New("down"))), compact),
		"of a handler":                post(t, balance, compact),
		"of a handler, after a panic": post(t, hook.Middleware(handler(func(http.ResponseWriter, *http.Request) { panic("x") })), compact),
		"of a handler that repeats the request's members": post(t, hook.Middleware(handler(repeats)), compact),
	}
}

func TestWebhook_reflection(t *testing.T) {
	for name, answer := range signedAnswers(t) {
		t.Run("an answer "+name+" does not reach the operator's code", func(t *testing.T) {
			hook := newHook(t, withGuard(guardFunc(func(string) (bool, error) {
				t.Error("the guard was asked")
				return false, nil
			})))
			want(t, post(t, hook.Middleware(notReached(t)), answer), badParams)
			want(t, post(t, hook.AuthenticateHandler(unreachable(t)), answer), badParams)
		})
	}
	t.Run("status_code is found in every spelling, place and type", func(t *testing.T) {
		hook := newHook(t)
		for _, member := range []string{
			`"status_code":"OK"`, `"status_code":""`, `"status_code":null`, `"status_code":5`, `"status_code":{}`, `"status_code":["OK"]`,
			`"STATUS_CODE":"OK"`, `"Status_Code":"OK"`, `"statuS_codE":"OK"`, "\"\u017ftatus_code\":\"OK\"",
			`"status\u005fcode":"OK"`, `"\u0073tatus_code":"OK"`, `"\u0053TATUS\u005FCODE":"OK"`, `"\u017ftatus_code":"OK"`,
			`"\u0073\u0074\u0061\u0074\u0075\u0073\u005f\u0063\u006f\u0064\u0065":"OK"`,
			`"x":1,"x":2,"status_code":"OK"`, `"status_code":"OK","status_code":"OK"`,
		} {
			for place, b := range map[string]string{
				"first": "{" + member + "," + compact[1:],
				"last":  strings.TrimSuffix(compact, "}") + "," + member + "} ",
			} {
				t.Run(member+" "+place, func(t *testing.T) {
					want(t, post(t, hook.Middleware(notReached(t)), b), badParams)
					want(t, post(t, hook.AuthenticateHandler(unreachable(t)), b), badParams)
				})
			}
		}
	})
	t.Run("a member that only resembles status_code is unknown", func(t *testing.T) {
		hook := newHook(t)
		for _, member := range []string{
			`"status":"OK"`, `"statuscode":"OK"`, `"status-code":"OK"`, `"status_code ":"OK"`, `"status_codes":"OK"`,
			`"x":{"status_code":"OK"}`, `"x":["status_code"]`, `"x":"\"status_code\":1"`,
		} {
			b := "{" + member + "," + compact[1:]
			want(t, post(t, hook.Middleware(writes(balanceOK)), b), balanceOK)
			want(t, post(t, hook.AuthenticateHandler(accept(t)), b), ok)
		}
	})
	t.Run("the result names the member", func(t *testing.T) {
		for name, make := range map[string]func(*klas.Webhook) http.Handler{
			"Middleware":          func(hook *klas.Webhook) http.Handler { return hook.Middleware(notReached(t)) },
			"AuthenticateHandler": func(hook *klas.Webhook) http.Handler { return hook.AuthenticateHandler(unreachable(t)) },
		} {
			results := newResults()
			want(t, post(t, make(newHook(t, results.config)), integrityFailed), badParams)
			var e *klas.Error
			if r := <-results; r.Code != klas.StatusBadParams || !errors.As(r.Err, &e) || e.Fields["status_code"] == "" || e.Op != name {
				t.Errorf("%s: result %+v", name, r)
			}
		}
	})
}

func TestWebhook_Middleware(t *testing.T) {
	t.Run("a webhook is a JSON object with a request_id", func(t *testing.T) {
		hook := newHook(t)
		for b, answer := range map[string]string{
			"":                                      badBody,
			" ":                                     badBody,
			"x":                                     badBody,
			"null":                                  badBody,
			"[]":                                    badBody,
			"[" + compact + "]":                     badBody,
			`"request_id"`:                          badBody,
			"{":                                     badBody,
			compact[:len(compact)-1]:                badBody,
			compact + compact:                       badBody,
			"\uFEFF" + compact:                      badBody,
			"{\"request_id\":\"\xff\"}":             badBody,
			`{"x":` + strings.Repeat("[", 20_000):   badBody,
			"{}":                                    badParams,
			`{"transfer_id":"t"}`:                   badParams,
			`{"request_id":""}`:                     badParams,
			`{"request_id":null}`:                   badParams,
			`{"request_id":1}`:                      badParams,
			`{"request_id":["r"]}`:                  badParams,
			`{"request_id":"r","request_id":""}`:    badParams,
			`{"request_id":"r","request_id":1}`:     badParams,
			`{"Request_id":"r"}`:                    badParams,
			`{"REQUEST_ID":"r"}`:                    badParams,
			`{"x":{"request_id":"r"}}`:              badParams,
			`{"request_id":"","Request_ID":"r"}`:    badParams,
			`{"request_id":1,"player_id":{},"x":5}`: badParams,
		} {
			want(t, post(t, hook.Middleware(notReached(t)), b), answer)
		}
	})
	t.Run("the other fields are left to the handler", func(t *testing.T) {
		for _, b := range []string{
			`{"request_id":"r"}`,
			" {\"request\\u005fid\" : \"r\"} \n",
			`{"request_id":"r","timestamp":"x","session_id":null,"player_id":5}`,
			`{"request_id":1,"request_id":"r"}`,
			`{"request_id":"r","Request_ID":5}`,
			`{"request_id":"` + strings.Repeat("r", 1000) + `"}`,
		} {
			want(t, post(t, newHook(t).Middleware(writes(balanceOK)), b), balanceOK)
		}
	})
	t.Run("an answer that reads as a webhook becomes ERR_UNKNOWN", func(t *testing.T) {
		for _, answer := range []string{
			compact, `{"request_id":"r"}`, `{"request_id":"r","balance":"30"}`, " {\"request\\u005fid\":\"r\"}\n", `{"request_id":1,"request_id":"r"}`,
		} {
			results := newResults()
			want(t, post(t, newHook(t, results.config).Middleware(writes(answer)), compact), unknown)
			if r := <-results; r.Code != klas.StatusUnknown || r.Err == nil || r.RequestID != "1234-5678-90ab-cdef12345678" {
				t.Errorf("%s: result %+v", answer, r)
			}
		}
	})
	t.Run("an answer that does not read as a webhook goes out as it is", func(t *testing.T) {
		for _, answer := range []string{
			`{}`, `{"balance":"30"}`, `{"request_id":""}`, `{"request_id":5}`, `{"Request_ID":"r"}`,
			`{"request_id":"r","status_code":"OK"}`, `{"request_id":"r","STATUS_CODE":5}`,
		} {
			h := newHook(t).Middleware(writes(answer))
			want(t, post(t, h, compact), answer)
			want(t, post(t, newHook(t).Middleware(notReached(t)), answer), badParams)
		}
	})
	t.Run("the handler gets the members it was sent", func(t *testing.T) {
		var sent, answered map[string]any
		got := post(t, newHook(t).Middleware(handler(repeats)), compact)
		if err := errors.Join(json.Unmarshal([]byte(compact), &sent), json.Unmarshal([]byte(got), &answered)); err != nil {
			t.Fatal(err)
		}
		sent["status_code"] = "OK"
		if diff := cmp.Diff(sent, answered); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
