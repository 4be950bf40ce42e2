package klas_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
