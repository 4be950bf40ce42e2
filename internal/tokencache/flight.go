package tokencache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
)

// A flight is one retrieval that all callers of a key share. The goroutine
// that runs it writes got, err and ambiguous before it closes done; nobody
// else writes them.
type flight[F comparable, T any] struct {
	want      F
	before    *snapshot[F, T] // what was current when it started
	shown     *snapshot[F, T] // what callers see while it runs: before, or its rotating copy
	startedAt int64           // Unix ns
	epoch     atomic.Uint64   // of the secret that it last asked for; else when it started
	drew      draws
	unwaited  bool // it is one of the maxBackground
	spends    bool // it was forced, and spends the grant of before
	done      chan struct{}

	got       *snapshot[F, T] // nil: it failed with err
	err       error
	ambiguous bool
}

// A choice is what a caller that found no fresh token gets: a token, an error,
// or a flight to wait for. With a patience it waits no longer than that, and
// then gets the token.
type choice[F comparable, T any] struct {
	token    T
	flight   *flight[F, T]
	patience time.Duration
	err      error
}

// decideLocked chooses.
func (c *Cache[K, F, T]) decideLocked(sh *shard[K, F, T], key K, want F) (ch choice[F, T]) {
	s, now := c.current(key)
	mine := s != nil && !s.gone && c.serves(s.issuedFor, want)
	if mine && now < s.refreshAt {
		return choice[F, T]{token: s.token}
	}
	usable := mine && now < s.validUntil
	old := c.usableOld(s, want, now)
	sl := sh.slots[key]
	switch {
	case sl != nil && sl.flight != nil:
		if usable && c.cfg.Mode != Exclusive {
			return choice[F, T]{token: s.token}
		}
		return c.waitOr(sl, old, now)
	case c.backingOff(sl, want, now):
		c.Probe()
		switch {
		case usable, mine && sl.failure.ambiguous && now < s.expiresAt:
			return choice[F, T]{token: s.token}
		case old != nil:
			return choice[F, T]{token: c.bringBackLocked(sh, key, s, now)}
		case c.tryDeadLocked(sl, want, now):
			return choice[F, T]{token: sl.dead.token}
		}
		return choice[F, T]{err: sl.failure.err}
	}
	unwaited := usable && c.cfg.Mode != Exclusive
	if unwaited && !c.background.TryAcquire(1) {
		return choice[F, T]{token: s.token}
	}
	err := c.createLocked(sh, key, &flight[F, T]{want: want, before: s, startedAt: now, unwaited: unwaited})
	if err != nil && unwaited {
		c.background.Release(1)
	}
	switch {
	case usable && (err != nil || unwaited):
		return choice[F, T]{token: s.token}
	case err != nil && old != nil:
		return choice[F, T]{token: c.bringBackLocked(sh, key, s, now)}
	case err != nil:
		if errors.Is(err, providerauth.ErrContested) {
			c.contested.Add(1)
		}
		return choice[F, T]{err: err}
	}
	return c.waitOr(sh.slots[key], old, now)
}

// waitOr is a wait for the flight of the slot. A rejected token that may be good
// is used again if its replacement takes long, and at once if the last flight
// failed. In Exclusive the flight kills it.
func (c *Cache[K, F, T]) waitOr(sl *slot[K, F, T], old *snapshot[F, T], now int64) choice[F, T] {
	if old == nil || c.cfg.Mode == Exclusive {
		return choice[F, T]{flight: sl.flight}
	}
	patience := replaceTime - max(0, time.Duration(now-sl.flight.startedAt))
	if sl.failure != nil || patience <= 0 {
		return choice[F, T]{token: old.token}
	}
	return choice[F, T]{token: old.token, flight: sl.flight, patience: patience}
}

// createLocked starts a flight for a new token, if the limiters allow it.
func (c *Cache[K, F, T]) createLocked(sh *shard[K, F, T], key K, fl *flight[F, T]) error {
	sl := c.slotLocked(sh, key)
	now := fl.startedAt
	if c.churns(sl, fl, now) {
		var wait time.Duration
		if fl.drew, wait = c.draw(sl, fl.before, now); wait > 0 {
			c.tidyLocked(sh, sl, now)
			return &apierror.Error{Kind: providerauth.ErrContested, RetryAfter: wait}
		}
	}
	return c.startLocked(sh, sl, fl, nil)
}

// churns reports whether a creation has to draw on the limiters: after a
// rejection, for a switch of an exclusive token's scope, and for another scope
// than the one that was just refused for good. Callers can cause each of these
// without end.
func (c *Cache[K, F, T]) churns(sl *slot[K, F, T], fl *flight[F, T], now int64) bool {
	s, f := fl.before, sl.failure
	switch {
	case sl.marked != 0, s != nil && s.gone:
		return true
	case c.cfg.Mode == Exclusive && s != nil && !s.gone && !c.serves(s.issuedFor, fl.want) && now < s.expiresAt:
		return true
	}
	return f != nil && f.permanent && f.scope != fl.want && now < f.retryAt
}

