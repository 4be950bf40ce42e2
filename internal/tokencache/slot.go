package tokencache

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/providerauth/providerauth-go/internal/outcome"
)

const (
	firstBackOff  = 250 * time.Millisecond
	maxBackOff    = time.Minute
	maxRetryAfter = time.Hour // no provider's word keeps a key silent longer

	bucketSize   = 5
	bucketRefill = 5 * time.Second

	probeEvery = time.Second
)

// A shard is one part of the table of flights. Its mutex is never held across
// a request, a timer or a wait for a channel.
type shard[K, F comparable, T any] struct {
	mu      sync.Mutex
	slots   map[K]*slot[F, T]
	sweepAt int
	kept    func(K) bool // whether the key has a token
}

// A slot is what a key needs beside its token, and only for as long as there
// is something to remember: a flight, a back-off, a bucket that is not full.
type slot[F comparable, T any] struct {
	flight *flight[F, T]

	err       error // of the last flight, if it failed
	errFor    F
	failedAt  int64 // Unix ns, like retryAt
	retryAt   int64
	tries     int  // failed flights in a row
	permanent bool // asking for the same again would be refused again
	ambiguous bool
	epoch     uint64 // of the secret that the failed flight used
	noSecret  bool   // it had none; probes is how many probes had found one by then
	probes    uint64

	invalidated int64 // Unix ns: the next creation is caused by an Invalidate; 0: it is not
	unclear     int   // how often the grant has been spent with an unclear outcome
	bucket      bucket
	warm        *time.Timer
}

// slot returns the key's slot, made if need be. From time to time the slots
// with nothing left to remember are swept out.
func (sh *shard[K, F, T]) slot(key K) *slot[F, T] {
	if sl := sh.slots[key]; sl != nil {
		return sl
	}
	if len(sh.slots) >= sh.sweepAt {
		now := time.Now().UnixNano()
		for k, sl := range sh.slots {
			if sl.warm != nil && !sh.kept(k) && sl.warm.Stop() {
				sl.warm = nil // evicted, so there is nothing to keep warm
			}
			if sl.idle(now) {
				delete(sh.slots, k)
			}
		}
		sh.sweepAt = 2*len(sh.slots) + 16
	}
	sl := &slot[F, T]{}
	sh.slots[key] = sl
	return sl
}

func (sl *slot[F, T]) idle(now int64) bool {
	return sl.flight == nil && sl.warm == nil && sl.unclear == 0 &&
		(sl.err == nil || now >= sl.retryAt+int64(maxBackOff)) && sl.bucket.full(now) &&
		// Forgotten, it costs no draw. One a refill is what the bucket gives.
		(sl.invalidated == 0 || now >= sl.invalidated+int64(bucketRefill) || now < sl.invalidated)
}

func (sl *slot[F, T]) succeeded() {
	var none F
	sl.err, sl.errFor, sl.retryAt, sl.tries, sl.permanent, sl.ambiguous = nil, none, 0, 0, false, false
	sl.invalidated, sl.unclear = 0, 0
}

// backingOff reports whether want is to be answered without a request. A
// refusal that asking again cannot change holds for the same want only.
func (c *Cache[K, F, T]) backingOff(sl *slot[F, T], want F, now int64) bool {
	if sl.err == nil || now >= sl.retryAt || now < sl.failedAt || // the wall clock was set back
		sl.permanent && sl.errFor != want {
		return false
	}
	if sl.noSecret {
		return c.probes.Load() == sl.probes
	}
	// Once a second, or a function that returns now this value and now that
	// would leave no back-off.
	return c.cfg.Secret == nil || c.cfg.Secret.Epoch() == sl.epoch || sl.tries > 1 && now-sl.failedAt < int64(probeEvery)
}

// backOff sets when the key may be tried again: doubling from 250 ms to a
// minute, half of it by chance, a minute at once for what asking again cannot
// change, never before the provider's Retry-After.
func (c *Cache[K, F, T]) backOff(sl *slot[F, T], fl *flight[F, T], tr *trip[T], now int64) {
	var adv outcome.Advised
	sl.permanent = false
	if !tr.ambiguous && errors.As(tr.err, &adv) {
		_, ok := adv.Retryable()
		sl.permanent = !ok
	}
	d := maxBackOff
	if !sl.permanent && sl.tries < 8 {
		d = min(d, firstBackOff<<sl.tries)
	}
	sl.tries++
	d = d/2 + rand.N(d/2+1)
	d = max(d, min(tr.retryAfter, maxRetryAfter))
	sl.err, sl.errFor, sl.ambiguous, sl.epoch = tr.err, fl.want, tr.ambiguous, fl.epoch.Load()
	sl.failedAt, sl.retryAt = now, now+int64(d)
	sl.noSecret, sl.probes = errors.Is(tr.err, outcome.ErrSecretUnavailable), c.probes.Load()
}

// probe looks, at most once a second, whether the secret has changed or can be
// had again; if so, back-offs for want of it are over. The caller does not
// wait for it.
func (c *Cache[K, F, T]) probe(now int64) {
	last := c.probedAt.Load()
	if c.cfg.Secret == nil || now >= last && now-last < int64(probeEvery) || !c.probedAt.CompareAndSwap(last, now) || !c.begin() {
		return
	}
	if !c.probing.CompareAndSwap(false, true) {
		c.running.Done()
		return
	}
	go func() {
		defer c.running.Done()
		defer c.probing.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.AttemptTimeout)
		defer cancel()
		if _, err := c.cfg.Secret.Get(ctx); err == nil {
			c.probes.Add(1)
		}
	}()
}

// A bucket limits creations that somebody's Invalidate causes: five at once,
// then one per five seconds. The zero bucket is full.
type bucket struct {
	fullAt int64 // Unix ns
}

func (b *bucket) take(now int64) (wait time.Duration, ok bool) {
	full := max(b.fullAt, now)
	if full-now > int64(bucketSize*bucketRefill) {
		full = now // the wall clock was set back
	}
	if over := time.Duration(full-now) - (bucketSize-1)*bucketRefill; over > 0 {
		return over, false
	}
	b.fullAt = full + int64(bucketRefill)
	return 0, true
}

func (b *bucket) full(now int64) bool { return now >= b.fullAt }
