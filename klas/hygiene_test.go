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
	"slices"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/klas"
)

const (
	sentinelSecret = "sentinel-9f8e7d6c-current"
	sentinelOld    = "sentinel-9f8e7d6c-previous"
	sentinelBody   = `{"request_id":"r-1","timestamp":1710000000,"session_id":"sentinel-session","player_id":"sentinel-player"}`
)

// leak returns the form in which text gives a secret, a signature or a body
// away, "" for none.
func leak(text string) string {
	return testkit.Leak(text, "sentinel-", sign(sentinelSecret, sentinelBody), sign(sentinelOld, sentinelBody), sign(sentinelSecret, ok),
		sign(sentinelSecret, "{}"), sign(sentinelSecret, integrityFailed))
}

func TestLeaksAreNoticed(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X"} {
		if leak(fmt.Sprintf(verb, struct{ s string }{sentinelSecret})) == "" {
			t.Errorf("%s of a plain string is not noticed", verb)
		}
	}
}

func TestNothingPrintsASecretOrABody(t *testing.T) {
	var log bytes.Buffer
	var results []klas.Result
	cfg := klas.Config{
		Secrets: providerauth.StaticSecrets(sentinelSecret, sentinelOld),
		Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{
			Level: slog.LevelDebug, AddSource: true,
		})),
		OnResult: func(_ context.Context, r klas.Result) { results = append(results, r) },
		MaxAge:   time.Hour,
	}
	hook, err := klas.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string]any{
		"config": cfg, "address of config": &cfg, "secrets": cfg.Secrets,
		"webhook": hook, "map": map[string]any{"hook": hook}, "wrapped": fmt.Errorf("%v", hook),
	}
	noAge := cfg
	noAge.MaxAge = 0
	plain, err := klas.New(noAge)
	if err != nil {
		t.Fatal(err)
	}
	broken := noAge
	broken.Secrets = func(context.Context) ([]string, error) { return nil, errors.New("vault says " + sentinelSecret) }
	secretless, err := klas.New(broken)
	if err != nil {
		t.Fatal(err)
	}
	newline := noAge
	newline.Secrets = func(context.Context) ([]string, error) { return []string{sentinelSecret + "\n"}, nil }
	blemished, err := klas.New(newline)
	if err != nil {
		t.Fatal(err)
	}

	answer := func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, sentinelBody, http.StatusInternalServerError)
	}
	for name, h := range map[string]http.Handler{
		"ok": plain.AuthenticateHandler(accept(t)), "refused": plain.AuthenticateHandler(fails(&klas.Refusal{})),
		"panic": plain.AuthenticateHandler(panics(sentinelSecret)), "stale": hook.AuthenticateHandler(accept(t)),
		"sibling": plain.Middleware(http.HandlerFunc(answer)), "panicking sibling": plain.Middleware(nil),
		"no secret": secretless.AuthenticateHandler(accept(t)), "blemished": blemished.AuthenticateHandler(accept(t)),
	} {
		for _, b := range []string{sentinelBody, "{}", sentinelBody + "x", strings.Replace(sentinelBody, "1710000000", `"x"`, 1), `{"sentinel-key":1,"PLAYER_ID":1}`} {
			for _, s := range []string{sign(sentinelSecret, b), sign(sentinelOld, b), sign("forger", b), sentinelSecret} {
				h.ServeHTTP(httptest.NewRecorder(), request(b, s))
			}
		}
		_ = name
	}
	for i, r := range results {
		printed[fmt.Sprint("result ", i)] = r
		if r.Err != nil {
			printed[fmt.Sprint("error ", i)] = r.Err
			log.WriteString(r.Err.Error())
		}
		slog.New(slog.NewTextHandler(&log, nil)).Error("x", "result", r)
	}
	_, invalid := klas.New(klas.Config{Secrets: providerauth.StaticSecrets(sentinelSecret, " "), MaxAge: -1})
	printed["error of New"] = invalid

	for name, v := range printed {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x", "%X", "%p"} {
			if form := leak(fmt.Sprintf(verb, v)); form != "" {
				t.Errorf("%s of %s prints %s", verb, name, form)
			}
		}
		if b, err := json.Marshal(v); err == nil {
			log.Write(b)
		}
		slog.New(slog.NewTextHandler(&log, nil)).Error("x", "v", v)
	}
	slog.New(slog.NewJSONHandler(&log, nil)).Error("x", "config", cfg)
	for _, expected := range []string{"secrets=set", `"secrets":"set"`, "klas: webhook", "ERR_BAD_PARAMS", "r-1"} {
		if !strings.Contains(log.String(), expected) {
			t.Errorf("%s is not in the log", expected)
		}
	}
	if form := leak(log.String()); form != "" {
		i := strings.Index(log.String(), form)
		t.Errorf("the log gives %s away: ...%s", form, log.String()[max(0, i-300):min(log.Len(), i+100)])
	}
}

// keyed is code of the operator's that holds a key in the open.
type keyed struct{ key string }

func (keyed) Seen(context.Context, string, time.Duration) (bool, error) { return false, nil }

func (keyed) Authenticate(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
	return klas.AuthenticateResponse{}, nil
}

func (keyed) ServeHTTP(http.ResponseWriter, *http.Request) {}

func TestWhatTheOperatorsCodeHoldsIsNotPrinted(t *testing.T) {
	k := keyed{sentinelSecret}
	cfg := klas.Config{Secrets: providerauth.StaticSecrets(secret), ReplayGuard: k}
	hook, err := klas.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"config": cfg, "address of config": &cfg, "config in a struct": struct{ V klas.Config }{cfg}, "config in a map": map[string]any{"v": cfg},
		"webhook": hook, "webhook in a struct": struct{ v any }{hook},
		"handler": hook.AuthenticateHandler(k), "handler in a struct": struct{ v any }{hook.AuthenticateHandler(k)},
		"middleware": hook.Middleware(k), "middleware in a struct": struct{ v any }{hook.Middleware(k)},
	} {
		var b bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x", "%X", "%t"} {
			fmt.Fprintf(&b, verb+"\n", v)
			fmt.Fprint(&b, fmt.Errorf("operator: "+verb, v))
		}
		slog.New(slog.NewTextHandler(&b, nil)).Error("x", "v", v, "nested", struct{ V any }{v})
		slog.New(slog.NewJSONHandler(&b, nil)).Error("x", "v", v, "nested", struct{ V any }{v})
		if form := leak(b.String()); form != "" {
			t.Errorf("%s prints %s", name, form)
		}
	}
}

// TestNoReflectionReachesASecret stands for the printers that follow every
// pointer into unexported fields.
func TestNoReflectionReachesASecret(t *testing.T) {
	hook := newHook(t, withSecrets(providerauth.StaticSecrets(sentinelSecret, sentinelOld)))
	want(t, send(t, hook.AuthenticateHandler(accept(t)), request(sentinelBody, sign(sentinelOld, sentinelBody)), sentinelOld), ok)
	texts := testkit.Strings(struct {
		hook   *klas.Webhook
		h      http.Handler
		marker string
	}{hook, hook.AuthenticateHandler(accept(t)), "marker"})
	if !slices.Contains(texts, "marker") || !slices.Contains(texts, "AuthenticateHandler") {
		t.Fatalf("the walk does not reach unexported fields: %q", texts)
	}
	if form := leak(strings.Join(texts, " ")); form != "" {
		t.Errorf("the walk reaches %s: %q", form, texts)
	}
}
