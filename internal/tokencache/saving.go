package tokencache

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
)

const (
	// handOutAfter is how long the callers wait for the store to save a new token.
	handOutAfter = 100 * time.Millisecond

	saveEvery = 100 * time.Millisecond
)

// A saved is what became of a record.
type saved uint8

const (
	unknown  saved = iota // the store did not answer
	kept                  // the store holds it
	conflict              // the store holds another process's
)

// A saving is a new token's way into the store.
type saving[K, S comparable, T any] struct {
	cache *Cache[K, S, T]
	key   K
	id    credential.ID
	reg   *register
	next  record
	value []byte // next, sealed
	keeps time.Duration
	until time.Time

	// notice is what other processes are told, because their token is fresh; nil:
	// nothing.
	notice *notice

	// The first to set decided says whether the flight waits for the result.
	decided atomic.Bool
	result  chan saved
}

// save saves the token of the flight. It does not wait long for a slow store: the
// token is the only valid one, so the flight ends with it, and the saving goes on. It
// reports false if another process has taken over the lease.
func (c *claim[K, S, T]) save(values context.Context) bool {
	s, err := c.saving()
	if err != nil {
		c.cache.logUnsaved(err)
		return true
	}
	c.cache.running.Add(1) // the flight is running, so Close still waits
	go s.run(values)
	late := time.NewTimer(handOutAfter)
	defer late.Stop()
	select {
	case result := <-s.result:
		return result != conflict
	case <-late.C:
	}
	if s.decided.CompareAndSwap(false, true) {
		return true
	}
	return <-s.result != conflict
}

// saving plans the life of the flight's token and returns its way into the store.
func (c *claim[K, S, T]) saving() (*saving[K, S, T], error) {
	issued := &c.outcome.issued
	t := time.Now()
	p := c.cache.planner().plan(until(t, issued.ExpiresAt))
	c.receivedAt, c.plan = t, p
	c.generation = c.nextGeneration(t)
	next, err := c.sharing.recordOf(c.scope, issued.Token, t, p)
	if err != nil {
		return nil, err
	}
	next.Generation, next.FullAt = c.generation, c.held.FullAt
	value, err := c.reg.seal(&next)
	if err != nil {
		return nil, err
	}
	return &saving[K, S, T]{
		cache: c.cache, key: c.key, id: issued.ID, reg: c.reg, next: next, value: value,
		keeps: next.keeps(c.sharing.now(t)), until: t.Add(time.Duration(p.expiresAt)),
		notice: c.surprise(issued.ID), result: make(chan saved, 1),
	}, nil
}

// nextGeneration is above that of every token of the key so far, also where nobody
// remembers it: it is at least the time in seconds.
func (c *claim[K, S, T]) nextGeneration(t time.Time) uint32 {
	last := c.base.Generation
	if c.before != nil {
		last = max(last, c.before.generation)
	}
	return max(last+1, uint32(c.sharing.now(t)/1000))
}

// recordOf returns the record of a token with the given plan, received at t.
func (s *sharing[K, S, T]) recordOf(scope S, token T, t time.Time, p plan) (record, error) {
	data, err := s.codec.Marshal(scope, token)
	if err != nil {
		return record{}, err
	}
	life := time.Duration(p.expiresAt).Milliseconds()
	return record{
		Token: data, Expires: s.now(t) + life, Life: life,
		Lead:   time.Duration(p.expiresAt - p.refreshAt).Milliseconds(),
		Margin: time.Duration(p.expiresAt - p.validUntil).Milliseconds(),
		Grant:  max(0, s.codec.Grant(token).Milliseconds()),
	}, nil
}

// run tries to save the record while the token lives, and ends when the cache is
// closed.
func (s *saving[K, S, T]) run(values context.Context) {
	c := s.cache
	defer c.running.Done()
	c.sharing.unsaved.Add(1)
	defer c.sharing.unsaved.Add(-1)
	for {
		result := s.try(values)
		awaited := s.decided.CompareAndSwap(false, true)
		if awaited {
			s.result <- result
		}
		switch {
		case result == kept:
			c.tell(values, s.notice)
			return
		case result == conflict:
			c.sharing.conflicts.Add(1)
			if !awaited {
				c.supersede(s.key, func(current *snapshot[S, T]) bool { return current.id == s.id })
			}
			return
		case !time.Now().Before(s.until), !c.pause(jittered(saveEvery)), !s.current():
			return
		}
	}
}

// current reports whether the token is still its key's: no other is worth saving.
func (s *saving[K, S, T]) current() bool {
	now := s.cache.peek(s.key).alive()
	return now != nil && now.id == s.id
}

// try saves the record, also over an older state of the store, and into a store that
// has lost everything.
func (s *saving[K, S, T]) try(values context.Context) saved {
	for range 4 {
		done, err := s.reg.swap(values, s.value, s.keeps)
		var u *unreadable
		switch {
		case errors.As(err, &u):
			return conflict
		case err != nil:
			return unknown
		case done:
			return kept
		}
		now := &s.reg.record
		older := now.Generation < s.next.Generation && now.Lease == nil
		switch {
		case s.reg.value == nil:
			s.cache.writeBack() // the store has lost the lease, and perhaps everything
		case !older:
			return conflict
		}
	}
	return unknown
}

func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// logUnsaved logs that a token is not saved, because it cannot be written.
func (c *Cache[K, S, T]) logUnsaved(err error) {
	defer func() { _ = recover() }() // of a logger
	c.cfg.Logger.Error("a token cannot be saved in the store; other processes will replace it", "error", err.Error())
}
