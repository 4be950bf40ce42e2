package tokencache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

// A flight is a request for a token, shared by all waiting callers of its key. It
// is filled under the shard's mutex before it starts. From then on only its own
// goroutine writes to it: issued, err and ambiguous are for others, once done is
// closed.
type flight[K, S comparable, T any] struct {
	cache      *Cache[K, S, T]
	key        K
	scope      S
	slot       *slot[K, S, T] // of the key; it stays in its shard until the flight has ended
	retriever  Retriever[K, S, T]
	kind       kind
	background bool    // it counts towards maxBackground
	permits    permits // taken from the limiters
	unasked    bool    // KeepWarm started it
	looked     error   // of a look: what its caller gets if there is no token

	grant   T    // the token whose grant may be spent
	granted bool // grant is set

	before    *snapshot[S, T] // the current snapshot when the flight started
	shown     *snapshot[S, T] // shown to callers in the meantime: before, or its rotating copy
	startedAt int64           // Unix ns
	began     time.Time       // the same, with the readings of both clocks
	done      chan struct{}   // closed at its end

	outcome       outcome[T]
	ambiguousUses int    // of the grant
	secretVersion uint64 // of the last attempt with the secret, or at the start
	returned      bool   // from its retrievers

	// With a store.
	claim       *claim[K, S, T] // while the flight holds the lease; nil otherwise
	adopted     bool            // the token is another process's
	gaveUp      bool            // without a token, and without a failure of the provider
	issuedFor   S               // the scope of an adopted token
	generation  uint32
	receivedAt  time.Time // of the plan; zero: the plan is made when the token is published
	plan        plan
	fleetFullAt int64 // state of the record's limiter; 0: unknown
	polls       int   // of the register, while another process holds the lease
	pollEvery   time.Duration

	issued    *snapshot[S, T] // nil: the flight failed with err
	err       error
	ambiguous bool
	report    *report // for the log; nil: none
}

// kind says which attempts a flight may make.
type kind uint8

const (
	creation    kind = iota // as the mode allows
	replacement             // a single attempt
	renewal                 // a single attempt, which spends the grant
	look                    // none: it takes the token of another process, if there is one
)

// An outcome combines the attempts of a flight.
type outcome[T any] struct {
	issued     Issued[T]
	err        error // of the decisive attempt; nil: issued is valid
	last       error // of the last attempt
	ambiguous  bool  // the provider may have acted on an attempt
	acted      bool  // the provider has confirmed it for an attempt
	retryAfter time.Duration
}

// maxAmbiguousUses is how often a grant is spent with an ambiguous outcome.
const maxAmbiguousUses = 2

// newFlight returns a flight for a new token, by the retrievers of the Config.
func (c *Cache[K, S, T]) newFlight(v view[K, S, T]) *flight[K, S, T] {
	return &flight[K, S, T]{
		cache: c, key: v.key, scope: v.scope, retriever: c.cfg.Retriever,
		before: v.current, startedAt: v.now,
	}
}

// createLocked starts the flight, if the limiters allow it.
func (f *flight[K, S, T]) createLocked(ctx context.Context, sh *shard[K, S, T]) error {
	f.slot = f.cache.slotLocked(sh, f.key)
	if f.limitedLocked() {
		wait := f.takePermitsLocked()
		if wait > 0 {
			f.cache.tidyLocked(f.slot, f.startedAt)
			return &apierror.Error{Kind: providerauth.ErrContested, RetryAfter: wait}
		}
	}
	return f.startLocked(ctx)
}

// errBackgroundFull means: maxBackground flights are under way.
var errBackgroundFull = errors.New("too many flights in the background")

// startInBackgroundLocked starts the flight without a waiting caller, if the
// limiters allow it.
func (f *flight[K, S, T]) startInBackgroundLocked(ctx context.Context, sh *shard[K, S, T]) error {
	f.background = f.cache.background.TryAcquire(1)
	if !f.background {
		return errBackgroundFull
	}
	err := f.createLocked(ctx, sh)
	if err != nil {
		f.cache.background.Release(1)
	}
	return err
}

