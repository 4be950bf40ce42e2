package klas

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync/atomic"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

const (
	defaultStoreTimeout = time.Second

	// forgottenFor is how long a forgotten mark stays. A late duplicate of the Swap
	// before it then finds the mark, and has no effect.
	forgottenFor = time.Minute

	// maxClaims bounds the Swaps of a delivery that meets other deliveries.
	maxClaims = 16

	// maxStoreRuns bounds the operations that run on after their time, and the
	// marks being taken back. A guard at the first bound begins no operation.
	maxStoreRuns = 64
)

// StoreGuardConfig is the configuration of a [StoreGuard]. The zero value is
// ready to use.
type StoreGuardConfig struct {
	// Namespace keeps guards apart that share a Store: a body seen by one is
	// new to a guard with another Namespace. All replicas of a webhook need the
	// same. Optional.
	Namespace string
	// StoreTimeout bounds the time that a webhook waits for the Store,
	// repetitions of failed operations included. It has to be shorter than
	// Config.HandlerTimeout, which bounds the wait as well. Optional, default
	// 1 s.
	StoreTimeout time.Duration
	// FailOpen accepts webhooks while the Store fails. A recorded webhook is
	// then accepted too. Optional, default off: webhooks are answered
	// ERR_UNKNOWN while the Store fails.
	FailOpen bool
}

// A StoreGuard is a [ReplayGuard] and [Forgetter] on a [providerauth.Store]. All
// replicas that share the Store accept a webhook once. If a webhook arrives at
// several replicas at the same time, one replica accepts it.
//
// Each body has a register of its own. The register's name is a hash, and its
// values are random: the Store sees no part of a webhook.
//
// If the Store fails, the webhook is answered ERR_UNKNOWN and [Result].Err matches
// [providerauth.ErrStoreUnavailable], unless StoreGuardConfig.FailOpen is set. The
// Store may have noted the body before it failed. The guard then takes the note
// back, so that Klas may repeat the webhook. It tries for StoreTimeout. If the
// Store is down for longer, the repeat is refused as seen before.
//
// A Store that loses its values accepts recorded webhooks again.
//
// A StoreGuard is safe for concurrent use, also by several Webhooks, and needs no
// closing.
type StoreGuard struct {
	cfg StoreGuardConfig
	// Functions, because fmt prints the fields of any other value.
	load func(ctx context.Context, register string) ([]byte, error)
	swap func(ctx context.Context, register string, prev, next []byte, ttl time.Duration) ([]byte, error)

	id       [8]byte // begins the marks of this guard
	hanging  timebox.Abandoned
	undoing  timebox.Abandoned
	failures atomic.Uint64
}

// NewStoreGuard returns a StoreGuard. It reports every problem of its arguments
// at once, as [New] does. It does no I/O.
func NewStoreGuard(store providerauth.Store, cfg StoreGuardConfig) (*StoreGuard, error) {
	var p check.Problems
	if store == nil {
		p.Add("store", "is required")
	}
	p.Duration("StoreTimeout", cfg.StoreTimeout)
	if err := invalid("NewStoreGuard", p); err != nil {
		return nil, err
	}
	if cfg.StoreTimeout == 0 {
		cfg.StoreTimeout = defaultStoreTimeout
	}
	g := &StoreGuard{cfg: cfg, load: store.Load, swap: store.Swap}
	_, _ = rand.Read(g.id[:]) // never fails
	return g, nil
}

// Seen implements [ReplayGuard].
func (g *StoreGuard) Seen(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	within, cancel := context.WithTimeout(ctx, g.cfg.StoreTimeout)
	defer cancel()
	c := claim{g.register(key), g.mark(seenMark), ttl}
	first, err := g.claim(within, c)
	switch {
	case err == nil:
		return !first, nil
	case g.cfg.FailOpen && !timebox.Over(ctx):
		return false, nil
	}
	g.undo(c)
	return false, err
}

// Forget implements [Forgetter]. It leaves the note of another guard as it is:
// after a loss of the Store's values, that guard may have accepted the webhook.
func (g *StoreGuard) Forget(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.StoreTimeout)
	defer cancel()
	register := g.register(key)
	now, err := g.repeat(ctx, func(ctx context.Context) ([]byte, error) { return g.load(ctx, register) })
	if err != nil || !g.wrote(now) {
		return err
	}
	_, err = g.forget(ctx, register, now)
	return err
}

// StoreFailures returns the number of operations of the Store that failed,
// repetitions included. With StoreGuardConfig.FailOpen, a growing number shows
// that recorded webhooks are accepted.
func (g *StoreGuard) StoreFailures() uint64 { return g.failures.Load() }