// resultLocked says what a waiter gets now that the flight it waited for has
// ended. If that is not final, it has to look again.
func (c *Cache[K, F, T]) resultLocked(sh *shard[K, F, T], key K, want F, fl *flight[F, T]) (t T, final bool, _ error) {
	// Do not wait for a flight of another scope: two callers that alternate
	// between scopes would replace each other's token until the limiter stops
	// both.
	if sl := sh.slots[key]; sl != nil && sl.flight != nil && c.cfg.Mode == Exclusive && (fl.got == nil || c.serves(sl.flight.want, want)) {
		return t, false, nil // the next flight is already killing what this one brought
	}
	s, now := c.current(key)
	mine := s != nil && !s.gone && c.serves(s.issuedFor, want)
	switch {
	case mine && now < s.validUntil:
		return s.token, true, nil
	case fl.got != nil && fl.got.dropped.Load():
		return t, false, nil // somebody has rejected what it brought
	case fl.got != nil && c.cfg.Mode == Exclusive && s != nil && s != fl.got:
		return t, false, nil // a later flight has killed it, and has ended
	case fl.got != nil:
		return fl.got.token, true, nil // too short-lived to be kept, or evicted already
	case mine && fl.ambiguous && now < s.expiresAt:
		return s.token, true, nil
	}
	return t, true, fl.err
}

