package klas_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
)

type guardFunc func(key string) (bool, error)

func (f guardFunc) Seen(_ context.Context, key string, _ time.Duration) (bool, error) { return f(key) }

// memory is a guard that remembers for ever.
type memory struct {
	keys []string
	ttls []time.Duration
}

func (m *memory) Seen(_ context.Context, key string, ttl time.Duration) (bool, error) {
	seen := false
	for _, k := range m.keys {
		seen = seen || k == key
	}
	m.keys, m.ttls = append(m.keys, key), append(m.ttls, ttl)
	return seen, nil
}

func withGuard(g klas.ReplayGuard) func(*klas.Config) {
	return func(cfg *klas.Config) { cfg.ReplayGuard = g }
}

func TestABodyIsGoodForOneUse(t *testing.T) {
	hook := newHook(t, withGuard(&memory{}))
	h := hook.AuthenticateHandler(accept(t))
	want(t, post(t, h, compact), ok)
	want(t, post(t, h, compact), badParams)
	want(t, send(t, h, request(compact, strings.ToUpper(sign(secret, compact))), secret), badParams)
	want(t, post(t, h, compact+"\n"), ok) // signed anew, so Klas made it
}

func TestABodyIsGoodAtOneEndpoint(t *testing.T) {
	hook := newHook(t, withGuard(&memory{}))
	want(t, post(t, hook.AuthenticateHandler(accept(t)), compact), ok)
	sibling := hook.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a replayed webhook was passed on")
	}))
	want(t, post(t, sibling, compact), badParams)
}

