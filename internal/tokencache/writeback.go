package tokencache

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// writers write back at once, and each rests restRatio times as long as its
	// last key took: many processes do so at the same time, and a slow store is
	// given more time.
	writers   = 8
	restRatio = 4
	minRest   = 2 * time.Millisecond
)

// A rewriter writes back what the store has lost, one pass at a time.
type rewriter struct {
	mu      sync.Mutex
	running bool
	again   bool // asked for during the pass
}

// writeBack starts a pass that writes the fresh tokens of this process into the store
// where it has none, or an older one. It helps after the store came back empty: the
// loss costs a creation only for keys that nobody remembers.
func (c *Cache[K, S, T]) writeBack() {
	w := &c.sharing.rewrite
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running {
		w.again = true
		return
	}
	if err := c.begin(); err != nil {
		return
	}
	w.running = true
	go c.rewriteAll()
}

func (c *Cache[K, S, T]) rewriteAll() {
	defer c.running.Done()
	w := &c.sharing.rewrite
	for more := true; more; {
		c.pass()
		w.mu.Lock()
		more = w.again && c.open() == nil
		w.running, w.again = more, false
		w.mu.Unlock()
	}
}

// probes are how many tokens are offered first. If the store has lost none of them, it
// has lost nothing: a connection may be cut without a loss.
const probes = 16

// pass offers every fresh token once, unless the store has lost nothing.
func (c *Cache[K, S, T]) pass() {
	all := c.remembered()
	lost := false
	for _, key := range all[:min(probes, len(all))] {
		lost = c.offer(key) || lost
	}
	if !lost {
		return
	}
	all = all[min(probes, len(all)):]
	keys := make(chan K)
	var done sync.WaitGroup
	for range writers {
		done.Go(func() {
			for key := range keys {
				c.offer(key)
			}
		})
	}
	defer done.Wait()
	defer close(keys)
	for _, key := range all {
		select {
		case keys <- key:
		case <-c.closing:
			return
		}
	}
}

// remembered returns the keys with a fresh token, in any order.
func (c *Cache[K, S, T]) remembered() (keys []K) {
	now := time.Now()
	add := func(key K, s *snapshot[S, T]) {
		if s != nil && s.state == lasting && s.now(now) < s.refresh() {
			keys = append(keys, key)
		}
	}
	if c.many == nil {
		var key K
		add(key, c.single.Load())
	} else {
		c.many.each(add)
	}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys
}

// offer writes back the token of a key, and then rests. While the store does not
// answer, it tries again, as long as the token is fresh. It reports whether the store
// had lost it.
func (c *Cache[K, S, T]) offer(key K) (lost bool) {
	for {
		begun := time.Now()
		lost, err := c.offerOnce(key)
		if !c.pause(max(restRatio*time.Since(begun), minRest)) || err == nil {
			return lost
		}
	}
}

func (c *Cache[K, S, T]) offerOnce(key K) (lost bool, _ error) {
	s := c.peek(key)
	t := time.Now()
	if s == nil || s.state != lasting || s.now(t) >= s.refresh() {
		return false, nil
	}
	ctx := context.Background()
	reg, err := c.sharing.register(ctx, key)
	if err != nil {
		return false, err
	}
	reg.needed = true
	err = reg.load(ctx)
	var u *unreadable
	switch {
	case errors.As(err, &u):
		return false, nil // never overwritten
	case err != nil:
		return false, err
	}
	r := &reg.record
	if reg.value != nil && (r.Lease != nil || r.Generation >= s.generation) {
		return false, nil
	}
	next, err := c.sharing.recordOf(s.scope, s.token, t, s.planAt(t))
	if err != nil {
		return true, nil // it cannot be written: the next pass would fail as well
	}
	next.Generation, next.FullAt = s.generation, r.FullAt
	value, err := reg.seal(&next)
	if err != nil {
		return true, nil
	}
	written, err := reg.swap(ctx, value, next.keeps(c.sharing.now(t)))
	if written {
		c.sharing.restored.Add(1)
	}
	return true, err
}
