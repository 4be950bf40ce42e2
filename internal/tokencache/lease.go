package tokencache

import (
	"context"
	"errors"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/clock"
)

// leaseTime covers a single attempt. Before another, the flight takes a new lease.
func (c *Cache[K, S, T]) leaseTime() time.Duration { return c.cfg.AttemptTimeout + 2*c.leaseSlack() }

func (c *Cache[K, S, T]) leaseSlack() time.Duration { return min(time.Second, c.cfg.AttemptTimeout/2) }

// take writes the lease of the flight into the register, and takes a permit of the
// fleet's limiter if the flight needs one.
func (c *claim[K, S, T]) take(values context.Context) (held bool, _ error) {
	c.base = c.reg.record
	if l := c.base.Lease; l != nil {
		if l.Owner != c.sharing.owner {
			c.sharing.takeovers.Add(1)
		}
		c.base.Unclear++ // whoever it was may have sent a request
		c.base.Lease = nil
	}
	c.preferOwn()
	next := c.base
	if c.limitedByFleet() {
		l := limiter{fullAt: c.sharing.local(next.FullAt).UnixNano()}
		now := time.Now().UnixNano()
		if wait := l.wait(keyRate, now); wait > 0 {
			c.fleetFullAt = next.FullAt
			return false, &apierror.Error{Kind: providerauth.ErrContested, RetryAfter: wait}
		}
		l.take(keyRate, now)
		next.FullAt = c.sharing.now(time.Unix(0, l.fullAt))
	}
	next.Lease = &lease{Owner: c.sharing.owner, TTL: c.cache.leaseTime().Milliseconds()}
	return c.writeLease(values, next)
}

// preferOwn puts the token of this process into the record, if it is newer: it could
// not be saved yet. A lost record of a grant is not replaced: others may have spent the
// grant.
func (c *claim[K, S, T]) preferOwn() {
	own := c.before.alive()
	if own != c.before && c.cache.cfg.Mode.killsPrevious() {
		return // it was rejected
	}
	lost := c.base.Token == nil && c.cache.cfg.Mode.spendsGrant()
	if own == nil || own.generation <= c.base.Generation || lost {
		return
	}
	t := time.Now()
	r, err := c.sharing.recordOf(own.scope, own.token, t, own.planAt(t))
	if err != nil || r.Life <= 0 && r.Grant == 0 {
		return
	}
	b := &c.base
	b.Generation, b.Token, b.Dead, b.Suspect = own.generation, r.Token, false, false
	b.Expires, b.Life, b.Lead, b.Margin, b.Grant = r.Expires, r.Life, r.Lead, r.Margin, r.Grant
	b.Unclear = max(b.Unclear, c.ambiguousUses)
}

// limitedByFleet reports whether the creation takes a permit of the key's limiter,
// by what this process knows or by the record.
func (c *claim[K, S, T]) limitedByFleet() bool {
	switch {
	case c.kind != creation:
		return false
	case c.permits.key:
		return true
	}
	r := &c.base
	if r.Token == nil || r.Dead || !c.cache.cfg.Mode.killsPrevious() || r.Expires <= c.sharing.now(time.Now()) {
		return false
	}
	scope, _, _, err := c.sharing.codec.Unmarshal(c.key, r.Token, time.Time{})
	return err == nil && !c.cache.serves(scope, c.scope)
}

// writeLease writes a record with a lease of this flight.
func (c *claim[K, S, T]) writeLease(values context.Context, next record) (held bool, _ error) {
	t := time.Now()
	value, err := c.reg.seal(&next)
	if err != nil {
		return false, err
	}
	held, err = c.reg.swap(values, value, next.keeps(c.sharing.now(t)))
	if held {
		c.held, c.since = next, t
	}
	return held, err
}

