package tokencache

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
)

const (
	firstBackOff  = 250 * time.Millisecond
	maxBackOff    = time.Minute
	maxRetryAfter = time.Hour // the longest honoured Retry-After

	probeEvery = time.Second

	storeBackOff = time.Second // the longest for want of the store
)

// A failure is the record of a failed flight. It is kept for a minute longer than
// its back-off, to make the next back-off longer.
type failure[S comparable] struct {
	err           error // at most 1 KiB; see Config.Shorten
	scope         S
	failedAt      int64 // Unix ns, like retryAt
	retryAt       int64
	flights       int    // failed in a row
	permanent     bool   // a flight for the same scope would fail again
	everyScope    bool   // and for any other scope too
	ambiguous     bool   // the provider may have acted
	cutShort      bool   // a rejection has ended a back-off since the last success
	reported      bool   // the log has a line about failing renewals
	leftOut       bool   // the line was due, and was left out
	secretVersion uint64 // of the flight
	noSecret      bool   // the flight could not get the secret; probes is Cache.probes then
	probes        uint64
}

// over reports whether the failure can be forgotten.
func (f *failure[S]) over(now int64) bool {
	return now >= f.retryAt+int64(maxBackOff) || now < f.failedAt // the wall clock was set back
}

// earlier is the error for a caller within the back-off.
func (f *failure[S]) earlier(now int64) error {
	return &apierror.Earlier{Err: f.err, At: time.Unix(0, f.failedAt), Left: time.Duration(f.retryAt - now)}
}

// backingOffLocked reports whether a flight for the scope has to wait.
func (c *Cache[K, S, T]) backingOffLocked(sl *slot[K, S, T], scope S, now int64) bool {
	if sl == nil || sl.failure == nil {
		return false
	}
	f := sl.failure
	switch {
	case now >= f.retryAt, now < f.failedAt: // the wall clock was set back
		return false
	case f.permanent && !f.everyScope && f.scope != scope:
		return false // but see limitedLocked
	case f.noSecret:
		return c.probes.Load() == f.probes
	case c.cfg.Secret == nil, c.cfg.Secret.Version() == f.secretVersion:
		return true
	}
	// Honour a changed secret at most once a second: a SecretFunc that alternates
	// between values would otherwise disable the back-off.
	return f.flights > 1 && now-f.failedAt < int64(probeEvery)
}

// everyRejectionEndsLocked reports whether each rejection ends the back-off,
// because the provider may have acted and thereby killed the token. The limiter
// bounds the flights.
func (c *Cache[K, S, T]) everyRejectionEndsLocked(f *failure[S]) bool {
	return c.cfg.Mode.killsPrevious() && f.ambiguous && !f.permanent
}

// endsBackOffLocked reports whether a rejection of s ends the back-off. The first
// rejection in a row does so once until a flight succeeds: the outage may be over,
// and the token may be dead.
func (c *Cache[K, S, T]) endsBackOffLocked(f *failure[S], s *snapshot[S, T]) bool {
	if c.everyRejectionEndsLocked(f) {
		return true
	}
	return !f.permanent && !f.cutShort && s.rejections() == 1
}

// endBackOffLocked ends the back-off after a rejection.
func (c *Cache[K, S, T]) endBackOffLocked(f *failure[S], now int64) {
	f.retryAt = now
	if !c.everyRejectionEndsLocked(f) {
		f.cutShort = true
	}
}

// backOffLocked records the failure of the flight and starts a back-off. The
// back-off is exponential, from 250 ms to 1 min with 50 % jitter. Permanent
// failures start at 1 min. It is never shorter than Retry-After. It returns the
// slot whose failure had to make room; nil: none.
func (f *flight[K, S, T]) backOffLocked(now int64) (oldest *slot[K, S, T]) {
	c, sl, o := f.cache, f.slot, &f.outcome
	failed := &failure[S]{
		err: o.err, scope: f.scope, failedAt: now, ambiguous: o.ambiguous, secretVersion: f.secretVersion,
		noSecret: errors.Is(o.err, providerauth.ErrSecretUnavailable), probes: c.probes.Load(),
	}
	if c.cfg.Shorten != nil {
		failed.err = c.cfg.Shorten(failed.err)
	}
	if last := sl.failure; last != nil {
		failed.flights, failed.cutShort = last.flights, last.cutShort
		failed.reported, failed.leftOut = last.reported, last.leftOut
	}
	var advised apierror.Advised
	if !o.ambiguous && errors.As(o.err, &advised) {
		_, retryable := advised.Retryable()
		failed.permanent = !retryable
	}
	failed.everyScope = failed.permanent && apierror.CredentialRefused(o.err)
	wait := failed.backOff(o.retryAfter)
	if errors.Is(o.err, providerauth.ErrStoreUnavailable) {
		wait = min(wait, storeBackOff) // its failure costs the provider nothing
	}
	failed.retryAt = now + int64(wait)
	failed.flights++
	sl.failure = failed
	return c.timetable.failed(sl, failed.retryAt)
}

// backOff returns the back-off after f.flights earlier failures.
func (f *failure[S]) backOff(retryAfter time.Duration) time.Duration {
	d := maxBackOff
	if !f.permanent && f.flights < 8 {
		d = min(d, firstBackOff<<f.flights)
	}
	d = d/2 + rand.N(d/2+1)
	return max(d, min(retryAfter, maxRetryAfter))
}

// Probe checks, at most once a second and without waiting, whether the secret has
// changed or is available again, which ends the back-offs for lack of it. It returns
// a number, which grows when a change of the secret is seen.
func (c *Cache[K, S, T]) Probe() (version uint64) {
	if c.cfg.Secret == nil {
		return 0
	}
	now, last := time.Now().UnixNano(), c.probedAt.Load()
	if now < last || now-last >= int64(probeEvery) {
		first := c.probedAt.CompareAndSwap(last, now)
		if first {
			c.probe()
		}
	}
	return c.cfg.Secret.Version()
}

// probe gets the secret on a goroutine of the cache, unless another probe is under
// way. It ends with AttemptTimeout.
func (c *Cache[K, S, T]) probe() {
	if err := c.begin(); err != nil {
		return
	}
	alone := c.probing.CompareAndSwap(false, true)
	if !alone {
		c.running.Done()
		return
	}
	go c.getSecret()
}

func (c *Cache[K, S, T]) getSecret() {
	defer c.running.Done()
	defer c.probing.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.AttemptTimeout)
	defer cancel()
	_, err := c.cfg.Secret.Get(providerauth.FreshSecret(ctx))
	if err == nil {
		c.probes.Add(1)
	}
}
