package tokencache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/providerauth/providerauth-go/internal/outcome"
)

// A flight is one retrieval that all callers of a key share. The goroutine
// that runs it writes got, err and ambiguous before it closes done; nobody
// else writes them.
type flight[F comparable, T any] struct {
	want   F
	before *snapshot[F, T] // what was current when it started
	shown  *snapshot[F, T] // what callers see while it runs: before, or its rotating copy
	epoch  atomic.Uint64   // of the secret that it last asked for; else when it started
	drew   bool            // on the bucket
	spends bool            // it was forced, and spends the grant of before
	done   chan struct{}

	got       *snapshot[F, T] // nil: it failed with err
	err       error
	ambiguous bool
}

// decide says what a caller that found no fresh token gets: a token, an error,
// or a flight to wait for. The shard's mutex is held.
func (c *Cache[K, F, T]) decide(sh *shard[K, F, T], key K, want F) (t T, _ *flight[F, T], _ error) {
	s, now := c.current(key)
	mine := s != nil && !s.gone && c.serves(s.issuedFor, want)
	if mine && now < s.refreshAt {
		return s.token, nil, nil
	}
	usable := mine && now < s.validUntil
	sl := sh.slot(key)
	if sl.flight != nil {
		if usable && c.cfg.Mode != Exclusive {
			return s.token, nil, nil
		}
		return t, sl.flight, nil
	}
	if c.backingOff(sl, want, now) {
		c.probe(now)
		if usable || mine && sl.ambiguous && now < s.expiresAt {
			return s.token, nil, nil
		}
		return t, nil, sl.err
	}
	drew := c.churns(sl, s, mine, now)
	if drew {
		if wait, ok := sl.bucket.take(now); !ok {
			c.contested.Add(1)
			return t, nil, &outcome.Cause{Kind: outcome.ErrContested, RetryAfter: wait}
		}
	}
	fl, err := c.start(sl, key, want, s, now, nil, false)
	if fl != nil {
		fl.drew = drew // its goroutine looks only under the mutex
	}
	switch {
	case usable && (err != nil || c.cfg.Mode != Exclusive):
		return s.token, nil, nil
	case err != nil:
		return t, nil, err
	}
	return t, fl, nil
}

// churns reports whether a creation is caused by an invalidation, or by a
// switch of what an exclusive token is for, and so draws on the bucket.
func (c *Cache[K, F, T]) churns(sl *slot[F, T], s *snapshot[F, T], mine bool, now int64) bool {
	return sl.invalidated != 0 || c.cfg.Mode == Exclusive && s != nil && !s.gone && !mine && now < s.expiresAt
}

// again says whether a waiter has to look again.
type again int

const (
	final      again = iota
	superseded       // the next flight is already killing what this one brought
	killed           // somebody has invalidated what this one brought
)

// result says what a waiter gets now that the flight it waited for has ended.
// The shard's mutex is held.
func (c *Cache[K, F, T]) result(sh *shard[K, F, T], key K, want F, fl *flight[F, T]) (t T, _ again, _ error) {
	// A flight for somebody who wants another thing is not waited for: two
	// callers that wait for each other's flights in turn would go on until the
	// bucket is empty, and neither would have had its token.
	if sl := sh.slots[key]; sl != nil && sl.flight != nil && c.cfg.Mode == Exclusive && (fl.got == nil || c.serves(sl.flight.want, want)) {
		return t, superseded, nil
	}
	s, now := c.current(key)
	mine := s != nil && !s.gone && c.serves(s.issuedFor, want)
	switch {
	case mine && now < s.validUntil:
		return s.token, final, nil
	case fl.got != nil && fl.got.dead.Load():
		return t, killed, nil
	case fl.got != nil && c.cfg.Mode == Exclusive && s != nil && s != fl.got:
		return t, superseded, nil // a later flight has killed it, and has ended
	case fl.got != nil:
		return fl.got.token, final, nil // too short-lived to be kept, or evicted already
	case mine && fl.ambiguous && now < s.expiresAt:
		return s.token, final, nil
	}
	return t, final, fl.err
}

