package session

import (
	"container/list"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const (
	firstPause    = time.Second
	maxPauseOfAll = 5 * time.Second // a token that was really killed is replaced only after the pause
	maxPauses     = 10_000
)

// A Breaker stops replacing tokens when a replacement does not help. If a call
// is rejected again with a new token, its rejections are returned as they are
// for 1 s, doubling up to limit, until the call is accepted. If this happens to
// several calls of a key within a while, or several times while none of its
// calls is accepted, the rejections of all its calls are returned as they are
// for a moment, until a new token does help: paths with ids in them, and a
// fight over the token, would otherwise cost token after token. A single call
// may be rejected time and again while others are accepted: it does not concern
// the others.
//
// It remembers the latest 10,000 pauses.
type Breaker struct {
	limit time.Duration
	seed  maphash.Seed

	active atomic.Int64 // pauses; 0 spares accepted calls the mutex
	mu     sync.Mutex
	pauses map[uint64]*list.Element // of *pause, by the hash of its call: paths can be long
	byAge  list.List                // the oldest first
}

// A call is the subject of a pause. Without a method it stands for all calls of
// the key.
type call struct{ key, method, path string }

type pause struct {
	hash   uint64
	until  time.Time
	length time.Duration
	trips  int
	good   bool   // of all calls: a call was accepted since the last trip
	epoch  uint64 // of the secret when it began
}

// over reports whether the pause has ended by either clock: the monotonic clock
// stands still while a machine is suspended.
func (p *pause) over(now time.Time) bool {
	return !now.Before(p.until) || !now.Round(0).Before(p.until.Round(0))
}

// enough is how many trips it takes.
func (c call) enough() int {
	if c.method == "" {
		return 3
	}
	return 1
}

// NewBreaker returns a Breaker whose pauses grow up to limit.
func NewBreaker(limit time.Duration) *Breaker {
	return &Breaker{limit: limit, seed: maphash.MakeSeed(), pauses: make(map[uint64]*list.Element)}
}

// holds is how long rejections of the call are to be returned as they are; 0: they
// are not. probe returns the epoch of the secret, and is only asked while a pause
// is on: if the secret is another than when the pause began, all pauses end.
func (b *Breaker) holds(c call, probe func() uint64) (rest time.Duration) {
	if b.active.Load() == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for _, c := range [...]call{c, {key: c.key}} {
		p := b.get(c)
		if p == nil || p.trips < c.enough() || p.over(now) {
			continue
		}
		if probe() != p.epoch {
			clear(b.pauses)
			b.byAge.Init()
			b.active.Store(0)
			return 0
		}
		rest = max(rest, p.until.Sub(now))
	}
	return rest
}

// trip starts a pause.
func (b *Breaker) trip(c call, epoch uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	all := call{key: c.key}
	p := b.get(all)
	if p != nil && now.After(p.until.Add(b.limit)) {
		b.remove(all) // long ago, and no part of this
		p = nil
	}
	if p == nil || !p.good || b.get(c) == nil {
		b.lengthen(all, min(b.limit, maxPauseOfAll), now, epoch)
	}
	if p != nil {
		p.good = false
	}
	b.lengthen(c, b.limit, now, epoch)
	for len(b.pauses) > maxPauses {
		b.drop(b.byAge.Front())
	}
	b.active.Store(int64(len(b.pauses)))
}

func (b *Breaker) lengthen(c call, limit time.Duration, now time.Time, epoch uint64) {
	p := b.get(c)
	switch {
	case p == nil:
		p = &pause{hash: b.hash(c), length: firstPause}
		b.pauses[p.hash] = b.byAge.PushBack(p)
	case p.trips < c.enough():
	case !p.over(now): // another request of the same moment
		return
	default:
		p.length = min(2*p.length, limit)
	}
	p.trips++
	p.until, p.epoch = now.Add(p.length), epoch
	b.byAge.MoveToBack(b.pauses[p.hash])
}

// accepted forgets the call.
func (b *Breaker) accepted(c call) {
	if b.active.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.get(call{key: c.key}); p != nil {
		p.good = true
	}
	b.remove(c)
	b.active.Store(int64(len(b.pauses)))
}

// cured forgets the pause for all calls of the key: a new token did help.
func (b *Breaker) cured(key string) { b.accepted(call{key: key}) }

func (b *Breaker) hash(c call) uint64 { return maphash.Comparable(b.seed, c) }

func (b *Breaker) get(c call) *pause {
	e := b.pauses[b.hash(c)]
	if e == nil {
		return nil
	}
	p, _ := e.Value.(*pause)
	return p
}

func (b *Breaker) remove(c call) {
	if e := b.pauses[b.hash(c)]; e != nil {
		b.drop(e)
	}
}

func (b *Breaker) drop(e *list.Element) {
	p, _ := b.byAge.Remove(e).(*pause)
	delete(b.pauses, p.hash)
}
