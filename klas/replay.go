package klas

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// A ReplayGuard remembers the bodies of webhooks, so that one that was recorded
// is good for one use only. Klas signs neither a nonce nor the path, and states
// no window, so without it a recorded webhook is good for as long as its secret
// is, and at every endpoint of the same Webhook.
//
// The price: Klas may repeat a webhook whose answer was lost, with the same
// bytes, and that is refused as well. Klas's pages do not say whether it does.
// On /bet, /credit and /refund, where a repeat is to be answered by transfer_id,
// it is better left out: make a second Webhook for them.
type ReplayGuard interface {
	// Seen remembers key for ttl and reports whether it already did, in one
	// step, as SET NX in Redis does. key is a hash of the body, 64 hexadecimal
	// digits; ttl is twice Config.MaxAge and a little, so that a body is too
	// old when it is forgotten; a day if that is off. It is called for verified
	// and valid webhooks only. True is answered ERR_BAD_PARAMS, an error
	// ERR_UNKNOWN. If it returns after Config.HandlerTimeout, ERR_UNKNOWN has
	// been answered, and the Authenticator or handler does not begin.
	Seen(ctx context.Context, key string, ttl time.Duration) (bool, error)
}

// A seenFunc is a ReplayGuard that shows nothing: fmt prints the fields of what
// is in an unexported field, but not what a function holds.
type seenFunc func(ctx context.Context, key string, ttl time.Duration) (bool, error)

func (f seenFunc) Seen(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	return f(ctx, key, ttl)
}

var errSeen = errors.New("ReplayGuard: the body was seen before")

// replayed asks the guard. The key is made of what is signed and nothing else:
// with the path in it, a webhook recorded at one endpoint would be good at
// another.
func (w *Webhook) replayed(ctx context.Context, key string) error {
	ttl := 24 * time.Hour
	if w.cfg.MaxAge > 0 {
		ttl = 2*w.cfg.MaxAge + 2*time.Second // timestamps are compared in whole seconds
	}
	seen, err := w.cfg.ReplayGuard.Seen(ctx, key, ttl)
	if err != nil {
		return fmt.Errorf("ReplayGuard: %w", err)
	}
	if seen {
		return errSeen
	}
	return nil
}

func replayKey(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