// startAloneLocked starts the flight, unless another flight of the key is under
// way. It returns the running flight.
func (f *flight[K, S, T]) startAloneLocked(ctx context.Context, sh *shard[K, S, T]) (running *flight[K, S, T], _ error) {
	f.slot = f.cache.slotLocked(sh, f.key)
	if f.slot.flight != nil {
		return f.slot.flight, nil
	}
	f.before, f.startedAt = f.cache.current(f.key)
	return f, f.startLocked(ctx)
}

// startLocked starts the flight, whose slot is set, with the values of ctx. If the
// flight kills the current token, callers no longer get it from here on.
func (f *flight[K, S, T]) startLocked(ctx context.Context) error {
	c := f.cache
	if err := c.begin(); err != nil {
		c.tidyLocked(f.slot, f.startedAt)
		return err
	}
	f.done, f.began = make(chan struct{}), time.Now()
	f.ambiguousUses = f.slot.ambiguousUses
	if c.cfg.Secret != nil {
		f.secretVersion = c.cfg.Secret.Version()
	}
	if c.cfg.Mode.spendsGrant() && f.before != nil {
		f.grant, f.granted = f.before.token, true
	}
	f.shown = f.before
	if s := f.before; c.cfg.Mode.killsPrevious() && f.kind != look && s != nil && s.state != tombstone {
		f.shown = s.as(rotating, s.token)
		c.putLocked(f.key, f.shown)
	}
	f.slot.flight = f
	c.inFlight.Add(1)
	go f.run(detached{context.WithoutCancel(ctx)})
	return nil
}

// run is the flight from its start to its end, on a goroutine of its own. No caller
// can cancel values, the context.
func (f *flight[K, S, T]) run(values context.Context) {
	defer f.end(values)
	if f.cache.sharing != nil {
		f.share(values)
	} else {
		ctx, cancel := context.WithTimeout(values, f.cache.deadline)
		f.retrieve(ctx)
		cancel()
	}
	f.returned = true
}

// end publishes the result, and then tells the waiting callers.
func (f *flight[K, S, T]) end(ctx context.Context) {
	c := f.cache
	if !f.returned { // runtime.Goexit, as t.FailNow in a retriever does
		f.outcome.err, f.outcome.ambiguous = errExited, true
	}
	f.settle()
	f.log(ctx)
	c.inFlight.Add(-1)
	if f.background {
		c.background.Release(1)
	}
	close(f.done)
	c.afterEvictions()
	c.running.Done()
}

var errExited = &apierror.Error{Err: errors.New("the retriever ended its goroutine"), Ambiguous: true, Effect: apierror.Renews}

// overtaken reports whether the flight has ended with an expired token, because
// the wall clock was set forward, or the machine was suspended, while the
// flight was under way.
func (f *flight[K, S, T]) overtaken() bool {
	const step = 2 * time.Second
	t := time.Now()
	return f.issued != nil && expired(f.issued, t) && t.Round(0).Sub(f.began.Round(0))-t.Sub(f.began) > step
}

// retrieve makes the attempts of the flight, and once more if the previous token
// was rejected during a local retrieval.
func (f *flight[K, S, T]) retrieve(ctx context.Context) {
	ask := f.ask()
	f.attempts(ctx, ask)
	if f.cache.cfg.Local && f.outcome.err == nil && f.before != nil && f.before.dropped() {
		ask.Rejected = f.before.id
		f.outcome = outcome[T]{}
		f.attempts(ctx, ask)
	}
}

func (f *flight[K, S, T]) ask() Ask[K, S, T] {
	return Ask[K, S, T]{Key: f.key, Scope: f.scope, Previous: f.grant, Rejected: f.rejectedID()}
}

// attempts decides which attempts a flight makes. Nothing else repeats an attempt.
// After a rejection the secret may have been rotated, so a cached secret is asked
// for anew.
func (f *flight[K, S, T]) attempts(ctx context.Context, ask Ask[K, S, T]) {
	if ask.Rejected != (credential.ID{}) {
		ctx = providerauth.FreshSecret(ctx)
	}
	if f.kind != creation {
		f.attemptOnce(ctx, ask)
		return
	}
	if f.grantUsable() {
		decided := f.spendGrant(ctx, ask)
		if decided {
			return
		}
	}
	f.attempt(ctx, f.retriever, ask)
	if f.cache.cfg.Mode.repeatsAmbiguous() && apierror.Ambiguous(f.outcome.last) && ctx.Err() == nil {
		f.attempt(ctx, f.retriever, ask)
	}
}