// hold makes the attempts of the flight under its lease, and saves their result. It
// reports false if the lease was lost: another process's token is the one to have.
func (c *claim[K, S, T]) hold(values context.Context) bool {
	c.useRecordsGrant()
	c.taken = false
	c.claim = c
	ctx, cancel := context.WithTimeout(values, c.cache.deadline)
	c.retrieve(ctx)
	cancel()
	c.claim = nil
	switch {
	case c.lost:
		return false
	case c.outcome.err != nil:
		c.fleetFullAt = c.giveBack(values)
		return true
	}
	c.fleetFullAt = c.held.FullAt
	return c.save(values)
}

// useRecordsGrant has the flight spend the grant of the record, never of its own
// memory: another process may have spent that.
func (c *claim[K, S, T]) useRecordsGrant() {
	if !c.cache.cfg.Mode.spendsGrant() {
		return
	}
	known := c.ambiguousUses // perhaps not in the record, if the store did not answer
	var none T
	c.grant, c.granted, c.ambiguousUses = none, false, c.base.Unclear
	if c.base.Token == nil {
		return
	}
	_, token, id, err := c.sharing.codec.Unmarshal(c.key, c.base.Token, c.sharing.local(c.base.Expires))
	if err != nil {
		return
	}
	c.grant, c.granted = token, true
	if c.before != nil && c.before.id == id {
		c.ambiguousUses = max(c.ambiguousUses, known)
	}
}

var errLeased = errors.New("another process is getting a token")

// errLeaseLost ends the attempts of a flight.
var errLeaseLost = errors.New("another process has taken over the lease of the token")

// cover returns the context of the next attempt. The lease covers it: before a
// second attempt the flight takes a new lease.
func (c *claim[K, S, T]) cover(ctx context.Context) (context.Context, context.CancelFunc, error) {
	slack := c.cache.leaseSlack()
	if c.taken {
		next := c.held
		next.Lease = &lease{Owner: c.sharing.owner, TTL: c.cache.leaseTime().Milliseconds()}
		held, err := c.writeLease(ctx, next)
		if err != nil {
			return nil, nil, err
		}
		c.lost = !held
	}
	c.taken = true
	left := c.cache.leaseTime() - clock.Elapsed(c.since, time.Now())
	c.lost = c.lost || left <= c.cache.cfg.AttemptTimeout+slack/2
	if c.lost {
		return nil, nil, errLeaseLost
	}
	ctx, cancel := context.WithTimeout(ctx, left-slack/2)
	return ctx, cancel, nil
}

// othersWouldFail reports whether a failed flight says something to other processes:
// not if its own secret or the store is the reason, nor if this process was stopped in
// the middle of the attempt.
func (c *claim[K, S, T]) othersWouldFail() bool {
	o := &c.outcome
	for _, own := range []error{providerauth.ErrSecretUnavailable, providerauth.ErrStoreUnavailable} {
		if errors.Is(o.err, own) || errors.Is(o.last, own) {
			return false
		}
	}
	took := clock.Elapsed(c.since, time.Now())
	return c.kind == creation && took <= c.cache.cfg.AttemptTimeout+c.cache.leaseSlack()
}

// giveBack ends the lease after a failure, with what the flight has learned. It
// returns the state of the limiter.
func (c *claim[K, S, T]) giveBack(values context.Context) (fullAt int64) {
	o := &c.outcome
	now := c.sharing.now(time.Now())
	next := c.base
	next.Unclear = c.ambiguousUses
	if c.cache.cfg.Mode.killsPrevious() {
		next.Dead = c.base.Dead || o.acted
		next.Suspect = c.base.Suspect || o.ambiguous
	}
	var advised apierror.Advised
	temporary := o.ambiguous
	if errors.As(o.err, &advised) && !temporary {
		_, temporary = advised.Retryable()
	}
	if o.ambiguous || !temporary {
		next.FullAt = c.held.FullAt
	}
	if temporary && c.othersWouldFail() {
		next.Pause = (&failure[S]{flights: next.Failed}).backOff(o.retryAfter).Milliseconds()
		next.RetryAt = now + next.Pause
		next.Failed++
		next.Status = apierror.Of(o.err).Status
	}
	value, err := c.reg.seal(&next)
	if err == nil {
		_, _ = c.reg.swap(values, value, next.keeps(now)) // else the lease runs out
	}
	return next.FullAt
}
