package klas

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/providerauth/providerauth-go/internal/timebox"
)

// A ReplayGuard remembers the bodies of webhooks: a recorded webhook is then
// accepted only once. Klas signs neither a nonce nor the path, and states no
// window. Without a ReplayGuard, a recorded webhook is valid as long as its
// secret, at every endpoint of the same Webhook.
//
// The price: Klas may repeat a webhook with the same bytes if the answer was
// lost, and the repeat is refused as well. Klas's pages do not say whether it
// repeats webhooks. Leave the ReplayGuard out on /bet, /credit and /refund,
// where a repeat is to be answered by transfer_id: make a second Webhook for
// them.
//
// [StoreGuard] is a ReplayGuard that several replicas share.
type ReplayGuard interface {
	// Seen remembers key for ttl and reports whether it already did, in a
	// single step, as SET NX in Redis does. key is a hash of the body, 64
	// hexadecimal digits. ttl is a little more than twice Config.MaxAge: a body
	// is too old before it is forgotten. Without MaxAge ttl is a day. Seen is
	// called for verified and valid webhooks only. True is answered
	// ERR_BAD_PARAMS, an error ERR_UNKNOWN. If Seen returns after
	// Config.HandlerTimeout, ERR_UNKNOWN has been answered, and the
	// Authenticator or handler does not begin.
	Seen(ctx context.Context, key string, ttl time.Duration) (bool, error)
}

// A Forgetter is a [ReplayGuard] that accepts a repeat of a webhook after its
// work has failed. With a plain ReplayGuard, a repeat after ERR_UNKNOWN is
// refused as well.
type Forgetter interface {
	ReplayGuard
	// Forget undoes Seen for key. It is called, after the answer, if the
	// Authenticator or the handler behind Middleware has failed: with an error,
	// a panic or an answer that cannot be sent. A Refusal is an answer. A
	// handler behind Middleware still running at the end of
	// Config.HandlerTimeout has not failed yet: Forget is called if it fails in
	// the end. An Authenticator changes nothing, so Forget is called when it
	// returns. ctx has no values and ends after Config.HandlerTimeout. An error
	// is logged.
	Forget(ctx context.Context, key string) error
}

// guard holds the methods of a ReplayGuard. They are functions because fmt
// prints the fields of any other value.
type guard struct {
	seen   func(ctx context.Context, key string, ttl time.Duration) (bool, error)
	forget func(ctx context.Context, key string) error // nil: it cannot
}

func newGuard(g ReplayGuard) *guard {
	if g == nil {
		return nil
	}
	own := &guard{seen: g.Seen}
	if f, ok := g.(Forgetter); ok {
		own.forget = f.Forget
	}
	return own
}

var errSeen = errors.New("ReplayGuard: the body was seen before")

// century is the longest MaxAge in use: twice a longer MaxAge might overflow.
const century = 100 * 365 * 24 * time.Hour

// seen calls the guard. The key is made of the signed bytes only: with the path
// in it, a webhook recorded at an endpoint would be accepted at another.
func (j *job) seen(ctx context.Context) (bool, error) {
	ttl := 24 * time.Hour
	if maxAge := j.hook.cfg.MaxAge; maxAge > 0 {
		ttl = 2*min(maxAge, century) + 2*time.Second // timestamps are compared in whole seconds
	}
	seen, err := j.hook.guard.seen(ctx, j.key, ttl)
	if err != nil {
		return false, fmt.Errorf("ReplayGuard: %w", err)
	}
	return seen, nil
}

// seenLate is called when seen ends after the answer ERR_UNKNOWN. The work does
// not begin any more.
func (j *job) seenLate(seen bool, err error) {
	j.hook.ended(err)
	if err == nil && !seen {
		j.forget()
	}
}

// forgetBy calls forget, and waits for it until ctx ends.
func (j *job) forgetBy(ctx context.Context) {
	_, err := timebox.Run(ctx, &j.hook.abandoned, func(context.Context) (any, error) { j.forget(); return nil, nil }, nil)
	if err == timebox.ErrNotBegun {
		j.hook.abandoned.Go(j.forget)
	}
}

// forget reports the failed work to the guard.
func (j *job) forget() {
	g := j.hook.guard
	if g == nil || g.forget == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), j.hook.cfg.HandlerTimeout)
	defer cancel()
	err := errors.New("it did not return")
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it panicked with a %T", v)
		}
		if err != nil {
			j.hook.log(ctx, slog.LevelWarn, "klas: ReplayGuard.Forget failed", slog.Any("error", err))
		}
	}()
	err = g.forget(ctx, j.key)
}

func replayKey(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
