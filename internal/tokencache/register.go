package tokencache

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/seal"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

const (
	// storePause is how long the store is left alone after it failed, by flights
	// that have a token to fall back on.
	storePause = 250 * time.Millisecond

	// maxStoreHangs bounds the operations that run on after the end of their
	// context. At the bound no operation is begun.
	maxStoreHangs = 64
)

// registers are the registers of a store. Safe for concurrent use.
type registers struct {
	store   providerauth.Store
	secrets *credential.List
	timeout time.Duration // of an operation, repetitions included
	reads   byte          // the newest format
	writes  byte

	keys      atomic.Pointer[seal.Keys] // of the last secrets
	pausedTo  atomic.Int64              // Unix ns; 0: the store works
	hanging   timebox.Abandoned
	notifying timebox.Abandoned
	failures  atomic.Uint64
}

// unavailable is the error of a failed operation, or of a value that does not open.
func unavailable(text string, cause error) error {
	return &apierror.Error{
		Kind: providerauth.ErrStoreUnavailable, Temporary: true, Effect: apierror.Renews,
		Err: &apierror.Opaque{Text: text, Cause: cause, Passing: true},
	}
}

var (
	errStorePaused = unavailable("it failed a moment ago", nil)
	errStoreHangs  = unavailable("too many operations of it do not return", nil)
)

// open returns the keys of this moment.
func (r *registers) open(ctx context.Context) (*seal.Keys, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	secrets, err := r.secrets.Get(ctx)
	if err != nil {
		return nil, unavailable(err.Error(), err)
	}
	if keys := r.keys.Load(); keys != nil && keys.Made(secrets) {
		return keys, nil
	}
	keys, err := seal.NewKeys(slices.Clone(secrets))
	if err != nil {
		return nil, unavailable("StoreKeys: "+err.Error(), err)
	}
	r.keys.Store(keys)
	return keys, nil
}

// A register is the register of a key, for a flight.
type register struct {
	*registers
	keys *seal.Keys
	name string
	// needed: the flight has no token to fall back on.
	needed bool

	value  []byte // as last seen; nil: none
	seenAt time.Time
	record record // in value
	closed error  // value does not open, and is never overwritten; nil: it does
}

// load reads the register.
func (r *register) load(ctx context.Context) error {
	value, err := r.do(ctx, r.needed, func(ctx context.Context) ([]byte, error) { return r.store.Load(ctx, r.name) })
	if err != nil {
		return err
	}
	return r.see(value)
}

// swap writes the value if the register has not changed since it was last seen, and
// reports whether it did. If not, the register is seen as it is now.
func (r *register) swap(ctx context.Context, value []byte, keeps time.Duration) (done bool, _ error) {
	if r.closed != nil {
		return false, r.closed
	}
	prev := r.value // an abandoned operation may still read it
	now, err := r.do(ctx, true, func(ctx context.Context) ([]byte, error) {
		return r.store.Swap(ctx, r.name, prev, value, keeps)
	})
	if err != nil {
		return false, err
	}
	if err := r.see(now); err != nil {
		return false, err
	}
	return slices.Equal(now, value), nil
}

// see notes the value of the register. The error is ErrStoreUnavailable if it does
// not open.
func (r *register) see(value []byte) error {
	if len(value) == 0 {
		value = nil
	}
	if value != nil && slices.Equal(value, r.value) {
		return r.closed
	}
	r.value, r.seenAt, r.record, r.closed = value, time.Now(), record{}, nil
	if value == nil {
		return nil
	}
	content, _, err := r.keys.Open(r.reads, r.name, value)
	if err == nil {
		err = json.Unmarshal(content, &r.record)
		r.record.bound()
	}
	if err != nil {
		r.closed = &unreadable{unavailable("it holds a value that no key of StoreKeys opens, or of a later version", nil), seal.IDOf(value)}
	}
	return r.closed
}

// seal returns the record as a value of the register.
func (r *register) seal(rec *record) ([]byte, error) {
	content, err := json.Marshal(rec)
	if err == nil {
		content, err = r.keys.Seal(r.writes, r.name, content)
	}
	if err != nil {
		return nil, unavailable("the record cannot be sealed", err)
	}
	return content, nil
}

// An unreadable is the error of a value that does not open. It is never overwritten.
type unreadable struct {
	error
	keyID string
}

func (u *unreadable) Unwrap() error { return u.error }

// do makes an operation, and repeats it within the timeout: a value is written once,
// however often it is sent. needed is false for an operation that is left out while
// the store fails.
//
// The context has the values for the store, and does not end the operation.
func (r *registers) do(ctx context.Context, needed bool, op func(context.Context) ([]byte, error)) ([]byte, error) {
	if !needed && r.paused() {
		return nil, errStorePaused
	}
	begun := time.Now()
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		started := time.Now()
		value, err := r.once(ctx, op)
		if err == nil {
			if r.pausedTo.Load() != 0 {
				r.pausedTo.Store(0)
			}
			return value, nil
		}
		r.failures.Add(1)
		if clock.Elapsed(started, time.Now()) > 2*r.timeout {
			begun = time.Now() // the process was stopped, so its deadlines prove nothing
		}
		if clock.Elapsed(begun, time.Now())+pause > r.timeout {
			r.pausedTo.Store(time.Now().Add(storePause).UnixNano())
			return nil, unavailable("an operation failed", err)
		}
		time.Sleep(pause/2 + rand.N(pause))
	}
}

// once makes a single attempt of an operation.
func (r *registers) once(ctx context.Context, op func(context.Context) ([]byte, error)) ([]byte, error) {
	if r.hanging.Running() >= maxStoreHangs {
		return nil, errStoreHangs
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout/2)
	defer cancel()
	return timebox.Run(ctx, &r.hanging, op, nil)
}

// notify sends a notice, once: a lost notice costs little. A notifier that hangs or
// fails says nothing of the store.
func (r *registers) notify(ctx context.Context, n providerauth.Notifier, content []byte) {
	if r.notifying.Running() >= maxStoreHangs {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
	defer cancel()
	_, _ = timebox.Run(ctx, &r.notifying, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, n.Notify(ctx, content)
	}, nil)
}

// failing reports whether the store failed a moment ago.
func (r *registers) failing() bool {
	left := r.pausedTo.Load() - time.Now().UnixNano()
	return left > 0 && left <= int64(storePause)
}

// paused reports whether the store failed a moment ago. After each pause a single
// operation tries it.
func (r *registers) paused() bool {
	until := r.pausedTo.Load()
	if until == 0 {
		return false
	}
	now := time.Now().UnixNano()
	left := until - now // more than a pause: the wall clock was set back
	return left > 0 && left <= int64(storePause) || !r.pausedTo.CompareAndSwap(until, now+int64(storePause))
}
