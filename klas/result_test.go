package klas_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
)

func TestOnResultIsToldOfEveryRequestOnce(t *testing.T) {
	type seen struct {
		Code      klas.StatusCode
		RequestID string
		Fields    map[string]string
	}
	results := newResults()
	h := newHook(t, results.config).AuthenticateHandler(accept(t))
	get := request(compact)
	get.Method = http.MethodGet
	const id = "1234-5678-90ab-cdef12345678"
	for _, c := range []struct {
		name string
		r    *http.Request
		want seen
	}{
		{"good", request(compact, sign(secret, compact)), seen{Code: klas.StatusOK, RequestID: id}},
		{"forged", request(compact, sign("x", compact)), seen{Code: klas.StatusIntegrityCheckFailed, Fields: map[string]string{"X-Signature": "is not that of the body"}}},
		{"unsigned", request(compact), seen{Code: klas.StatusIntegrityCheckFailed, Fields: map[string]string{"X-Signature": "is missing"}}},
		{"signed twice", request(compact, "a", "b"), seen{Code: klas.StatusIntegrityCheckFailed, Fields: map[string]string{"X-Signature": "must be there once"}}},
		{"not JSON", request("x", sign(secret, "x")), seen{Code: klas.StatusInvalidBody, Fields: map[string]string{"body": "is not a JSON object"}}},
		{"incomplete", request(`{"request_id":"r"}`, sign(secret, `{"request_id":"r"}`)), seen{Code: klas.StatusBadParams, RequestID: "r", Fields: map[string]string{"session_id": "is missing or empty"}}},
		{"mistyped", request(`{"request_id":"r","player_id":5}`, sign(secret, `{"request_id":"r","player_id":5}`)), seen{Code: klas.StatusBadParams, RequestID: "r", Fields: map[string]string{"player_id": "has the wrong type"}}},
		{"mistimed", request(`{"request_id":"r","timestamp":"1"}`, sign(secret, `{"request_id":"r","timestamp":"1"}`)), seen{Code: klas.StatusBadParams, RequestID: "r", Fields: map[string]string{"timestamp": "has the wrong type"}}},
		{"GET", get, seen{Fields: map[string]string{"method": "must be POST"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.ServeHTTP(httptest.NewRecorder(), c.r)
			r := <-results
			got := seen{Code: r.Code, RequestID: r.RequestID}
			var e *klas.Error
			if errors.As(r.Err, &e) {
				got.Fields = e.Fields
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r.Path != "/authenticate" {
				t.Errorf("path %q", r.Path)
			}
			if len(results) != 0 {
				t.Error("told twice")
			}
		})
	}
}

func TestTheRequestIDOfAWebhookForMiddlewareIsInItsResultAndItsLog(t *testing.T) {
	for b, c := range map[string]struct{ id, answer string }{
		`{"request_id":"r-1","x":1}`:              {"r-1", balanceOK},
		`{"request_id":"r-1","request_id":"r"}`:   {"r", balanceOK},
		`{"request_id":"r-1","status_code":"OK"}`: {"r-1", badParams},
		`{"request_id":"r-1","request_id":5}`:     {"", badParams},
		`{"Request_ID":"r-1"}`:                    {"", badParams},
		`[]`:                                      {"", badBody},
	} {
		results := newResults()
		want(t, post(t, newHook(t, results.config).Middleware(writes(balanceOK)), b), c.answer)
		if r := <-results; r.RequestID != c.id {
			t.Errorf("%s: request id %q", b, r.RequestID)
		}
		var log bytes.Buffer
		hook := newHook(t, func(cfg *klas.Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		want(t, post(t, hook.Middleware(writes(balanceOK)), b), c.answer)
		_, logged, _ := strings.Cut(log.String(), "request_id=")
		if logged, _, _ = strings.Cut(logged+" ", " "); strings.TrimSpace(logged) != c.id {
			t.Errorf("%s: log %s", b, &log)
		}
	}
}

func TestTheDurationIsThatOfTheWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		results := newResults()
		h := newHook(t, results.config).AuthenticateHandler(klas.AuthenticatorFunc(
			func(ctx context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
				time.Sleep(1234 * time.Millisecond)
				return accept(t)(ctx, req)
			}))
		want(t, post(t, h, compact), ok)
		if r := <-results; r.Duration != 1234*time.Millisecond {
			t.Errorf("duration %v", r.Duration)
		}
	})
}

func TestAPanicInOnResultCostsNoAnswer(t *testing.T) {
	var log bytes.Buffer
	hook := newHook(t, func(cfg *klas.Config) {
		cfg.OnResult = func(context.Context, klas.Result) { panic("sentinel-9f8e7d6c") }
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	want(t, post(t, hook.AuthenticateHandler(accept(t)), compact), ok)
	if text := log.String(); !strings.Contains(text, "OnResult panicked") || strings.Contains(text, "sentinel") {
		t.Errorf("log: %s", text)
	}
}

func TestTheLogLevelTellsWhoseFaultItIs(t *testing.T) {
	for _, c := range []struct {
		name, level string
		auth        klas.Authenticator
		r           *http.Request
	}{
		{"good", "DEBUG", accept(t), request(compact, sign(secret, compact))},
		{"refused", "INFO", fails(&klas.Refusal{}), request(compact, sign(secret, compact))},
		{"incomplete", "INFO", unreachable(t), request("{}", sign(secret, "{}"))},
		{"forged", "WARN", unreachable(t), request(compact, sign("x", compact))},
		{"failed", "ERROR", fails(errors.New("db: down")), request(compact, sign(secret, compact))},
		{"panicked", "ERROR", panics("x"), request(compact, sign(secret, compact))},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			hook := newHook(t, func(cfg *klas.Config) {
				cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			send(t, hook.AuthenticateHandler(c.auth), c.r, secret)
			if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "level="+c.level) {
				t.Errorf("log: %s", text)
			}
		})
	}
	t.Run("no secrets", func(t *testing.T) {
		var log bytes.Buffer
		hook := newHook(t, withSecrets(func(context.Context) ([]string, error) { return nil, nil }),
			func(cfg *klas.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		hook.AuthenticateHandler(unreachable(t)).ServeHTTP(httptest.NewRecorder(), request(compact))
		if text := log.String(); !strings.Contains(text, "level=ERROR") {
			t.Errorf("log: %s", text)
		}
	})
}

func TestAPanicIsLoggedByTypeAndStack(t *testing.T) {
	eitherWay(t, "", func(t *testing.T, way func(*http.Request)) {
		var log bytes.Buffer
		hook := newHook(t, func(cfg *klas.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		r := request(compact, sign(secret, compact))
		way(r)
		want(t, send(t, hook.AuthenticateHandler(panics(errors.New("sentinel-9f8e7d6c"))), r, secret), unknown)
		text := log.String()
		if !strings.Contains(text, "*errors.errorString") || !strings.Contains(text, "authenticate_test.go") || strings.Contains(text, "sentinel") {
			t.Errorf("log: %s", text)
		}
	})
}

func TestResult_reasons(t *testing.T) {
	reasons := []error{
		klas.ErrSignature, klas.ErrBody, klas.ErrStale, klas.ErrReplayed, klas.ErrTimeout, klas.ErrHandler,
		providerauth.ErrSecretUnavailable,
	}
	seen := guardFunc(func(string) (bool, error) { return true, nil })
	guardFails := guardFunc(func(string) (bool, error) { return false, errors.New("redis is down") })
	for name, c := range map[string]struct {
		change func(*klas.Config)
		auth   klas.Authenticator
		r      func() *http.Request
		reason error
		code   klas.StatusCode
	}{
		"an Authenticator that fails":   {nil, fails(errors.New("db")), nil, klas.ErrHandler, klas.StatusUnknown},
		"an Authenticator that panics":  {nil, panics("x"), nil, klas.ErrHandler, klas.StatusUnknown},
		"no Authenticator":              {nil, nil, nil, klas.ErrHandler, klas.StatusUnknown},
		"an answer without balance":     {nil, fails(nil), nil, klas.ErrHandler, klas.StatusUnknown},
		"a Refusal that cannot be sent": {nil, fails(&klas.Refusal{Code: "x"}), nil, klas.ErrHandler, klas.StatusUnknown},
		"a Refusal":                     {nil, fails(&klas.Refusal{}), nil, nil, klas.StatusBadParams},
		"an Authenticator that is late": {nil, sleeps(time.Minute), nil, klas.ErrTimeout, klas.StatusUnknown},
		"a guard that is late":          {withGuard(slowGuard(time.Minute)), accept(t), nil, klas.ErrTimeout, klas.StatusUnknown},
		"a guard that fails":            {withGuard(guardFails), accept(t), nil, klas.ErrHandler, klas.StatusUnknown},
		"a webhook seen before":         {withGuard(seen), accept(t), nil, klas.ErrReplayed, klas.StatusBadParams},
		"a webhook too old":             {func(cfg *klas.Config) { cfg.MaxAge = time.Second }, accept(t), nil, klas.ErrStale, klas.StatusBadParams},
		"no signature":                  {nil, accept(t), func() *http.Request { return request(compact) }, klas.ErrSignature, klas.StatusIntegrityCheckFailed},
		"two signatures":                {nil, accept(t), func() *http.Request { return request(compact, "a", "b") }, klas.ErrSignature, klas.StatusIntegrityCheckFailed},
		"a wrong signature":             {nil, accept(t), func() *http.Request { return request(compact, sign("x", compact)) }, klas.ErrSignature, klas.StatusIntegrityCheckFailed},
		"no JSON":                       {nil, accept(t), func() *http.Request { return request("x", sign(secret, "x")) }, klas.ErrBody, klas.StatusInvalidBody},
		"a field missing":               {nil, accept(t), func() *http.Request { return request("{}", sign(secret, "{}")) }, klas.ErrBody, klas.StatusBadParams},
		"a body too long":               {func(cfg *klas.Config) { cfg.MaxBodyBytes = 1 }, accept(t), nil, klas.ErrBody, klas.StatusIntegrityCheckFailed},
		"no secrets":                    {withSecrets(func(context.Context) ([]string, error) { return nil, nil }), accept(t), nil, providerauth.ErrSecretUnavailable, ""},
		"another method than POST":      {nil, accept(t), func() *http.Request { return httptest.NewRequest("GET", "/", nil) }, nil, ""},
		"a player":                      {nil, accept(t), nil, nil, klas.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				results := newResults()
				change := c.change
				if change == nil {
					change = func(*klas.Config) {}
				}
				r := request(compact, sign(secret, compact))
				if c.r != nil {
					r = c.r()
				}
				newHook(t, results.config, change).AuthenticateHandler(c.auth).ServeHTTP(httptest.NewRecorder(), r)
				res := <-results
				if res.Code != c.code {
					t.Errorf("code %q", res.Code)
				}
				for _, reason := range reasons {
					if errors.Is(res.Err, reason) != (reason == c.reason) {
						t.Errorf("%v: matches %v is %v", res.Err, reason, errors.Is(res.Err, reason))
					}
				}
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestError_prints(t *testing.T) {
	results := newResults()
	hook := newHook(t, results.config)
	hook.AuthenticateHandler(fails(errors.New("db: down"))).ServeHTTP(httptest.NewRecorder(), request(compact, sign(secret, compact)))
	var e *klas.Error
	if !errors.As((<-results).Err, &e) {
		t.Fatal("no *Error")
	}
	const text = "klas: AuthenticateHandler: db: down"
	asJSON, err := json.Marshal(map[string]any{"a": e, "b": *e})
	if err != nil || string(asJSON) != `{"a":"`+text+`","b":"`+text+`"}` {
		t.Errorf("JSON %s, %v", asJSON, err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb+" "+verb, e, *e); got != text+" "+text {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}
