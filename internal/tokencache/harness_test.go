package tokencache_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

type token struct {
	value   string
	suspect bool
}

func id(value string) credential.ID {
	var i credential.ID
	sum := sha256.Sum256([]byte(value))
	copy(i[:], sum[:])
	return i
}

type (
	ask    = tokencache.Ask[string, string, token]
	issued = tokencache.Issued[token]
	config = tokencache.Config[string, string, token]
	cache  = tokencache.Cache[string, string, token]
	fetch  = tokencache.RetrieverFunc[string, string, token]
)

// failure is a retriever's error.
type failure struct {
	ambiguous, unusable, permanent bool
	after                          time.Duration
	err                            error
}

func (f *failure) Error() string { return fmt.Sprintf("failure %+v", *f) }
func (f *failure) Unwrap() error { return f.err }
func (f *failure) Is(target error) bool {
	return target == providerauth.ErrAmbiguous && (f.ambiguous || f.unusable) || target == tokencache.ErrActed && f.unusable
}
func (f *failure) Retryable() (time.Duration, bool) { return f.after, !f.permanent }

var (
	errRefused   = &failure{}
	errLost      = &failure{ambiguous: true}
	errUnusable  = &failure{unusable: true}
	errPermanent = &failure{permanent: true}
)

// provider issues T1, T2 and so on, each after latency, good for life.
type provider struct {
	life, latency time.Duration
	// fail decides what the nth request (from 1) comes to; nil is success.
	fail func(n int) error
	// value overrides the token of the nth request.
	value func(n int) string

	mu                   sync.Mutex
	asked, running, most int
	asks                 []ask
	at                   []time.Time
}

func (p *provider) retrieve(ctx context.Context, a ask) (issued, error) {
	p.mu.Lock()
	p.asked++
	n := p.asked
	p.running++
	p.most = max(p.most, p.running)
	p.asks = append(p.asks, a)
	p.at = append(p.at, time.Now())
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.running--
		p.mu.Unlock()
	}()
	select {
	case <-time.After(p.latency):
	case <-ctx.Done():
		return issued{}, errLost
	}
	if p.fail != nil {
		if err := p.fail(n); err != nil {
			return issued{}, err
		}
	}
	v := fmt.Sprintf("T%d", n)
	if p.value != nil {
		v = p.value(n)
	}
	return issued{Token: token{value: v}, ID: id(v), ExpiresAt: time.Now().Add(p.life)}, nil
}

func (p *provider) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func newProvider() *provider { return &provider{life: time.Hour, latency: 50 * time.Millisecond} }

// open makes a cache on p and closes it with the test.
func open(t *testing.T, p *provider, mode tokencache.Mode, change ...func(*config)) *cache {
	t.Helper()
	cfg := config{
		Mode: mode, Retriever: fetch(p.retrieve), AttemptTimeout: 10 * time.Second,
		Suspect:   func(t token) token { t.suspect = true; return t },
		Renewer:   fetch(p.retrieve),
		Renewable: func(token) bool { return true },
	}
	for _, f := range change {
		f(&cfg)
	}
	c := tokencache.New(cfg)
	t.Cleanup(c.Close)
	return c
}

func get(t *testing.T, c *cache) token {
	t.Helper()
	tok, err := c.Get(t.Context(), "", "")
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return tok
}

func since(start time.Time) time.Duration { return time.Since(start) }

func equal[V comparable](t *testing.T, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func errorIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error: got %v, want %v", err, target)
	}
}

// inWindow moves the time to where the token of an hour is being renewed.
func inWindow() { time.Sleep(55 * time.Minute) }

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// rotating is a secret that changes when it is told to, and a retriever that
// asks for it and then fails.
type rotating struct {
	n        atomic.Int64
	src      *credential.Source
	requests atomic.Int64
}

func rotate(cfg *config, fail func() error) *rotating {
	r := &rotating{}
	r.src = credential.NewSource("Secret", func(context.Context) (string, error) { return fmt.Sprint("key-", r.n.Load()), nil })
	inner := cfg.Retriever
	cfg.Secret = r.src
	cfg.Retriever = fetch(func(ctx context.Context, a ask) (issued, error) {
		_, version, err := r.src.GetVersion(ctx)
		if err != nil {
			return issued{}, err
		}
		r.requests.Add(1)
		if err := fail(); err != nil {
			return issued{SecretVersion: version}, err
		}
		return inner.Retrieve(ctx, a)
	})
	return r
}

// script makes the provider fail as the letters say, from the first request:
// k ok, r refused, l lost, u unusable, p permanent; ok after the end.
func script(letters string) func(n int) error {
	return func(n int) error {
		if n > len(letters) {
			return nil
		}
		return map[byte]error{'k': nil, 'r': errRefused, 'l': errLost, 'u': errUnusable, 'p': errPermanent}[letters[n-1]]
	}
}

// from makes the provider fail from the nth request on.
func from(n int, err error) func(n int) error {
	return func(request int) error {
		if request >= n {
			return err
		}
		return nil
	}
}

// during has f called in the nth request.
func during(n int, f func()) func(n int) error {
	return func(request int) error {
		if request == n {
			f()
		}
		return nil
	}
}
