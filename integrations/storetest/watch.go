package storetest

// A watch is a running call of Memory.Watch. The Memory's lock guards notes.
type watch struct {
	notes []hidden
	wake  chan struct{} // has a buffer of 1; there are notes
	cut   chan struct{} // closed by Disconnect
}

// addLocked gives a note to the watch.
func (w *watch) addLocked(note hidden) {
	w.notes = append(w.notes, note)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Disconnect ends all running calls of Watch, as a lost connection does. Later
// calls of Watch connect again.
func (m *Memory) Disconnect() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w := range m.watches {
		close(w.cut)
	}
	m.watches = nil
}

func (m *Memory) open() (*watch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.faults.failing() {
		return nil, errFailed
	}
	if m.watches == nil {
		m.watches = map[*watch]struct{}{}
	}
	w := &watch{wake: make(chan struct{}, 1), cut: make(chan struct{})}
	m.watches[w] = struct{}{}
	return w, nil
}

func (m *Memory) close(w *watch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.watches, w)
}

// take returns the notes of w that are new.
func (m *Memory) take(w *watch) []hidden {
	m.mu.Lock()
	defer m.mu.Unlock()
	notes := w.notes
	w.notes = nil
	return notes
}
