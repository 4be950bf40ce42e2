package tokencache

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

// Notices save calls with a dead token, and no more: a lost notice costs a rejected
// request, which is repeated.

const (
	// noticesAtOnce and noticeEvery bound the notices of a process. A mass
	// revocation must not become a message per user and process.
	noticesAtOnce = 20
	noticeEvery   = 50 * time.Millisecond

	// noticeName binds the sealed notices.
	noticeName = "notice"

	// watchAgain is how long after a lost connection Watch is called again. It
	// doubles to maxWatchAgain while Watch ends within watched.
	watchAgain    = 50 * time.Millisecond
	maxWatchAgain = 10 * time.Second
	watched       = time.Second
)

// A notice says that the token of a key has been replaced before its time.
type notice struct {
	Key        string        `json:"k"`
	Generation uint32        `json:"g"`
	ID         credential.ID `json:"i"`
}

// noticeRate limits the notices.
type noticeRate struct {
	mu sync.Mutex
	limiter
}

func (r *noticeRate) take(now int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	rate := Rate{Burst: noticesAtOnce, Refill: noticeEvery}
	if r.wait(rate, now) > 0 {
		return false
	}
	r.limiter.take(rate, now)
	return true
}

// surprise returns the notice of the flight's new token; nil: the token before was
// due, and every process knows when.
func (c *claim[K, S, T]) surprise(id credential.ID) *notice {
	r := &c.base
	if c.cache.cfg.Mode.mayCreateAlone() {
		return nil // nobody's token is worse for it
	}
	if r.Token == nil || c.sharing.now(time.Now()) >= r.Expires-r.Lead {
		return nil
	}
	return &notice{Key: c.sharing.codec.MarshalKey(c.key), Generation: c.generation, ID: id}
}

// tell sends the notice to the other processes; nil: nothing.
func (c *Cache[K, S, T]) tell(values context.Context, n *notice) {
	s := c.sharing
	if n == nil || s.notifier == nil {
		return
	}
	keys := s.keys.Load()
	if keys == nil || !s.notices.take(time.Now().UnixNano()) {
		s.noticesDropped.Add(1)
		return
	}
	content, err := json.Marshal(n)
	if err == nil {
		content, err = keys.Seal(s.writes, noticeName, content)
	}
	if err != nil {
		return
	}
	s.notify(values, s.notifier, content)
}

// hear has the key of a notice looked up by its next caller, unless the token of the
// notice is known.
func (c *Cache[K, S, T]) hear(content []byte) {
	keys := c.sharing.keys.Load()
	if keys == nil {
		return // this process has used no record yet
	}
	content, _, err := keys.Open(c.sharing.reads, noticeName, content)
	var n notice
	if err != nil || json.Unmarshal(content, &n) != nil {
		return
	}
	key, ok := c.sharing.codec.UnmarshalKey(n.Key)
	if !ok {
		return
	}
	c.supersede(key, func(s *snapshot[S, T]) bool { return s.id != n.ID && s.generation < n.Generation })
}

// supersede makes the key's token stale if it is the one meant, so that the next
// caller looks into the store. A flight under way looks there anyway.
func (c *Cache[K, S, T]) supersede(key K, meant func(*snapshot[S, T]) bool) {
	sh := c.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := c.peek(key)
	if s == nil || s.state != lasting || !meant(s) {
		return
	}
	if sl := sh.slots[key]; sl != nil && sl.flight != nil {
		return
	}
	c.putLocked(key, s.as(stale, s.token))
}

// watch listens to the notices, on a goroutine of its own, until the cache is closed.
// When a connection is lost, the store may have lost its records.
func (c *Cache[K, S, T]) watch() {
	defer c.running.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-c.closing
		cancel()
	}()
	for again := watchAgain; ctx.Err() == nil; again = min(2*again, maxWatchAgain) {
		begun := time.Now()
		_, _ = timebox.Run(ctx, &c.sharing.watching, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, c.sharing.notifier.Watch(ctx, c.hear)
		}, nil)
		if time.Since(begun) >= watched {
			c.writeBack()
			again = watchAgain
		}
		c.pause(jittered(again))
	}
}

// sharedCounters are the figures of a shared cache.
type sharedCounters struct {
	adopted, takeovers, conflicts, restored, noticesDropped atomic.Uint64
	unsaved                                                 atomic.Int64
	watching                                                timebox.Abandoned
}
