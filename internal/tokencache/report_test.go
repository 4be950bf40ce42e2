package tokencache_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// lines keeps the lines of a log.
type lines struct {
	mu   sync.Mutex
	said []string
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }

// Handle keeps the level, and the attributes that the tests look at.
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String()
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "provider", "op", "status", "failed", "left_out":
			line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		case "expires_at":
			line += fmt.Sprintf(" left=%v", time.Until(a.Value.Time()).Round(time.Second))
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, line)
	return nil
}

func (l *lines) take() (said []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	said, l.said = l.said, nil
	return said
}

// unavailable is the error of a provider's package.
type unavailable struct{ failure }

func (*unavailable) Ambiguous() bool { return false }
func (*unavailable) Failure() providerauth.Failure {
	return providerauth.Failure{Provider: "acme", Op: "Login", StatusCode: 503}
}

var _ providerauth.Error = (*unavailable)(nil)

func TestCache_log(t *testing.T) {
	// setup opens a cache whose provider fails while down is true.
	setup := func(t *testing.T, down *atomic.Bool, change func(*config)) (*cache, *lines) {
		log := new(lines)
		p := newProvider()
		p.fail = func(int) error {
			if down.Load() {
				return &unavailable{}
			}
			return nil
		}
		return open(t, p, tokencache.Overlap, func(cfg *config) {
			cfg.KeepWarm, cfg.Logger = true, slog.New(log)
			change(cfg)
		}), log
	}
	t.Run("a line says that renewals begin to fail, and another that they recover", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var down atomic.Bool
			c, log := setup(t, &down, func(*config) {})
			get(t, c)
			down.Store(true)
			time.Sleep(55 * time.Minute) // flights fail, with back-offs of at most a minute
			said := log.take()
			equal(t, "lines", len(said), 1)
			var left time.Duration
			var span string
			if n, err := fmt.Sscanf(said[0], "WARN provider=acme op=Login left=%s failed=1 left_out=0 status=503", &span); n != 1 || err != nil {
				t.Fatalf("%q: %v", said[0], err)
			}
			if left, _ = time.ParseDuration(span); left < 9*time.Minute || left > 15*time.Minute {
				t.Errorf("left %v", left)
			}
			down.Store(false)
			time.Sleep(time.Minute + time.Second)
			said = log.take()
			equal(t, "lines", len(said), 1)
			var failed int
			if n, err := fmt.Sscanf(said[0], "INFO provider=acme op=Login left=%s failed=%d left_out=0", &span, &failed); n != 2 || err != nil || failed < 3 {
				t.Errorf("%q: %v", said[0], err)
			}
		})
	})
	t.Run("a first token that cannot be had is its caller's to report", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var down atomic.Bool
			down.Store(true)
			c, log := setup(t, &down, func(*config) {})
			if _, err := c.Get(t.Context(), "", ""); err == nil {
				t.Error("no error")
			}
			down.Store(false)
			time.Sleep(time.Minute)
			get(t, c)
			equal(t, "lines", len(log.take()), 0)
		})
	})
	t.Run("of many tokens there is at most a line in 10 s", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var down atomic.Bool
			c, log := setup(t, &down, func(cfg *config) { cfg.MaxEntries = 100 })
			for i := range 50 {
				if _, err := c.Get(t.Context(), fmt.Sprint(i), ""); err != nil {
					t.Fatal(err)
				}
			}
			down.Store(true)
			start := time.Now()
			time.Sleep(time.Hour) // until all have expired
			said := log.take()
			most := int(time.Since(start)/(10*time.Second)) + 1
			if len(said) < 2 || len(said) > most {
				t.Errorf("%d lines, want 2 to %d", len(said), most)
			}
			told := len(said)
			for _, line := range said {
				var span string
				var n int
				if _, err := fmt.Sscanf(line, "WARN provider=acme op=Login left=%s failed=1 left_out=%d status=503", &span, &n); err != nil {
					t.Errorf("%q: %v", line, err)
				}
				told += n
			}
			if told <= len(said) || told > 50 {
				t.Errorf("%d of 50 tokens are told of, in %q", told, said)
			}
		})
	})
	t.Run("the last line is no recovery while renewals fail", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var down atomic.Bool
			c, log := setup(t, &down, func(cfg *config) { cfg.KeepWarm, cfg.MaxEntries = false, 10 })
			renew := func(key string, fails bool) {
				down.Store(fails)
				if _, err := c.Get(t.Context(), key, ""); err != nil { // starts a flight in the background
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			renew("a", false)
			renew("b", false)
			time.Sleep(55 * time.Minute)
			renew("a", true)
			renew("a", false)
			equal(t, "lines", len(log.take()), 2)
			for range 20 {
				renew("b", true)
			}
			said := log.take()
			equal(t, "lines", len(said), 1)
			equal(t, "level", said[0][:4], "WARN")
		})
	})
}
