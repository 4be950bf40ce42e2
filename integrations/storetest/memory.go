package storetest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// Errors of Memory.
var (
	errEmptyNext    = errors.New("storetest: Swap: next is empty")
	errFailed       = errors.New("storetest: failed by FailNext")
	errLostAnswer   = errors.New("storetest: answer lost by LoseAnswers")
	errDisconnected = errors.New("storetest: disconnected by Disconnect")
)

// A Memory is a [providerauth.Store] and [providerauth.Notifier] in memory, with
// faults. The clients of a process share a Memory as processes share a database.
// Its zero value is ready. It is safe for concurrent use. It must not be copied.
type Memory struct {
	mu      sync.Mutex
	values  map[string]value
	faults  faults
	watches map[*watch]struct{}
	loads   int
	swaps   int
	notices int
}

var (
	_ providerauth.Store    = (*Memory)(nil)
	_ providerauth.Notifier = (*Memory)(nil)
)

// hidden returns bytes that fmt must not print: fmt prints a function as an
// address. The bytes are never changed.
type hidden func() []byte

func hide(b []byte) hidden {
	b = bytes.Clone(b)
	return func() []byte { return b }
}

type value struct {
	bytes hidden
	until time.Time
}

// A Snapshot is the state of a [Memory] at one moment.
type Snapshot struct {
	values map[string]value
}

// Load implements [providerauth.Store]. Its error is the error of ctx or a
// fault.
func (m *Memory) Load(ctx context.Context, key string) (loaded []byte, err error) {
	err = m.do(ctx, &m.loads, func() { loaded = m.currentLocked(key) })
	if err != nil {
		return nil, err
	}
	return loaded, nil
}

// Swap implements [providerauth.Store]. Its error is the error of ctx, a fault,
// or an error for an empty next. A ttl below 1 ms counts as 1 ms.
func (m *Memory) Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (now []byte, err error) {
	if len(next) == 0 {
		return nil, errEmptyNext
	}
	err = m.do(ctx, &m.swaps, func() {
		now = m.currentLocked(key)
		if bytes.Equal(now, prev) && (now == nil) == (prev == nil) {
			m.setLocked(key, value{hide(next), time.Now().Add(max(ttl, time.Millisecond))})
			now = bytes.Clone(next)
		}
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}

// Notify implements [providerauth.Notifier]. Its error is the error of ctx or a
// fault.
func (m *Memory) Notify(ctx context.Context, note []byte) error {
	return m.do(ctx, &m.notices, func() {
		for w := range m.watches {
			w.addLocked(hide(note))
		}
	})
}

// Watch implements [providerauth.Notifier]. It returns the error of ctx, an error
// after [Memory.Disconnect], and an error at once while FailNext has operations
// left to fail, none of which it uses up. A message is not lost by a slow f.
func (m *Memory) Watch(ctx context.Context, f func(note []byte)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w, err := m.open()
	if err != nil {
		return err
	}
	defer m.close(w)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.cut:
			return errDisconnected
		case <-w.wake:
		}
		for _, note := range m.take(w) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			f(bytes.Clone(note()))
		}
	}
}

// Wipe forgets all values, as a server that restarts without its data.
func (m *Memory) Wipe() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values = nil
}

// Snapshot returns the present state, for Restore.
func (m *Memory) Snapshot() Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Snapshot{maps.Clone(m.values)}
}

// Restore brings back the state of an earlier Snapshot, as a failover to a
// replica that had not received the last writes. The time of each value goes on
// from its Swap.
func (m *Memory) Restore(s Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values = maps.Clone(s.values)
}

// Loads returns how many calls of Load have reached the Memory: all calls but
// those with an ended context. Failed calls are among them.
func (m *Memory) Loads() int { return m.count(&m.loads) }

// Swaps does the same for Swap.
func (m *Memory) Swaps() int { return m.count(&m.swaps) }

// Notices does the same for Notify.
func (m *Memory) Notices() int { return m.count(&m.notices) }

func (m *Memory) count(n *int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *n
}

// do counts an operation in n and lets it act, with the next fault. After the
// act it waits for the delay.
func (m *Memory) do(ctx context.Context, n *int, act func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	*n++
	fault, delay := m.faults.take(), m.faults.delay
	if fault != errFailed {
		act()
	}
	m.mu.Unlock()
	if delay > 0 {
		answered := time.NewTimer(delay)
		defer answered.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-answered.C:
		}
	}
	return fault
}

// currentLocked returns a copy of the value of key, nil if there is none.
func (m *Memory) currentLocked(key string) []byte {
	v, ok := m.values[key]
	if !ok || !time.Now().Before(v.until) {
		return nil
	}
	return bytes.Clone(v.bytes())
}

func (m *Memory) setLocked(key string, v value) {
	if m.values == nil {
		m.values = map[string]value{}
	}
	m.values[key] = v
}
