package attach

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	firstPause    = time.Second
	maxPauseOfAll = 5 * time.Second // a token that was really killed waits for its end
	maxDamped     = 10_000
)

// A Damper keeps calls that are rejected for another reason than their token
// from having tokens replaced for ever. When even a replay with a new token is
// rejected, rejections of that call are passed on for a second, twice as long
// each time it happens again, up to a limit, until one is accepted. When that
// happens to several calls of a key within a while, or several times while none
// of its calls is accepted, rejections of all of them are passed on for a
// moment, until a new token does help: paths with ids in them, and a fight over
// the token, would cost one token after the other else. One call that is
// rejected time and again while others are accepted is no matter of theirs.
type Damper struct {
	limit time.Duration

	active atomic.Int64 // how many calls are remembered: 0 spares accepted calls the lock
	mu     sync.Mutex
	calls  map[dampKey]*pause
}

// A dampKey without a method stands for all calls of the key.
type dampKey struct{ key, method, path string }

type pause struct {
	until  time.Time
	length time.Duration
	trips  int
	good   bool // of all calls: one was accepted since the last trip
}

// enough is how many trips it takes.
func (k dampKey) enough() int {
	if k.method == "" {
		return 3
	}
	return 1
}

// NewDamper returns a Damper whose pauses grow up to limit.
func NewDamper(limit time.Duration) *Damper {
	return &Damper{limit: limit, calls: make(map[dampKey]*pause)}
}

// on reports whether rejections of the call are to be passed on.
func (d *Damper) on(k dampKey) bool {
	if d.active.Load() == 0 {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for _, k := range [...]dampKey{k, {key: k.key}} {
		if p := d.calls[k]; p != nil && p.trips >= k.enough() && now.Before(p.until) {
			return true
		}
	}
	return false
}

// trip starts a pause.
func (d *Damper) trip(k dampKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	all := dampKey{key: k.key}
	p := d.calls[all]
	if p != nil && now.After(p.until.Add(d.limit)) {
		delete(d.calls, all) // long ago, and no part of this
		p = nil
	}
	if p == nil || !p.good || d.calls[k] == nil {
		d.lengthen(all, min(d.limit, maxPauseOfAll), now)
	}
	if p != nil {
		p.good = false
	}
	d.lengthen(k, d.limit, now)
	d.active.Store(int64(len(d.calls)))
}

func (d *Damper) lengthen(k dampKey, limit time.Duration, now time.Time) {
	p := d.calls[k]
	switch {
	case p == nil:
		d.sweep(now)
		p = &pause{length: firstPause}
		d.calls[k] = p
	case p.trips < k.enough():
	case now.Before(p.until): // another request of the same moment
		return
	default:
		p.length = min(2*p.length, limit)
	}
	p.trips++
	p.until = now.Add(p.length)
}

// accepted forgets the call.
func (d *Damper) accepted(k dampKey) {
	if d.active.Load() == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.calls[dampKey{key: k.key}]; p != nil {
		p.good = true
	}
	delete(d.calls, k)
	d.active.Store(int64(len(d.calls)))
}

// cured forgets the pause for all calls of the key: a new token did help.
func (d *Damper) cured(key string) { d.accepted(dampKey{key: key}) }

// sweep makes room: calls whose pause is long over go, and if there are still
// too many, any.
func (d *Damper) sweep(now time.Time) {
	if len(d.calls) < maxDamped {
		return
	}
	for k, p := range d.calls {
		if now.After(p.until.Add(d.limit)) {
			delete(d.calls, k)
		}
	}
	for k := range d.calls {
		if len(d.calls) < maxDamped {
			break
		}
		delete(d.calls, k)
	}
}
