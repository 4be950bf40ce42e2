package klas

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

const (
	defaultMaxBodyBytes   = 1 << 20
	defaultHandlerTimeout = 5 * time.Second
)

// Config of a [Webhook].
type Config struct {
	// Secrets returns the secrets of Klas's signatures. It is called for each
	// webhook, one call at a time: webhooks arriving meanwhile share the call.
	// So its context has no values of a request; for several tenants make
	// several Webhooks. The context ends after HandlerTimeout. At most 8 calls
	// may run on after the end of their context; beyond that webhooks are
	// answered 500. Required.
	Secrets providerauth.SecretsFunc
	// MaxBodyBytes bounds the body of a webhook and the answer of a handler
	// behind Middleware. Optional, default 1 MiB.
	MaxBodyBytes int64
	// HandlerTimeout is the time from the header of a webhook to its answer. A
	// body that takes longer is cut off. If Secrets take longer, the answer is
	// 500. If the ReplayGuard, the Authenticator or the handler takes longer,
	// the answer is ERR_UNKNOWN, and code not begun by then does not begin. A
	// shorter deadline of the request's context counts. Optional, default 5 s.
	// Klas states no limit of its own.
	HandlerTimeout time.Duration
	// MaxAge refuses webhooks whose timestamp is further from this machine's
	// time, before or after it; whole seconds. Optional, default off: Klas's
	// pages do not say whether timestamps may be checked, nor, for
	// /authenticate, their unit (see [Timestamp.Time]).
	MaxAge time.Duration
	// ReplayGuard refuses bodies seen before. Optional, default off.
	// [ReplayGuard] states the price. With several replicas use a [StoreGuard].
	ReplayGuard ReplayGuard
	// AnyCurrency allows answers with a currency of any form, not only three
	// capital letters. Optional.
	AnyCurrency bool

	// Logger receives a record per webhook: at debug level for an answer OK, at
	// info, warn or error level for others, with the cause. Records contain no
	// body, signature or secret. The connection waits for the Logger. Optional:
	// nil is silent.
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

// A Webhook makes the handlers for Klas's calls. It is immutable and safe for
// concurrent use, and needs no closing.
type Webhook struct {
	cfg       Config
	secrets   *credential.List
	guard     *guard    // nil: none
	buffers   sync.Pool // of *buffers
	abandoned timebox.Abandoned
}

// New returns a Webhook. It checks the whole configuration and reports every
// problem at once, in the Fields of an [*Error] matching
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
	w := &Webhook{cfg: cfg, guard: newGuard(cfg.ReplayGuard)}
	w.secrets = credential.NewList(credential.ListConfig{
		Field: "Secrets", Func: cfg.Secrets, Timeout: cfg.HandlerTimeout, Limit: "HandlerTimeout", Rule: fips.HMACKey,
	})
	w.cfg.ReplayGuard, w.cfg.Secrets = nil, nil // fmt would print the guard's fields
	w.buffers.New = func() any { return newBuffers() }
	return w, nil
}

// Abandoned returns the number of calls of the operator's code, and of reads of
// a body, running on after their webhook was answered at Config.HandlerTimeout.
// A growing number shows code that ignores its context.
func (w *Webhook) Abandoned() int64 { return w.abandoned.Running() + w.secrets.Running() }
