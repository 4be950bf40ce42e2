package tokencache

import (
	"context"
	"time"
)

// Slots counts the keys that something is remembered of beside their token.
func (c *Cache[K, S, T]) Slots() int {
	n := 0
	for i := range c.shards {
		c.shards[i].mu.Lock()
		n += len(c.shards[i].slots)
		c.shards[i].mu.Unlock()
	}
	return n
}

// Plan is planner.plan as offsets from the time of receipt.
func Plan(mode Mode, life, refreshBefore, flight time.Duration) (refreshAt, validUntil, expiresAt time.Duration) {
	p := planner{mode, refreshBefore, flight}.plan(life)
	return time.Duration(p.refreshAt), time.Duration(p.validUntil), time.Duration(p.expiresAt)
}

// ResultOf is what a waiter gets of an ended flight that brought the current
// token, after something has happened to it.
func (c *Cache[K, S, T]) ResultOf(key K, scope S, happens func()) (tok T, final bool) {
	s, _ := c.current(key)
	f := &flight[K, S, T]{cache: c, key: key, scope: scope, issued: s}
	happens()
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t, final, _ := f.resultLocked(sh, scope)
	return t, final
}

// WarmEarly makes the timer of a key fire now.
func (c *Cache[K, S, T]) WarmEarly(key K) {
	sh := c.shard(key)
	sh.mu.Lock()
	sh.slots[key].warm.Stop()
	sh.mu.Unlock()
	c.warmUp(key)
}

// WarmDue makes the key's token due for renewal and its timer fire, now.
func (c *Cache[K, S, T]) WarmDue(key K) {
	c.peek(key).refreshAt = time.Now()
	c.WarmEarly(key)
}

// delete frees a place, so that tests see the map at every level.
func (e *entries[K, V]) delete(key K) {
	if _, ok := e.part(key).m.LoadAndDelete(key); ok {
		e.size.Add(-1)
	}
}

// RetrieverFunc is a function as a Retriever.
type RetrieverFunc[K, S comparable, T any] func(context.Context, Ask[K, S, T]) (Issued[T], error)

// Retrieve calls the function.
func (f RetrieverFunc[K, S, T]) Retrieve(ctx context.Context, ask Ask[K, S, T]) (Issued[T], error) {
	return f(ctx, ask)
}

// Generation is that of the key's token.
func (c *Cache[K, S, T]) Generation(key K) uint32 { return c.peek(key).generation }

// SetFormat makes the cache one of another release, before its first use.
func (c *Cache[K, S, T]) SetFormat(reads, writes byte) {
	c.sharing.reads, c.sharing.writes = reads, writes
}

// Left is how long the key's token lives.
func (c *Cache[K, S, T]) Left(key K) time.Duration {
	return time.Duration(c.peek(key).expiresAt() - time.Now().UnixNano())
}
