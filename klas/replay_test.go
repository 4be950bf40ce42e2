package klas_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
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
