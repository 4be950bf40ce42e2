package tokencache

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/providerauth/providerauth-go/internal/credential"
)

// Mode says what a new token does to the old one.
type Mode uint8

const (
	// Overlap: old tokens stay good until they expire.
	Overlap Mode = iota
	// SingleUse: old tokens stay good, but the grant that renews them is spent
	// by use.
	SingleUse
	// Exclusive: a new token kills the previous one at once.
	Exclusive
)

// Issued is what one retrieval brought.
type Issued[T any] struct {
	Token     T
	ID        credential.ID
	ExpiresAt time.Time // on this machine's wall clock
}

// An Ask is what a Retriever is asked for.
type Ask[K, F comparable, T any] struct {
	Key K
	For F
	// Previous is the token before, for its grant; SingleUse only, also if the
	// token itself was invalidated.
	Previous T
	// Dead is the ID of the key's token that was rejected last and is to be
	// replaced. A retrieval that brings it again says that it is good.
	Dead credential.ID
}

// A Retriever makes one round trip and never caches. It must end when its
// context does. Its error tells the cache what happened: providerauth.ErrAmbiguous
// that the provider may have acted, ErrActed in addition that it says so itself;
// everything else is a refusal, which changed nothing.
type Retriever[K, F comparable, T any] func(ctx context.Context, ask Ask[K, F, T]) (Issued[T], error)

// ErrActed in an ambiguous error of a Retriever says that the provider has
// answered success in its own envelope, without a usable token: in Exclusive,
// the token before is dead.
var ErrActed = errors.New("the provider has acted")

// ErrGrantRefused in the error of Config.Renew says that the provider answered
// the renewal with a refusal: the grant is dead whatever the reason, and the
// same flight goes on with Config.Retrieve.
var ErrGrantRefused = errors.New("the provider refused to renew the token")

// Config of a Cache. K tells tokens apart; F is what a token was issued for: a
// token issued for one thing is not handed to a caller that wants another.
type Config[K, F comparable, T any] struct {
	// Mode is required to be right: the cache cannot find it out.
	Mode Mode
	// Retrieve is required.
	Retrieve Retriever[K, F, T]
	// Renew spends the grant inside Previous; SingleUse only, where it is
	// tried before Retrieve.
	Renew Retriever[K, F, T]
	// Renewable reports whether the token's grant can still be spent;
	// SingleUse only.
	Renewable func(T) bool
	// Local says that a retrieval sends nothing. If the token before was
	// invalidated while one was under way, it is made again: what it was made
	// from may be older than the rejection. Overlap only.
	Local bool
	// Serves reports whether a token issued for have is what a caller wants.
	// Nil: if they are equal.
	Serves func(have, want F) bool
	// Suspect returns the token marked as perhaps dead; Exclusive only.
	Suspect func(T) T
	// Secret is what retrieval is done with; a change of it ends a back-off.
	// Optional.
	Secret *credential.Source
	// AttemptTimeout bounds one request; a flight may take two of them and a
	// second, in SingleUse three.
	AttemptTimeout time.Duration
	// RefreshBefore is how long before expiry a token is renewed, at most half
	// its life. Zero: a fraction of the lifetime.
	RefreshBefore time.Duration
	// KeepWarm renews tokens without waiting for a caller.
	KeepWarm bool
	// MaxEntries bounds the number of keys, of those with a token and of those
	// with a failure. Zero: there is one key only, and K should be struct{}.
	MaxEntries int
	// Shorten returns what is kept of an error for the callers within a
	// back-off: at most 1 KiB. Optional.
	Shorten func(error) error
	// Replacements limits the replacements of rejected tokens of all keys
	// together, beside the limit of each key. A token that was rejected five
	// times in a row does not count. Zero: no limit.
	Replacements Rate
	// Logger may be nil.
	Logger *slog.Logger
}

// A Cache is safe for concurrent use. What changes in it is behind pointers, or
// atomic: fmt prints the fields of a Client and of what is in it, and takes no
// lock.
type Cache[K, F comparable, T any] struct {
	cfg      Config[K, F, T]
	deadline time.Duration // of a flight
	one      atomic.Pointer[snapshot[F, T]]
	many     *entries[K, snapshot[F, T]] // nil: one key only
	seed     maphash.Seed
	shards   []*shard[K, F, T]

	timetable  *timetable[K, F, T]
	shared     *sharedLimiter
	background *semaphore.Weighted // flights that nobody waits for

	life    sync.Mutex // guards closed against running.Add
	closed  bool
	running sync.WaitGroup // flights and probes

	probedAt atomic.Int64
	probing  atomic.Bool
	probes   atomic.Uint64 // that found a secret
	warnOnce sync.Once
	counters

	cold *coldKeys[K]
}