// wait waits for the flight to end, at most for patience unless that is 0. It
// reports whether the flight has ended; the error is that of ctx.
func (c *Cache[K, F, T]) wait(ctx context.Context, fl *flight[F, T], patience time.Duration) (done bool, _ error) {
	c.waits.Add(1)
	var tired <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		tired = timer.C
	}
	select {
	case <-fl.done:
		return true, nil
	case <-tired:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// startLocked begins a flight, with fetch instead of the configured retrievers
// unless that is nil. In Exclusive callers are first kept from the token that it
// is about to kill.
func (c *Cache[K, F, T]) startLocked(sh *shard[K, F, T], sl *slot[K, F, T], fl *flight[F, T], fetch Retriever[K, F, T]) error {
	if !c.begin() {
		c.tidyLocked(sh, sl, fl.startedAt)
		return &apierror.Error{Kind: providerauth.ErrClosed}
	}
	fl.shown, fl.done = fl.before, make(chan struct{})
	if c.cfg.Secret != nil {
		fl.epoch.Store(c.cfg.Secret.Epoch())
	}
	if s := fl.before; c.cfg.Mode == Exclusive && s != nil && !s.gone {
		fl.shown = s.with(s.token)
		fl.shown.rotating = true
		c.put(sl.key, fl.shown, fl.startedAt)
	}
	sl.flight = fl
	c.inFlight.Add(1)
	go c.fly(sl.key, fl, sl.unclear, fetch)
	return nil
}

// with is a copy that is not fresh and holds the given token.
func (s *snapshot[F, T]) with(t T) *snapshot[F, T] {
	other := &snapshot[F, T]{token: t, id: s.id, issuedFor: s.issuedFor, validUntil: s.validUntil, expiresAt: s.expiresAt}
	other.strikes.Store(s.strikes.Load())
	return other
}

// A trip is what became of the requests of one flight.
type trip[T any] struct {
	issued     Issued[T]
	err        error // of the attempt that decides; nil: issued is good
	last       error // of the last attempt
	ambiguous  bool  // some attempt may have been acted on
	acted      bool  // the provider has said so of some attempt
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
		if fl.unwaited {
			c.background.Release(1)
		}
		close(fl.done)
		c.afterEvictions()
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
	if b := fl.before; c.cfg.Local && tr.err == nil && b != nil && b.dropped.Load() {
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
		case fl.spends && apierror.Ambiguous(tr.last):
			tr.unclear++
		}
		return
	}
	switch c.cfg.Mode {
	case Exclusive:
		if c.attempt(ctx, c.cfg.Retrieve, ask, tr); apierror.Ambiguous(tr.last) && ctx.Err() == nil {
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
		case tr.last == nil && tr.issued.ID == ask.Dead: // a login may bring another
			*tr = trip[T]{unclear: tr.unclear}
			return true
		case errors.Is(tr.last, ErrGrantRefused):
			*tr = trip[T]{unclear: 2} // never spent again, by no later flight either
			return true
		case !apierror.Ambiguous(tr.last):
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
	tr.last = err
	if err == nil {
		tr.issued, tr.err = issued, nil
		return
	}
	var adv apierror.Advised
	if errors.As(err, &adv) {
		after, _ := adv.Retryable()
		tr.retryAfter = max(tr.retryAfter, after)
	}
	unclear := apierror.Ambiguous(err)
	if unclear || !tr.ambiguous {
		tr.err = err
	}
	tr.ambiguous = tr.ambiguous || unclear
	tr.acted = tr.acted || unclear && errors.Is(err, ErrActed)
}

// guarded turns a panic of the retriever into an error: the process lives on,
// and no waiter is left behind. The panic's value is not printed, it may hold
// anything.
func (c *Cache[K, F, T]) guarded(ctx context.Context, fetch Retriever[K, F, T], ask Ask[K, F, T]) (issued Issued[T], err error) {
	defer func() {
		if r := recover(); r != nil {
			c.tellPanic(r)
			err = &apierror.Error{Err: fmt.Errorf("the retriever panicked with a %T", r), Ambiguous: true, Effect: apierror.Renews}
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
	sl := sh.slots[key] // it is there for as long as it has a flight
	sl.flight = nil
	sl.unclear = tr.unclear
	s, now := c.current(key)
	var oldest *slot[K, F, T]
	if tr.err == nil {
		c.succeedLocked(sl, fl, s, tr, now)
	} else {
		oldest = c.failedLocked(sl, fl, s, tr, now)
	}
	c.tidyLocked(sh, sl, now)
	sh.mu.Unlock()
	if oldest != nil {
		c.forgetFailure(oldest)
	}
}

// succeedLocked publishes the token of a flight. s is what is current.
func (c *Cache[K, F, T]) succeedLocked(sl *slot[K, F, T], fl *flight[F, T], s *snapshot[F, T], tr *trip[T], now int64) {
	p := planLife(c.cfg.Mode, now, tr.issued.ExpiresAt.UnixNano(), c.cfg.RefreshBefore, c.deadline)
	fl.got = &snapshot[F, T]{
		token: tr.issued.Token, id: tr.issued.ID, issuedFor: fl.want,
		refreshAt: p.refreshAt, validUntil: p.validUntil, expiresAt: p.expiresAt,
	}
	if s != nil && s.old != nil {
		s = s.old
	}
	if s != nil && s.id == fl.got.id { // the same token again
		fl.got.strikes.Store(s.strikes.Load())
	}
	c.put(sl.key, fl.got, now)
	if sl.failure != nil {
		sl.failure = nil
		c.timetable.recovered(sl)
	}
	sl.marked, sl.unclear, sl.dead = 0, 0, nil
	c.refreshes.Add(1)
	c.warmAt(sl, p.refreshAt, now)
}

// failedLocked notes that a flight brought no token. s is what is current. It
// returns the slot whose failure had to make room, if there is one.
func (c *Cache[K, F, T]) failedLocked(sl *slot[K, F, T], fl *flight[F, T], s *snapshot[F, T], tr *trip[T], now int64) (oldest *slot[K, F, T]) {
	fl.err, fl.ambiguous = tr.err, tr.ambiguous
	c.failures.Add(1)
	c.lastFailure.Store(now)
	s = c.keepLocked(sl, fl, s, tr, now)
	if !errors.Is(tr.last, ErrGrantRefused) { // a forced renewal: the next flight starts from scratch
		oldest = c.failLocked(sl, fl, tr, now)
	}
	f := sl.failure
	if f != nil && f.permanent && s != nil {
		s.strikes.Store(0) // only rejections from here on say that the token is dead
	}
	if !tr.ambiguous && (f == nil || !f.permanent) {
		c.giveBack(sl, fl.drew) // nothing was created, and asking again may help
	}
	switch {
	case s == nil, s.gone:
	case f == nil: // the grant was refused
		c.warmAt(sl, s.refreshAt, now)
	case now < s.expiresAt || !f.permanent:
		c.warmAt(sl, f.retryAt, now)
	}
	return oldest
}

// keepLocked decides what becomes of the token after a flight that failed, and
// returns what is current then. A rejected token is used again. In Exclusive,
// the flight has killed the token if the provider says that it acted; if that is
// unclear, the token is suspect; a refusal kills nothing.
func (c *Cache[K, F, T]) keepLocked(sl *slot[K, F, T], fl *flight[F, T], s *snapshot[F, T], tr *trip[T], now int64) *snapshot[F, T] {
	if s == nil {
		s = fl.shown // it was evicted meanwhile
	}
	if s == nil || s.gone && s.old == nil {
		return s
	}
	live := s
	if s.gone {
		live = s.old
	}
	mine := live == fl.shown || s == fl.shown // nobody has replaced it meanwhile
	exclusive := c.cfg.Mode == Exclusive && mine
	switch {
	case exclusive && tr.acted:
		s = &snapshot[F, T]{id: live.id, issuedFor: live.issuedFor, gone: true}
	case exclusive && tr.ambiguous:
		s = live.with(c.cfg.Suspect(live.token))
	case exclusive && live == fl.shown && !fl.before.gone: // its rotating copy
		fl.before.strikes.Store(live.strikes.Load())
		s = fl.before
	case s.gone:
		s = live
	default:
		return s
	}
	s.dropped.Store(false)
	c.put(sl.key, s, now)
	return s
}

var errExited = &apierror.Error{Err: errors.New("the retriever ended its goroutine"), Ambiguous: true, Effect: apierror.Renews}