func TestTheGuardsKeyIsMadeOfTheBodyAlone(t *testing.T) {
	m := &memory{}
	h := newHook(t, withGuard(m), withSecrets(providerauth.StaticSecrets("new", "old"))).AuthenticateHandler(accept(t))
	r := request(compact, sign("old", compact))
	r.Header.Set("X-Request-Id", "unsigned")
	r.URL.RawQuery = "unsigned=1"
	want(t, send(t, h, r, "old"), ok)
	want(t, send(t, h, request(compact, sign("new", compact)), "new"), badParams)
	sum := sha256.Sum256([]byte(compact))
	key := hex.EncodeToString(sum[:])
	if diff := cmp.Diff([]string{key, key}, m.keys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheGuardRemembersForTwiceMaxAge(t *testing.T) {
	m := &memory{}
	now := body(map[string]any{"timestamp": time.Now().Unix()})
	want(t, post(t, newHook(t, withGuard(m)).AuthenticateHandler(accept(t)), compact), ok)
	hook := newHook(t, withGuard(m), func(cfg *klas.Config) { cfg.MaxAge = 5 * time.Minute })
	want(t, post(t, hook.AuthenticateHandler(accept(t)), now), ok)
	if diff := cmp.Diff([]time.Duration{24 * time.Hour, 10*time.Minute + 2*time.Second}, m.ttls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFailingGuardRefuses(t *testing.T) {
	down := errors.New("redis is down")
	for name, g := range map[string]klas.ReplayGuard{
		"error":          guardFunc(func(string) (bool, error) { return false, down }),
		"error and seen": guardFunc(func(string) (bool, error) { return true, down }),
		"panic":          guardFunc(func(string) (bool, error) { panic(down) }),
	} {
		t.Run(name, func(t *testing.T) {
			results := newResults()
			h := newHook(t, withGuard(g), results.config).AuthenticateHandler(unreachable(t))
			want(t, post(t, h, compact), unknown)
			if r := <-results; name != "panic" && !errors.Is(r.Err, down) {
				t.Errorf("result %v", r.Err)
			}
		})
	}
}

func TestTheGuardIsAskedAboutGoodWebhooksOnly(t *testing.T) {
	asked := false
	g := guardFunc(func(string) (bool, error) { asked = true; return false, nil })
	h := newHook(t, withGuard(g)).AuthenticateHandler(accept(t))
	want(t, send(t, h, request(compact, sign("forger", compact)), secret), integrityFailed)
	want(t, post(t, h, "{}"), badParams)
	want(t, post(t, h, "x"), badBody)
	if asked {
		t.Error("the guard remembers webhooks that were refused")
	}
}

// forgetful is a guard of one process that can forget.
type forgetful struct{ keys sync.Map }

func (g *forgetful) Seen(_ context.Context, key string, _ time.Duration) (bool, error) {
	_, before := g.keys.LoadOrStore(key, true)
	return before, nil
}

func (g *forgetful) Forget(_ context.Context, key string) error { g.keys.Delete(key); return nil }

func TestForgetter(t *testing.T) {
	var next atomic.Pointer[func(context.Context) error] // the operator's work for the next webhook
	work := func(ctx context.Context) error { return (*next.Load())(ctx) }
	endpoints := map[string]func(*klas.Webhook) http.Handler{
		"an Authenticator": func(hook *klas.Webhook) http.Handler {
			return hook.AuthenticateHandler(klas.AuthenticatorFunc(
				func(ctx context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
					if err := work(ctx); err != nil {
						return klas.AuthenticateResponse{}, err
					}
					return accept(t)(ctx, req)
				}))
		},
		"a handler": func(hook *klas.Webhook) http.Handler {
			return hook.Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
				if work(r.Context()) != nil {
					http.Error(w, "down", http.StatusInternalServerError)
					return
				}
				_, _ = io.WriteString(w, ok)
			}))
		},
	}
	good := func(context.Context) error { return nil }
	late := func(err error) func(context.Context) error {
		return func(context.Context) error { time.Sleep(time.Minute); return err }
	}
	for name, c := range map[string]struct {
		first       func(context.Context) error
		answer      string
		again       string // with an Authenticator
		againPassed string // with a handler
	}{
		"succeeded":         {good, ok, badParams, badParams},
		"failed":            {isDown, unknown, ok, ok},
		"panicked":          {func(context.Context) error { panic("x") }, unknown, ok, ok},
		"failed late":       {late(errors.New("down")), unknown, ok, ok},
		"succeeded late":    {late(nil), unknown, ok, badParams},
		"ended a goroutine": {func(context.Context) error { runtime.Goexit(); return nil }, unknown, ok, ok},
	} {
		for kind, endpoint := range endpoints {
			t.Run("a webhook of "+kind+" whose work "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					h := endpoint(newHook(t, withGuard(&forgetful{})))
					next.Store(&c.first)
					want(t, post(t, h, compact), c.answer)
					time.Sleep(time.Hour)
					next.Store(&good)
					again := c.again
					if kind == "a handler" {
						again = c.againPassed
					}
					want(t, post(t, h, compact), again)
				})
			})
		}
	}
	t.Run("a webhook may come again if the guard was late", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			next.Store(&good)
			g := &slowOnce{}
			h := endpoints["an Authenticator"](newHook(t, withGuard(g)))
			want(t, post(t, h, compact), unknown)
			time.Sleep(time.Hour)
			want(t, post(t, h, compact), ok)
		})
	})
	t.Run("a refusal is an answer", func(t *testing.T) {
		h := newHook(t, withGuard(&forgetful{})).AuthenticateHandler(fails(&klas.Refusal{Code: "ERR_BLOCKED"}))
		want(t, post(t, h, compact), `{"status_code":"ERR_BLOCKED"}`)
		want(t, post(t, h, compact), badParams)
	})
	for name, c := range map[string]struct {
		forget func() error
		text   string
	}{
		"fails":               {func() error { return errors.New("redis is down") }, "redis is down"},
		"panics":              {func() error { panic("x") }, "it panicked with a string"},
		"ends its goroutine":  {func() error { runtime.Goexit(); return nil }, "it did not return"},
		"hangs for some time": {func() error { time.Sleep(time.Minute); return errors.New("late") }, "late"},
	} {
		t.Run("a guard whose Forget "+name+" is logged and hides no reason", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log buffer
				results := newResults()
				hook := newHook(t, withGuard(&cannotForget{forget: c.forget}), results.config,
					func(cfg *klas.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				down := errors.New("down")
				want(t, post(t, hook.AuthenticateHandler(fails(down)), compact), unknown)
				time.Sleep(time.Hour)
				if r := <-results; !errors.Is(r.Err, down) || r.Duration != 0 {
					t.Errorf("result %+v", r)
				}
				if got := log.String(); !strings.Contains(got, "ReplayGuard.Forget failed") || !strings.Contains(got, c.text) {
					t.Errorf("log: %s", got)
				}
			})
		})
	}
}

func isDown(context.Context) error { return errors.New("down") }

// slowOnce is late at its first use.
type slowOnce struct {
	forgetful
	asked atomic.Bool
}

func (g *slowOnce) Seen(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	if !g.asked.Swap(true) {
		time.Sleep(time.Minute)
	}
	return g.forgetful.Seen(ctx, key, ttl)
}

type cannotForget struct {
	forgetful
	forget func() error
}

func (g *cannotForget) Forget(context.Context, string) error { return g.forget() }
