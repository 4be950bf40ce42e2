package klas

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

const (
	defaultMaxBodyBytes   = 1 << 20
	defaultHandlerTimeout = 5 * time.Second
)

// Config of a [Webhook].
type Config struct {
	// Secrets returns the secrets that Klas signs with. It is asked for each
	// webhook, one call at a time: webhooks that come meanwhile share the call.
	// So its context has no values of a request; several tenants are several
	// Webhooks. The context ends after HandlerTimeout. Of calls that go on
	// nevertheless there are at most 8; then webhooks are answered 500. Required.
	Secrets providerauth.SecretsFunc
	// MaxBodyBytes bounds the body of a webhook and the answer of a handler
	// behind Middleware. Optional, default 1 MiB.
	MaxBodyBytes int64
	// HandlerTimeout is the time from the header of a webhook to its answer. A
	// body that takes longer is cut off. If Secrets take longer the answer is
	// 500, and if the ReplayGuard, the Authenticator or the handler does, it is
	// ERR_UNKNOWN; those that have not begun by then do not begin. A shorter
	// deadline of the request's context counts. Optional, default 5 s. Klas
	// states no limit of its own.
	HandlerTimeout time.Duration
	// MaxAge refuses webhooks whose timestamp is further from this machine's
	// time, before or after it; whole seconds. Optional, default off: Klas does
	// not say that timestamps may be checked, nor, for /authenticate, in which
	// unit they are (see [Timestamp.Time]).
	MaxAge time.Duration
	// ReplayGuard refuses bodies that were seen before. Optional, default off.
	// [ReplayGuard] states the price.
	ReplayGuard ReplayGuard
	// AnyCurrency allows answers with a currency that is not three capital
	// letters. Optional.
	AnyCurrency bool

	// Logger is told of every webhook: at debug level of those answered OK, at
	// info, warn and error level of others, with the cause. It never gets a
	// body, signature or secret. The connection waits for it. Optional: nil is
	// silent.
	Logger *slog.Logger
	// OnResult is called after every answer, for monitoring: since nearly all
	// answers are HTTP 200, the status shows nothing. The connection waits for
	// it, and it may be called concurrently. A panic is caught and logged, but it
	// must not end its goroutine. Optional.
	OnResult func(ctx context.Context, r Result)
}

// LogValue shows the configuration without its secrets.
func (c Config) LogValue() slog.Value {
	secrets := "set"
	if c.Secrets == nil {
		secrets = "not set"
	}
	return slog.GroupValue(
		slog.String("secrets", secrets),
		slog.Int64("max_body_bytes", c.MaxBodyBytes),
		slog.Duration("handler_timeout", c.HandlerTimeout),
		slog.Duration("max_age", c.MaxAge),
		slog.Bool("replay_guard", c.ReplayGuard != nil),
		slog.Bool("any_currency", c.AnyCurrency),
	)
}

// Format prints the text of LogValue, under every verb.
func (c Config) Format(s fmt.State, _ rune) { fmt.Fprint(s, "klas.Config", c.LogValue()) }

// A Webhook makes the handlers that Klas calls. It is immutable and safe for
// concurrent use, and needs no closing.
type Webhook struct {
	cfg       Config
	secrets   *secrets
	guard     *guard    // nil: none
	buffers   sync.Pool // of *buffers
	abandoned timebox.Abandoned
}

// New returns a Webhook. It checks the whole configuration and reports every
// problem at once, in the Fields of an [*Error] that matches
// [providerauth.ErrInvalidRequest]; it does no I/O.
func New(cfg Config) (*Webhook, error) {
	var p check.Problems
	p.RequireHMACKeys("Secrets", cfg.Secrets)
	if cfg.MaxBodyBytes < 0 {
		p.Add("MaxBodyBytes", "must not be negative")
	}
	p.Duration("HandlerTimeout", cfg.HandlerTimeout)
	if cfg.MaxAge < 0 || cfg.MaxAge%time.Second != 0 {
		p.Add("MaxAge", "must be whole seconds, at least one; 0 is off")
	}
	if err := invalid("New", p); err != nil {
		return nil, err
	}
	if cfg.MaxBodyBytes == 0 {
		cfg.MaxBodyBytes = defaultMaxBodyBytes
	}
	if cfg.HandlerTimeout == 0 {
		cfg.HandlerTimeout = defaultHandlerTimeout
	}
	w := &Webhook{cfg: cfg, guard: newGuard(cfg.ReplayGuard), secrets: newSecrets(cfg.Secrets, cfg.HandlerTimeout)}
	w.cfg.ReplayGuard, w.cfg.Secrets = nil, nil // fmt would print the guard's fields
	w.buffers.New = func() any { return newBuffers() }
	return w, nil
}

// Abandoned returns how many calls of the operator's code, and how many reads of
// a body, go on although their webhook was answered at Config.HandlerTimeout. A
// number that grows shows code that ignores its context.
func (w *Webhook) Abandoned() int64 { return w.abandoned.Running() + w.secrets.hanging.Running() }
