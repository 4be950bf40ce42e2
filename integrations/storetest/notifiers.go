package storetest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// notifierRules hold for a store that implements [providerauth.Notifier].
var notifierRules = []rule{
	{"Notify reaches Watch of every handle", func(c *check) {
		handles := c.notifiers()
		watches := c.watchAll(handles)
		defer c.endAll(watches)
		for i, h := range handles {
			note := append([]byte{0, 0xff, '\r', '\n'}, c.value("note")...)
			if !c.deliver(h, note, watches) {
				c.failf("sent by handle %d", i)
				return
			}
		}
	}},
	{"Watch calls f by one goroutine at a time", func(c *check) {
		handles := c.notifiers()
		watches := c.watchAll(handles)
		defer c.endAll(watches)
		if len(handles) == 0 || !c.deliver(handles[0], c.value("note"), watches) {
			return
		}
		for _, w := range watches {
			w.slow.Store(true)
		}
		c.crowd(func(i int, _ providerauth.Store) {
			if err := c.notify(handles[i%len(handles)], c.value("note")); err != nil {
				c.failf("Notify: %w", err)
			}
		})
		// When this note has arrived, so have the others, or they are lost.
		c.deliver(handles[0], c.value("last note"), watches)
		for i, w := range watches {
			if w.overlapped.Load() {
				c.failf("watch %d had two calls of f at a time", i)
			}
		}
	}},
	{"Watch returns when its context ends, and calls f no more", func(c *check) {
		for _, h := range c.notifiers() {
			ended, other := c.watch(h), c.watch(h)
			watches := []*watching{ended, other}
			if !c.deliver(h, c.value("note"), watches) || !c.end(ended) {
				c.endAll(watches)
				return
			}
			before := ended.calls.Load()
			c.deliver(h, c.value("later note"), watches[1:])
			c.sleep(10 * time.Millisecond) // for a call of f that is a little later
			if n := ended.calls.Load() - before; n > 0 {
				c.failf("f was called %d times after Watch had returned", n)
			}
			c.endAll(watches[1:])
		}
	}},
	{"with an ended context Watch returns, and Notify returns its error", func(c *check) {
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		for _, h := range c.notifiers() {
			c.end(c.watchUntil(ctx, h, cancel))
			if err := h.Notify(ctx, c.value("note")); !errors.Is(err, context.Canceled) {
				c.failf("Notify: got error %v, want %w", err, context.Canceled)
			}
		}
	}},
	{"Watch returns when the connection is lost", func(c *check) {
		if c.options.Disconnect == nil {
			return
		}
		handles := c.notifiers()
		watches := c.watchAll(handles)
		defer c.endAll(watches)
		for i := range watches {
			if !c.deliver(handles[i], c.value("note"), watches[i:i+1]) {
				return
			}
		}
		c.options.Disconnect()
		for i, w := range watches {
			if !w.returned() {
				c.failf("watch %d did not return within %v", i, patience)
				return
			}
		}
	}},
}

// A watching is a call of Watch.
type watching struct {
	cancel     context.CancelFunc
	done       chan struct{} // closed when Watch has returned
	err        error         // of Watch, when done is closed
	calls      atomic.Int64  // of f
	running    atomic.Int64
	overlapped atomic.Bool
	slow       atomic.Bool // makes calls of f last, so that they may overlap

	mu   sync.Mutex
	last []byte
	news chan struct{} // has a buffer of 1; last has changed
}

// notifiers returns the handles that implement Notifier, none if the first does
// not.
func (c *check) notifiers() []providerauth.Notifier {
	var all []providerauth.Notifier
	if _, ok := c.stores[0].(providerauth.Notifier); !ok {
		return nil
	}
	for _, s := range c.stores {
		if n, ok := s.(providerauth.Notifier); ok {
			all = append(all, n)
		}
	}
	return all
}

func (c *check) watchAll(handles []providerauth.Notifier) []*watching {
	var all []*watching
	for _, h := range handles {
		all = append(all, c.watch(h))
	}
	return all
}

func (c *check) watch(h providerauth.Notifier) *watching {
	ctx, cancel := context.WithCancel(c.ctx)
	return c.watchUntil(ctx, h, cancel)
}

func (c *check) watchUntil(ctx context.Context, h providerauth.Notifier, cancel context.CancelFunc) *watching {
	w := &watching{cancel: cancel, done: make(chan struct{}), news: make(chan struct{}, 1)}
	go func() {
		defer close(w.done)
		w.err = h.Watch(ctx, w.f)
	}()
	return w
}

func (w *watching) f(note []byte) {
	w.calls.Add(1)
	if w.running.Add(1) > 1 {
		w.overlapped.Store(true)
	}
	if w.slow.Load() {
		time.Sleep(time.Millisecond)
	}
	w.mu.Lock()
	w.last = bytes.Clone(note)
	w.mu.Unlock()
	w.running.Add(-1)
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (w *watching) has(note []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Equal(w.last, note)
}

// returned waits until Watch returns, and reports whether it did.
func (w *watching) returned() bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-w.done:
		return true
	case <-late.C:
		return false
	}
}

// end ends a Watch, and reports whether it returned.
func (c *check) end(w *watching) bool {
	w.cancel()
	if w.returned() {
		return true
	}
	c.failf("Watch did not return within %v after its context ended", patience)
	return false
}

func (c *check) endAll(watches []*watching) {
	for _, w := range watches {
		w.cancel()
	}
	for _, w := range watches {
		if !c.end(w) {
			return
		}
	}
}

func (c *check) notify(h providerauth.Notifier, note []byte) error {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	return h.Notify(ctx, note)
}

// deliver sends a note until all watches have it: Watch may not listen yet, and
// messages may be lost.
func (c *check) deliver(h providerauth.Notifier, note []byte, watches []*watching) bool {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	for i, w := range watches {
		for pause := time.Millisecond; !w.has(note); pause = min(2*pause, 100*time.Millisecond) {
			if ctx.Err() != nil {
				c.failf("a note sent again and again did not arrive at watch %d within %v", i, patience)
				return false
			}
			if err := h.Notify(ctx, note); err != nil {
				c.failf("Notify: %w", err)
				return false
			}
			if !w.wait(note, pause) {
				c.failf("watch %d returned early: %v", i, w.err)
				return false
			}
		}
	}
	return true
}

// wait waits until the watching has a note, for d at most. It reports whether
// Watch still runs.
func (w *watching) wait(note []byte, d time.Duration) bool {
	late := time.NewTimer(d)
	defer late.Stop()
	for !w.has(note) {
		select {
		case <-w.news:
		case <-late.C:
			return true
		case <-w.done:
			return false
		}
	}
	return true
}
