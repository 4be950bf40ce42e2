package tokencache

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
)

// A Cache is safe for concurrent use. Its changing state is behind pointers or
// atomic: fmt prints the fields of a Client and of everything in it, and takes no
// lock.
type Cache[K, S comparable, T any] struct {
	cfg      Config[K, S, T]
	deadline time.Duration // of a flight
	single   atomic.Pointer[snapshot[S, T]]
	many     *entries[K, snapshot[S, T]] // nil: there is a single key
	seed     maphash.Seed
	shards   []*shard[K, S, T]

	timetable  *timetable[K, S, T]
	shared     *sharedLimiter
	background *semaphore.Weighted // flights without a waiting caller

	life    sync.Mutex // guards closed against running.Add
	closed  bool
	closing chan struct{}  // closed when closed is set
	running sync.WaitGroup // flights, probes, and the work with the store

	sharing *sharing[K, S, T] // nil: without a store

	probedAt atomic.Int64
	probing  atomic.Bool
	probes   atomic.Uint64 // probes that found a secret
	warnOnce sync.Once
	reports  *reports
	counters

	cold *coldKeys[K]
}

// maxBackground is how many flights without a waiting caller run at once.
const maxBackground = 64

// New returns a Cache; Close it to end its background work.
func New[K, S comparable, T any](cfg Config[K, S, T]) *Cache[K, S, T] {
	c := &Cache[K, S, T]{cfg: cfg, seed: maphash.MakeSeed()}
	if c.cfg.Serves == nil {
		c.cfg.Serves = equalScopes[S]
	}
	if c.cfg.Logger == nil {
		c.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c.deadline = FlightDeadline(cfg.Mode, cfg.AttemptTimeout)
	n := 1
	if cfg.MaxEntries > 0 {
		n = 64
		c.many = newEntries(cfg.MaxEntries, expired[S, T], c.evicted)
	}
	c.shards = make([]*shard[K, S, T], n)
	for i := range c.shards {
		c.shards[i] = &shard[K, S, T]{slots: make(map[K]*slot[K, S, T])}
	}
	c.timetable = &timetable[K, S, T]{bound: min(max(cfg.MaxEntries, 1), maxFailures), forget: c.forgetDue}
	c.shared = &sharedLimiter{rate: cfg.Replacements}
	c.background = semaphore.NewWeighted(maxBackground)
	c.reports = new(reports)
	c.cold = new(coldKeys[K])
	c.closing = make(chan struct{})
	c.sharing = newSharing(cfg.Sharing)
	if c.sharing != nil && c.sharing.notifier != nil {
		c.running.Add(1)
		go c.watch()
	}
	return c
}

func equalScopes[S comparable](have, want S) bool { return have == want }

// Get returns a token for key and scope. It waits only if there is no usable
// token, and then no longer than ctx. Its errors are those of the Retriever,
// providerauth.ErrContested, providerauth.ErrClosed and ctx.Err().
func (c *Cache[K, S, T]) Get(ctx context.Context, key K, scope S) (T, error) {
	var s *snapshot[S, T]
	var now time.Time // with the readings of both clocks
	if c.many == nil {
		s = c.single.Load()
		now = time.Now()
	} else {
		now = time.Now()
		s = c.many.load(key, now.UnixNano())
	}
	// A method would not be inlined.
	fresh := s != nil && s.state == lasting && now.Before(s.refreshAt) && now.UnixNano() < s.refreshAt.UnixNano()
	if fresh && (s.scope == scope || c.cfg.Serves(s.scope, scope)) {
		return s.token, nil
	}
	return c.slow(ctx, key, scope)
}

// slow is Get without a fresh token.
func (c *Cache[K, S, T]) slow(ctx context.Context, key K, scope S) (T, error) {
	sh := c.shard(key)
	once := false // an overtaken token was replaced
	for {
		if err := ctx.Err(); err != nil {
			var none T
			return none, err
		}
		sh.mu.Lock()
		choice := c.chooseLocked(ctx, sh, key, scope)
		sh.mu.Unlock()
		f := choice.flight
		if f == nil {
			return choice.token, choice.err
		}
		ended, err := f.wait(ctx, choice.patience)
		if err != nil {
			return choice.token, err
		}
		if !ended {
			return choice.token, nil
		}
		if !c.serves(f.scope, scope) {
			continue
		}
		sh.mu.Lock()
		token, final, err := f.resultLocked(sh, scope)
		sh.mu.Unlock()
		switch {
		case !final:
		case err == nil && !once && f.overtaken():
			once = true
		default:
			return token, err
		}
	}
}

// Replace runs a single attempt of r as a flight of the key, after a flight under
// way, and makes its result the current token. Back-off and limiters do not apply.
func (c *Cache[K, S, T]) Replace(ctx context.Context, key K, scope S, r Retriever[K, S, T]) (T, error) {
	return c.force(ctx, &flight[K, S, T]{cache: c, key: key, scope: scope, retriever: r, kind: replacement})
}

// Renew is Replace for a retriever that spends the grant of the current token.
// SingleUse only.
func (c *Cache[K, S, T]) Renew(ctx context.Context, key K, scope S, r Retriever[K, S, T]) (T, error) {
	return c.force(ctx, &flight[K, S, T]{cache: c, key: key, scope: scope, retriever: r, kind: renewal})
}

// force starts f as soon as no other flight of its key is under way, and waits for
// it.
func (c *Cache[K, S, T]) force(ctx context.Context, f *flight[K, S, T]) (T, error) {
	var none T
	sh := c.shard(f.key)
	for {
		if err := ctx.Err(); err != nil {
			return none, err
		}
		sh.mu.Lock()
		running, err := f.startAloneLocked(ctx, sh)
		sh.mu.Unlock()
		if err != nil {
			return none, err
		}
		if _, err := running.wait(ctx, 0); err != nil {
			return none, err
		}
		switch {
		case running != f:
			continue
		case f.issued == nil:
			return none, f.err
		}
		return f.issued.token, nil
	}
}

// Close ends background work and waits for running flights, which end within
// their deadline. A flight that waits for another process's lease ends at once. From then on Get returns a valid token or
// providerauth.ErrClosed.
func (c *Cache[K, S, T]) Close() {
	c.life.Lock()
	if !c.closed {
		c.closed = true
		close(c.closing)
	}
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

// current returns the key's snapshot, which may be a tombstone or nil, and the
// time by the snapshot's clocks.
func (c *Cache[K, S, T]) current(key K) (*snapshot[S, T], int64) {
	t := time.Now()
	if c.many == nil {
		s := c.single.Load()
		return s, s.now(t)
	}
	s := c.many.load(key, t.UnixNano())
	return s, s.now(t)
}

// peek returns the key's snapshot. It does not count as a use of the key.
func (c *Cache[K, S, T]) peek(key K) *snapshot[S, T] {
	if c.many == nil {
		return c.single.Load()
	}
	return c.many.peek(key)
}

// putLocked replaces the key's snapshot. The lock makes its caller the only writer
// of the key.
func (c *Cache[K, S, T]) putLocked(key K, s *snapshot[S, T]) {
	if c.many == nil {
		c.single.Store(s)
		return
	}
	c.many.store(key, s)
}

func (c *Cache[K, S, T]) serves(have, want S) bool {
	return have == want || c.cfg.Serves(have, want)
}

func (c *Cache[K, S, T]) shard(key K) *shard[K, S, T] {
	if c.many == nil {
		return c.shards[0]
	}
	return c.shards[maphash.Comparable(c.seed, key)%uint64(len(c.shards))]
}

// pause waits, and reports whether the cache is still open then.
func (c *Cache[K, S, T]) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.closing:
		return false
	}
}

// begin counts another goroutine of the cache. It fails if the cache is closed.
func (c *Cache[K, S, T]) begin() error {
	c.life.Lock()
	defer c.life.Unlock()
	err := c.openLocked()
	if err == nil {
		c.running.Add(1)
	}
	return err
}

// open returns the error of a closed cache.
func (c *Cache[K, S, T]) open() error {
	c.life.Lock()
	defer c.life.Unlock()
	return c.openLocked()
}

// openLocked needs the lock life.
func (c *Cache[K, S, T]) openLocked() error {
	if c.closed {
		return &apierror.Error{Kind: providerauth.ErrClosed}
	}
	return nil
}