// coldKeys are evicted keys that may have a timer of KeepWarm.
type coldKeys[K comparable] struct {
	mu   sync.Mutex
	keys []K
}

// A snapshot is a finished token, or the tombstone of a rejected one. It is not
// changed after it is published, but for dropped and strikes.
type snapshot[F comparable, T any] struct {
	token      T // of a tombstone: for its grant; SingleUse only
	id         credential.ID
	issuedFor  F
	refreshAt  int64 // Unix ns on the wall clock, like the next two; 0: not fresh whatever the time
	validUntil int64
	expiresAt  int64
	old        *snapshot[F, T] // of a tombstone: the rejected token, used again if no other is to be had; nil if it is dead
	gone       bool            // a tombstone
	rotating   bool            // a flight that is under way kills it; Exclusive only
	dropped    atomic.Bool     // it was rejected while it was current, and not brought back
	strikes    atomic.Int32    // rejections in a row, with no accepted request between
}

// maxBackground is how many flights that nobody waits for may run at once.
const maxBackground = 64

// New returns a Cache; Close it to end its background work.
func New[K, F comparable, T any](cfg Config[K, F, T]) *Cache[K, F, T] {
	c := &Cache[K, F, T]{cfg: cfg, seed: maphash.MakeSeed()}
	if c.cfg.Serves == nil {
		c.cfg.Serves = func(have, want F) bool { return have == want }
	}
	c.deadline = FlightDeadline(cfg.Mode, cfg.AttemptTimeout)
	n := 1
	if cfg.MaxEntries > 0 {
		n = 64
		c.many = newEntries(cfg.MaxEntries, expired[F, T], c.evicted)
	}
	c.shards = make([]*shard[K, F, T], n)
	for i := range c.shards {
		c.shards[i] = &shard[K, F, T]{slots: make(map[K]*slot[K, F, T])}
	}
	c.timetable = &timetable[K, F, T]{bound: min(max(cfg.MaxEntries, 1), maxFailures), forget: c.forgetDue}
	c.shared = &sharedLimiter{rate: cfg.Replacements}
	c.background = semaphore.NewWeighted(maxBackground)
	c.cold = new(coldKeys[K])
	return c
}

// FlightDeadline is how long one flight may take.
func FlightDeadline(mode Mode, attempt time.Duration) time.Duration {
	if mode == SingleUse {
		return 3*attempt + time.Second
	}
	return 2*attempt + time.Second
}

// Get returns a token for key that serves want. It waits only if there is none
// to hand out, and then no longer than ctx. Its errors are those of the
// Retriever, providerauth.ErrContested, providerauth.ErrClosed and ctx.Err().
func (c *Cache[K, F, T]) Get(ctx context.Context, key K, want F) (T, error) {
	var s *snapshot[F, T]
	var now int64
	if c.many == nil {
		s = c.one.Load()
		now = time.Now().UnixNano()
	} else {
		now = time.Now().UnixNano()
		s = c.many.load(key, now)
	}
	if s != nil && now < s.refreshAt && (s.issuedFor == want || c.cfg.Serves(s.issuedFor, want)) {
		return s.token, nil
	}
	return c.slow(ctx, key, want)
}

// slow is Get where a token is not fresh.
func (c *Cache[K, F, T]) slow(ctx context.Context, key K, want F) (T, error) {
	sh := c.shard(key)
	for {
		if err := ctx.Err(); err != nil {
			var none T
			return none, err
		}
		sh.mu.Lock()
		ch := c.decideLocked(sh, key, want)
		sh.mu.Unlock()
		if ch.flight == nil {
			return ch.token, ch.err
		}
		switch done, err := c.wait(ctx, ch.flight, ch.patience); {
		case err != nil:
			return ch.token, err
		case !done:
			return ch.token, nil
		}
		if !c.serves(ch.flight.want, want) {
			continue // it brought a token for another scope
		}
		sh.mu.Lock()
		t, final, err := c.resultLocked(sh, key, want, ch.flight)
		sh.mu.Unlock()
		if final {
			return t, err
		}
	}
}