// wait waits for the flight to end, or for ctx.
func (c *Cache[K, F, T]) wait(ctx context.Context, fl *flight[F, T]) error {
	c.waits.Add(1)
	select {
	case <-fl.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start begins a flight. In Exclusive callers are first kept from the token
// that it is about to kill. The shard's mutex is held.
func (c *Cache[K, F, T]) start(sl *slot[F, T], key K, want F, s *snapshot[F, T], now int64, fetch Retriever[K, F, T], spends bool) (*flight[F, T], error) {
	if !c.begin() {
		return nil, &outcome.Cause{Kind: outcome.ErrClosed}
	}
	fl := &flight[F, T]{want: want, before: s, shown: s, spends: spends, done: make(chan struct{})}
	if c.cfg.Secret != nil {
		fl.epoch.Store(c.cfg.Secret.Epoch())
	}
	if c.cfg.Mode == Exclusive && s != nil && !s.gone {
		fl.shown = s.with(s.token)
		c.put(key, fl.shown, now)
	}
	sl.flight = fl
	c.inFlight.Add(1)
	go c.fly(key, fl, sl.unclear, fetch)
	return fl, nil
}

// with is a copy that is not fresh and holds the given token.
func (s *snapshot[F, T]) with(t T) *snapshot[F, T] {
	return &snapshot[F, T]{token: t, id: s.id, issuedFor: s.issuedFor, validUntil: s.validUntil, expiresAt: s.expiresAt}
}

// A trip is what became of the requests of one flight.
type trip[T any] struct {
	issued     Issued[T]
	err        error // of the attempt that decides; nil: issued is good
	last       error // of the last attempt
	ambiguous  bool  // some attempt may have been acted on
	unusable   bool  // some attempt was answered success without a usable token
	unclear    int   // how often the grant has been spent with an unclear outcome
	retryAfter time.Duration
}

// fly runs the flight on a goroutine of its own. Here a shared store would be
// locked and asked first, and told before the result is published.
func (c *Cache[K, F, T]) fly(key K, fl *flight[F, T], unclear int, fetch Retriever[K, F, T]) {
	tr := trip[T]{unclear: unclear}
	ended := false
	defer func() {
		if !ended { // runtime.Goexit, as t.FailNow in a retriever does
			tr.err, tr.ambiguous = errExited, true
		}
		c.settle(key, fl, &tr)
		c.inFlight.Add(-1)
		close(fl.done)
		c.warnEvicted()
		c.running.Done()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), c.deadline)
	defer cancel()
	if c.cfg.Secret != nil {
		ctx = c.cfg.Secret.Noting(ctx, &fl.epoch)
	}
	ask := Ask[K, F, T]{Key: key, For: fl.want}
	if fl.before != nil && fl.before.gone {
		ask.Dead = fl.before.id
	}
	if fl.before != nil && c.cfg.Mode == SingleUse {
		ask.Previous = fl.before.token
	}
	c.travel(ctx, ask, fl, &tr, fetch)
	if b := fl.before; c.cfg.Local && tr.err == nil && b != nil && b.dead.Load() {
		ask.Dead, tr = b.id, trip[T]{unclear: unclear}
		c.travel(ctx, ask, fl, &tr, fetch)
	}
	ended = true
}

// travel makes the requests of a flight. What may be sent again is decided
// here and nowhere else: once in Exclusive after an unclear attempt, once with
// the same grant in SingleUse, never in Overlap.
func (c *Cache[K, F, T]) travel(ctx context.Context, ask Ask[K, F, T], fl *flight[F, T], tr *trip[T], fetch Retriever[K, F, T]) {
	if fetch != nil {
		c.attempt(ctx, fetch, ask, tr)
		switch {
		case errors.Is(tr.last, ErrGrantRefused):
			tr.unclear = 2
		case fl.spends && outcome.Ambiguous(tr.last):
			tr.unclear++
		}
		return
	}
	switch c.cfg.Mode {
	case Exclusive:
		if c.attempt(ctx, c.cfg.Retrieve, ask, tr); outcome.Ambiguous(tr.last) && ctx.Err() == nil {
			c.attempt(ctx, c.cfg.Retrieve, ask, tr)
		}
		return
	case SingleUse:
		if fl.before != nil && tr.unclear < 2 && c.cfg.Renewable(fl.before.token) && !c.renew(ctx, ask, tr) {
			return
		}
	}
	c.attempt(ctx, c.cfg.Retrieve, ask, tr)
}

// renew spends the grant of the token before, and once more if the outcome
// was unclear. It reports whether the flight has to start from scratch: the
// provider has answered that the grant is dead.
func (c *Cache[K, F, T]) renew(ctx context.Context, ask Ask[K, F, T], tr *trip[T]) (scratch bool) {
	for {
		c.attempt(ctx, c.cfg.Renew, ask, tr)
		switch {
		case errors.Is(tr.last, ErrGrantRefused):
			*tr = trip[T]{unclear: 2} // never spent again, by no later flight either
			return true
		case !outcome.Ambiguous(tr.last):
			return false
		}
		if tr.unclear++; tr.unclear == 2 || ctx.Err() != nil {
			return false
		}
	}
}

// attempt makes one request and books its outcome. An unclear outcome is not
// undone by a later refusal.
func (c *Cache[K, F, T]) attempt(ctx context.Context, fetch Retriever[K, F, T], ask Ask[K, F, T], tr *trip[T]) {
	issued, err := c.guarded(ctx, fetch, ask)
	if err == nil && issued.ID == ask.Dead {
		err = errDead
	}
	tr.last = err
	if err == nil {
		tr.issued, tr.err = issued, nil
		return
	}
	var adv outcome.Advised
	if errors.As(err, &adv) {
		after, _ := adv.Retryable()
		tr.retryAfter = max(tr.retryAfter, after)
	}
	unclear := outcome.Ambiguous(err)
	if unclear || !tr.ambiguous {
		tr.err = err
	}
	tr.ambiguous = tr.ambiguous || unclear
	tr.unusable = tr.unusable || unclear && errors.Is(err, outcome.ErrBadResponse)
}

// guarded turns a panic of the retriever into an error: the process lives on,
// and no waiter is left behind. The panic's value is not printed, it may hold
// anything.
func (c *Cache[K, F, T]) guarded(ctx context.Context, fetch Retriever[K, F, T], ask Ask[K, F, T]) (issued Issued[T], err error) {
	defer func() {
		if r := recover(); r != nil {
			c.tellPanic(r)
			err = &outcome.Cause{Err: fmt.Errorf("the retriever panicked with a %T", r), Ambiguous: true, Repeatable: true}
		}
	}()
	return fetch(ctx, ask)
}

// tellPanic logs a panic, unless it is the logger that panics.
func (c *Cache[K, F, T]) tellPanic(r any) {
	defer func() { _ = recover() }()
	c.logger().Error("a token retrieval panicked", "type", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
}

// settle publishes what the flight found and takes it out of the table.
func (c *Cache[K, F, T]) settle(key K, fl *flight[F, T], tr *trip[T]) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.slot(key)
	sl.flight = nil
	sl.unclear = tr.unclear
	s, now := c.current(key)
	if tr.err == nil && s != nil && s.gone && s.id == tr.issued.ID {
		tr.err, tr.last = errDead, errDead // invalidated while it was under way
	}
	if tr.err == nil {
		p := planLife(c.cfg.Mode, now, tr.issued.ExpiresAt.UnixNano(), c.cfg.RefreshBefore, c.deadline)
		fl.got = &snapshot[F, T]{
			token: tr.issued.Token, id: tr.issued.ID, issuedFor: fl.want,
			refreshAt: p.refreshAt, validUntil: p.validUntil, expiresAt: p.expiresAt,
		}
		c.put(key, fl.got, now)
		sl.succeeded()
		c.refreshes.Add(1)
		c.warmAt(sl, key, p.refreshAt, now)
		return
	}
	fl.err, fl.ambiguous = tr.err, tr.ambiguous
	if fl.drew && !tr.ambiguous {
		sl.bucket.fullAt -= int64(bucketRefill) // nothing was created
	}
	c.failures.Add(1)
	c.lastError.Store(now)
	if c.cfg.Mode == Exclusive && s != nil && s == fl.shown && !s.gone {
		switch {
		case tr.unusable: // the provider acted: the token is dead
			c.put(key, c.tombstone(s), now)
		case tr.ambiguous:
			c.put(key, s.with(c.cfg.Suspect(s.token)), now)
		default: // a refusal kills nothing
			c.put(key, fl.before, now)
		}
	}
	if !errors.Is(tr.last, ErrGrantRefused) { // a forced renewal: the next flight starts from scratch
		c.backOff(sl, fl, tr, now)
	}
	if s != nil && !s.gone && (now < s.expiresAt || !sl.permanent) {
		c.warmAt(sl, key, sl.retryAt, now)
	}
}

var (
	errExited = &outcome.Cause{Err: errors.New("the retriever ended its goroutine"), Ambiguous: true, Repeatable: true}
	errDead   = &outcome.Cause{Kind: outcome.ErrBadResponse, Err: errors.New("the provider issued a token again that is known to be dead"), Temporary: true}
)
