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
	maxRetryAfter = time.Hour // the longest Retry-After that is honoured

	probeEvery = time.Second
)

// A failure is what is remembered of a flight that failed. It is kept for a
// minute longer than its back-off, so that the next back-off is longer.
type failure[F comparable] struct {
	err       error // at most 1 KiB; see Config.Shorten
	scope     F     // what the flight wanted
	failedAt  int64 // Unix ns, like retryAt
	retryAt   int64
	tries     int    // failed flights in a row
	permanent bool   // asking for the same again would be refused again
	everyone  bool   // and asking for another scope as well
	ambiguous bool   // the provider may have acted
	ended     bool   // a rejection has ended a back-off of this row of failures
	epoch     uint64 // of the secret that the flight used
	noSecret  bool   // it had none; probes is how many probes had found one by then
	probes    uint64
}

// over reports whether nothing has to be remembered of the failure any more.
func (f *failure[F]) over(now int64) bool {
	return now >= f.retryAt+int64(maxBackOff) || now < f.failedAt // the wall clock was set back
}

// backingOff reports whether a request for the scope has to wait.
func (c *Cache[K, F, T]) backingOff(sl *slot[K, F, T], scope F, now int64) bool {
	if sl == nil || sl.failure == nil {
		return false
	}
	f := sl.failure
	switch {
	case now >= f.retryAt, now < f.failedAt: // the wall clock was set back
		return false
	case f.permanent && !f.everyone && f.scope != scope:
		return false // but see churns
	case f.noSecret:
		return c.probes.Load() == f.probes
	}
	// A changed secret ends a back-off at most once a second: a SecretFunc that
	// alternates between values would otherwise leave none.
	return c.cfg.Secret == nil || c.cfg.Secret.Epoch() == f.epoch || f.tries > 1 && now-f.failedAt < int64(probeEvery)
}

// endsBackOff reports whether a rejection ends the back-off. The first
// rejection in a row does so once per row of failures: the outage may be over,
// and the token may be dead. If the provider may have acted and thereby killed
// the token, every rejection does; the limiter bounds the requests.
func (c *Cache[K, F, T]) endsBackOff(f *failure[F], first bool) bool {
	switch {
	case f.permanent:
		return false
	case c.cfg.Mode == Exclusive && f.ambiguous:
		return true
	case first && !f.ended:
		f.ended = true
		return true
	}
	return false
}

// failLocked notes that a flight failed, and sets when the key may be tried
// again. The back-off is exponential, from 250 ms to 1 min with 50 % jitter.
// Permanent failures start at 1 min. It is never shorter than Retry-After. It
// returns the slot whose failure had to make room, if there is one.
func (c *Cache[K, F, T]) failLocked(sl *slot[K, F, T], fl *flight[F, T], tr *trip[T], now int64) (oldest *slot[K, F, T]) {
	f := &failure[F]{
		err: tr.err, scope: fl.want, failedAt: now, ambiguous: tr.ambiguous, epoch: fl.epoch.Load(),
		noSecret: errors.Is(tr.err, providerauth.ErrSecretUnavailable), probes: c.probes.Load(),
	}
	if c.cfg.Shorten != nil {
		f.err = c.cfg.Shorten(f.err)
	}
	if last := sl.failure; last != nil {
		f.tries, f.ended = last.tries, last.ended
	}
	var adv apierror.Advised
	if !tr.ambiguous && errors.As(tr.err, &adv) {
		_, ok := adv.Retryable()
		f.permanent = !ok
	}
	f.everyone = f.permanent && apierror.CredentialRefused(tr.err)
	d := maxBackOff
	if !f.permanent && f.tries < 8 {
		d = min(d, firstBackOff<<f.tries)
	}
	f.tries++
	d = d/2 + rand.N(d/2+1)
	d = max(d, min(tr.retryAfter, maxRetryAfter))
	f.retryAt = now + int64(d)
	sl.failure = f
	return c.timetable.failed(sl)
}

// Probe looks, at most once a second and without waiting for it, whether the
// secret has changed or can be had again; if so, back-offs for want of it are
// over. It returns a number that grows when the secret is seen to change.
func (c *Cache[K, F, T]) Probe() (epoch uint64) {
	if c.cfg.Secret == nil {
		return 0
	}
	now, last := time.Now().UnixNano(), c.probedAt.Load()
	if (now < last || now-last >= int64(probeEvery)) && c.probedAt.CompareAndSwap(last, now) {
		c.probe()
	}
	return c.cfg.Secret.Epoch()
}

// probe asks for the secret on a goroutine of the cache, one at a time. It ends
// with AttemptTimeout.
func (c *Cache[K, F, T]) probe() {
	if !c.begin() {
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