// Force runs fetch as a flight of the key, after one that may be running, and
// leaves its result as the current token. It asks neither the back-off nor the
// churn limit, and fetch is not called a second time. spends says that fetch
// spends the grant of the current token; SingleUse only.
func (c *Cache[K, F, T]) Force(ctx context.Context, key K, want F, spends bool, fetch Retriever[K, F, T]) (T, error) {
	var zero T
	sh := c.shard(key)
	for {
		if err := ctx.Err(); err != nil {
			return zero, err
		}
		sh.mu.Lock()
		sl := c.slotLocked(sh, key)
		fl, mine := sl.flight, false
		if fl == nil {
			s, now := c.current(key)
			fl = &flight[F, T]{want: want, before: s, startedAt: now, spends: spends}
			if err := c.startLocked(sh, sl, fl, fetch); err != nil {
				sh.mu.Unlock()
				return zero, err
			}
			mine = true
		}
		sh.mu.Unlock()
		if _, err := c.wait(ctx, fl, 0); err != nil {
			return zero, err
		}
		if mine {
			if fl.got == nil {
				return zero, fl.err
			}
			return fl.got.token, nil
		}
	}
}

// Close ends background work and waits for running flights, which end by
// themselves within their deadline. From then on a token that is still good is
// returned and anything else is providerauth.ErrClosed.
func (c *Cache[K, F, T]) Close() {
	c.life.Lock()
	c.closed = true
	c.life.Unlock()
	c.timetable.close()
	for _, sh := range c.shards {
		sh.mu.Lock()
		for _, sl := range sh.slots {
			if sl.warm != nil {
				sl.warm.Stop()
			}
		}
		sh.mu.Unlock()
	}
	c.running.Wait()
}

// current returns what is kept for the key, a tombstone included, and the time.
func (c *Cache[K, F, T]) current(key K) (*snapshot[F, T], int64) {
	now := time.Now().UnixNano()
	if c.many == nil {
		return c.one.Load(), now
	}
	return c.many.load(key, now), now
}

// peek returns what is kept for the key, which is no use of it.
func (c *Cache[K, F, T]) peek(key K) *snapshot[F, T] {
	if c.many == nil {
		return c.one.Load()
	}
	return c.many.peek(key)
}

// put replaces what is kept for the key. Its callers hold the shard's mutex,
// so there is one writer for a key.
func (c *Cache[K, F, T]) put(key K, s *snapshot[F, T], now int64) {
	if c.many == nil {
		c.one.Store(s)
		return
	}
	c.many.store(key, s, now)
}

func (c *Cache[K, F, T]) serves(have, want F) bool {
	return have == want || c.cfg.Serves(have, want)
}

func (c *Cache[K, F, T]) shard(key K) *shard[K, F, T] {
	if c.many == nil {
		return c.shards[0]
	}
	return c.shards[maphash.Comparable(c.seed, key)%uint64(len(c.shards))]
}

// begin counts one more goroutine of the cache, unless it is closed.
func (c *Cache[K, F, T]) begin() bool {
	c.life.Lock()
	defer c.life.Unlock()
	if c.closed {
		return false
	}
	c.running.Add(1)
	return true
}

func expired[F comparable, T any](s *snapshot[F, T], now int64) bool {
	if s.gone && s.old != nil {
		s = s.old
	}
	return s.gone || now >= s.expiresAt
}

// evicted is called by the map for a key that had to make room. Some shard's
// mutex may be held.
func (c *Cache[K, F, T]) evicted(key K, s *snapshot[F, T]) {
	c.evictions.Add(1)
	if c.cfg.Mode == Exclusive && !expired(s, time.Now().UnixNano()) {
		c.evictedLive.Add(1)
	}
	if c.cfg.KeepWarm {
		c.cold.mu.Lock()
		defer c.cold.mu.Unlock()
		c.cold.keys = append(c.cold.keys, key)
	}
}

// afterEvictions does what has to be done about evicted keys, without a lock:
// it stops their timers, and tells once that live tokens are being evicted.
func (c *Cache[K, F, T]) afterEvictions() {
	c.cold.mu.Lock()
	cold := c.cold.keys
	c.cold.keys = nil
	c.cold.mu.Unlock()
	for _, key := range cold {
		c.cool(key)
	}
	if c.evictedLive.Load() == 0 {
		return
	}
	c.warnOnce.Do(func() {
		defer func() { _ = recover() }() // of a logger
		c.logger().Warn("a live token was evicted: its calls in flight may fail when a new one is created; raise MaxEntries",
			"max_entries", c.cfg.MaxEntries)
	})
}

func (c *Cache[K, F, T]) logger() *slog.Logger {
	if c.cfg.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.cfg.Logger
}