// A claim is the attempt of a delivery to be the first of its body.
type claim struct {
	register string
	mark     []byte
	ttl      time.Duration
}

// claim reports whether the delivery is the first. Each delivery has a mark of
// its own, and a repeated Swap writes the same mark. So the delivery is also the
// first if the answer to an earlier try was lost.
func (g *StoreGuard) claim(ctx context.Context, c claim) (first bool, err error) {
	var absent []byte
	for range maxClaims {
		prev := absent
		now, err := g.repeat(ctx, func(ctx context.Context) ([]byte, error) {
			return g.swap(ctx, c.register, prev, c.mark, c.ttl)
		})
		switch {
		case err != nil:
			return false, err
		case bytes.Equal(now, c.mark):
			return true, nil
		case len(now) == 0: // the forgotten mark has gone
			absent = nil
		case now[0] == forgottenMark:
			absent = now
		default:
			return false, nil
		}
	}
	return false, &storeError{errRestless}
}

var errRestless = errors.New("a register changes at each Swap")

// undo takes back the mark of a claim whose outcome is unknown. The webhook is
// answered meanwhile.
func (g *StoreGuard) undo(c claim) {
	if g.undoing.Running() >= maxStoreRuns {
		return
	}
	g.undoing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), g.cfg.StoreTimeout)
		defer cancel()
		now, err := g.forget(ctx, c.register, c.mark)
		if err == nil && len(now) == 0 { // the claim may still act: it finds a forgotten mark then
			_, _ = g.forget(ctx, c.register, nil)
		}
	})
}

// forget replaces a mark of this guard by a forgotten mark; nil: it writes one where
// there is none. Another value in the register stays. It returns what the register
// holds then.
func (g *StoreGuard) forget(ctx context.Context, register string, mark []byte) (now []byte, _ error) {
	next := g.mark(forgottenMark)
	return g.repeat(ctx, func(ctx context.Context) ([]byte, error) {
		return g.swap(ctx, register, mark, next, forgottenFor)
	})
}

// repeat makes an operation of the Store, and repeats it while it fails, until
// ctx ends. All operations of a StoreGuard are idempotent.
func (g *StoreGuard) repeat(ctx context.Context, op func(context.Context) ([]byte, error)) ([]byte, error) {
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		value, err := g.once(ctx, op)
		if err == nil {
			return value, nil
		}
		g.failures.Add(1)
		if !sleep(ctx, pause/2+mathrand.N(pause)) {
			return nil, &storeError{err}
		}
	}
}

// once makes an operation of the Store. It leaves a Store that ignores its
// context.
func (g *StoreGuard) once(ctx context.Context, op func(context.Context) ([]byte, error)) ([]byte, error) {
	if g.hanging.Running() >= maxStoreRuns {
		return nil, errStoreHangs
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.StoreTimeout/2)
	defer cancel()
	return timebox.Run(ctx, &g.hanging, op, nil)
}

var errStoreHangs = errors.New("too many operations do not return")

// sleep waits for d. It reports false, and does not wait, if ctx ends before that.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// The first byte of a value. Any value but a forgotten mark means that the body
// was seen.
const (
	seenMark      = 's'
	forgottenMark = 'f'
)

// mark returns a new value. No two values are equal, so a repeated or late Swap
// cannot mistake a value for an earlier value.
func (g *StoreGuard) mark(kind byte) []byte {
	var unique [16]byte
	_, _ = rand.Read(unique[:]) // never fails
	return append(append([]byte{kind}, g.id[:]...), unique[:]...)
}

// wrote reports whether value is a seen mark of this guard.
func (g *StoreGuard) wrote(value []byte) bool {
	return bytes.HasPrefix(value, append([]byte{seenMark}, g.id[:]...))
}

// register returns the name of a body's register. It is a hash, so that neither
// key nor Namespace can choose a name or a slot of a cluster.
func (g *StoreGuard) register(key string) string {
	h := sha256.New()
	for _, part := range []string{"providerauth klas replay 1", g.cfg.Namespace, key} {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		_, _ = h.Write([]byte(part))
	}
	return "klas:" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// A storeError matches providerauth.ErrStoreUnavailable.
type storeError struct{ err error }

func (e *storeError) Error() string        { return fmt.Sprintf("the Store failed: %v", e.err) }
func (e *storeError) Is(target error) bool { return target == providerauth.ErrStoreUnavailable }
func (e *storeError) Unwrap() error        { return e.err }
