package attach

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	firstPause = time.Second
	maxDamped  = 10_000
)

// A Damper keeps calls that are rejected for another reason than their token
// from having tokens replaced for ever. When even a replay with a new token is
// rejected, rejections of that call are passed on for a second, twice as long
// each time it happens again, up to a limit, until one is accepted.
type Damper struct {
	limit time.Duration

	active atomic.Int64 // how many calls are remembered: 0 spares accepted calls the lock
	mu     sync.Mutex
	calls  map[dampKey]*pause
}

type dampKey struct{ key, method, path string }

type pause struct {
	until  time.Time
	length time.Duration
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
	p := d.calls[k]
	return p != nil && time.Now().Before(p.until)
}

// trip starts a pause.
func (d *Damper) trip(k dampKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	p := d.calls[k]
	switch {
	case p == nil:
		d.sweep(now)
		p = &pause{length: firstPause}
		d.calls[k] = p
	case now.Before(p.until): // another request of the same moment
		return
	default:
		p.length = min(2*p.length, d.limit)
	}
	p.until = now.Add(p.length)
	d.active.Store(int64(len(d.calls)))
}

// accepted forgets the call.
func (d *Damper) accepted(k dampKey) {
	if d.active.Load() == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.calls, k)
	d.active.Store(int64(len(d.calls)))
}

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