// attemptOnce makes the attempt of Replace or Renew.
func (f *flight[K, S, T]) attemptOnce(ctx context.Context, ask Ask[K, S, T]) {
	f.attempt(ctx, f.retriever, ask)
	switch {
	case errors.Is(f.outcome.last, ErrGrantRefused):
		f.ambiguousUses = maxAmbiguousUses
	case f.kind == renewal && apierror.Ambiguous(f.outcome.last):
		f.ambiguousUses++
	}
}

// grantUsable reports whether the previous token has a grant left to spend.
func (f *flight[K, S, T]) grantUsable() bool {
	cfg := &f.cache.cfg
	return f.granted && f.ambiguousUses < maxAmbiguousUses && cfg.Renewable(f.grant)
}

// spendGrant spends the grant of the previous token, and once more after an
// ambiguous outcome. It reports whether the outcome of the flight is decided. If
// the grant is of no use, it is not, and the flight goes on without it.
func (f *flight[K, S, T]) spendGrant(ctx context.Context, ask Ask[K, S, T]) (decided bool) {
	for {
		f.attempt(ctx, f.cache.cfg.Renewer, ask)
		switch {
		case f.outcome.last == nil && f.outcome.issued.ID == ask.Rejected: // a login may bring another
			f.outcome = outcome[T]{}
			return false
		case errors.Is(f.outcome.last, ErrGrantRefused):
			f.outcome = outcome[T]{}
			f.ambiguousUses = maxAmbiguousUses // no later flight spends it either
			return false
		case !apierror.Ambiguous(f.outcome.last):
			return true
		}
		f.ambiguousUses++
		if f.ambiguousUses == maxAmbiguousUses || ctx.Err() != nil {
			return true
		}
	}
}

// attempt makes an attempt and adds it to the outcome. A later refusal does not
// undo an ambiguous attempt.
func (f *flight[K, S, T]) attempt(ctx context.Context, r Retriever[K, S, T], ask Ask[K, S, T]) {
	if f.claim != nil {
		covered, cancel, err := f.claim.cover(ctx)
		if err != nil {
			f.outcome.end(err)
			return
		}
		defer cancel()
		ctx = covered
	}
	issued, err := f.call(ctx, r, ask)
	if issued.SecretVersion != 0 {
		f.secretVersion = issued.SecretVersion
	}
	o := &f.outcome
	o.last = err
	if err == nil {
		o.issued, o.err = issued, nil
		return
	}
	var advised apierror.Advised
	if errors.As(err, &advised) {
		after, _ := advised.Retryable()
		o.retryAfter = max(o.retryAfter, after)
	}
	ambiguous := apierror.Ambiguous(err)
	if ambiguous || !o.ambiguous {
		o.err = err
	}
	o.ambiguous = o.ambiguous || ambiguous
	o.acted = o.acted || ambiguous && errors.Is(err, ErrActed)
}

// end ends the attempts without another: the lease is lost, or cannot be extended.
func (o *outcome[T]) end(err error) {
	o.last = err
	if !o.ambiguous {
		o.err = err
	}
}

// call turns a panic of the retriever into an error: the process lives on, and no
// caller waits for ever. The value of the panic may hold secrets and is not
// printed.
func (f *flight[K, S, T]) call(ctx context.Context, r Retriever[K, S, T], ask Ask[K, S, T]) (issued Issued[T], err error) {
	defer func() {
		if p := recover(); p != nil {
			f.cache.logPanic(p, debug.Stack())
			err = &apierror.Error{Err: fmt.Errorf("the retriever panicked with a %T", p), Ambiguous: true, Effect: apierror.Renews}
		}
	}()
	issued, err = r.Retrieve(ctx, ask)
	var p *timebox.Panic // of an operator's code, on a goroutine of its own
	if errors.As(err, &p) && p.Value != nil {
		f.cache.logPanic(p.Value, p.Stack)
	}
	return issued, err
}

// logPanic logs a panic. The logger may panic too.
func (c *Cache[K, S, T]) logPanic(p any, stack []byte) {
	defer func() { _ = recover() }()
	c.cfg.Logger.Error("a token retrieval panicked", "type", fmt.Sprintf("%T", p), "stack", string(stack))
}
