package tokencache

import (
	"container/heap"
	"container/list"
	"sync"
	"time"
)

const (
	// maxFailures bounds the failures, of at most 1 KiB each, to 16 MiB
	// together: anybody can make up keys and have them refused.
	maxFailures = 16 << 10

	forgetAtOnce = 500         // slots taken from the timetable before it releases its mutex
	forgetEvery  = time.Second // the timer does not fire more often
)

// A timetable knows when each slot can be forgotten, and which failure is the
// oldest. Its mutex may be taken while a shard's is held, not the other way
// round.
type timetable[K, S comparable, T any] struct {
	bound  int    // of failures
	forget func() // called by the timer

	mu       sync.Mutex
	byTime   dueHeap[K, S, T]
	failures list.List // of *slot, the oldest failure first
	until    int64     // when the last back-off ends, in Unix ns
	timer    *time.Timer
	armed    int64 // when the timer fires; 0: it does not
	closed   bool
}

// failed puts the slot's failure behind all others. Beyond the bound it returns the
// slot of the oldest failure, which the caller has to forget when it holds no
// lock.
func (t *timetable[K, S, T]) failed(sl *slot[K, S, T], retryAt int64) (oldest *slot[K, S, T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = max(t.until, retryAt)
	if sl.age != nil {
		t.failures.MoveToBack(sl.age)
		return nil
	}
	sl.age = t.failures.PushBack(sl)
	if t.failures.Len() <= t.bound {
		return nil
	}
	oldest, _ = t.failures.Remove(t.failures.Front()).(*slot[K, S, T])
	oldest.age = nil
	return oldest
}

// recovered removes the slot's failure.
func (t *timetable[K, S, T]) recovered(sl *slot[K, S, T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if sl.age != nil {
		t.failures.Remove(sl.age)
		sl.age = nil
	}
	if t.failures.Len() == 0 {
		t.until = 0
	}
}

// lists reports whether the slot's failure counts.
func (t *timetable[K, S, T]) lists(sl *slot[K, S, T]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return sl.age != nil
}

// backoffUntil is when the last back-off ends, at the latest; 0: there is none.
func (t *timetable[K, S, T]) backoffUntil() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.until
}

// set has the slot looked at when it is due; 0: not at all.
func (t *timetable[K, S, T]) set(sl *slot[K, S, T], due, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sl.due = due
	switch {
	case due == 0 && sl.place >= 0:
		heap.Remove(&t.byTime, sl.place)
	case due == 0:
	case sl.place >= 0:
		heap.Fix(&t.byTime, sl.place)
	default:
		heap.Push(&t.byTime, sl)
	}
	t.armLocked(now)
}

// take removes up to forgetAtOnce due slots from the timetable, and returns them.
func (t *timetable[K, S, T]) take(now int64) (due []*slot[K, S, T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed = 0
	for len(t.byTime) > 0 && t.byTime[0].due <= now && len(due) < forgetAtOnce {
		sl, _ := heap.Pop(&t.byTime).(*slot[K, S, T])
		due = append(due, sl)
	}
	return due
}

func (t *timetable[K, S, T]) arm(now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armLocked(now)
}

// armLocked sets the timer to the first due time. Slots already due wait for it as
// well. The timetable's mutex is held.
func (t *timetable[K, S, T]) armLocked(now int64) {
	if len(t.byTime) == 0 || t.closed {
		return
	}
	at := max(t.byTime[0].due, now+int64(forgetEvery))
	if t.armed != 0 && t.armed <= at {
		return
	}
	t.armed = at
	if t.timer == nil {
		t.timer = time.AfterFunc(time.Duration(at-now), t.forget)
		return
	}
	t.timer.Reset(time.Duration(at - now))
}

func (t *timetable[K, S, T]) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

// A dueHeap has the slot with the earliest due time at its root.
type dueHeap[K, S comparable, T any] []*slot[K, S, T]

func (h dueHeap[K, S, T]) Len() int           { return len(h) }
func (h dueHeap[K, S, T]) Less(i, j int) bool { return h[i].due < h[j].due }

func (h dueHeap[K, S, T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *dueHeap[K, S, T]) Push(x any) {
	sl, _ := x.(*slot[K, S, T])
	sl.place = len(*h)
	*h = append(*h, sl)
}

func (h *dueHeap[K, S, T]) Pop() any {
	last := len(*h) - 1
	sl := (*h)[last]
	sl.place = -1
	(*h)[last] = nil
	*h = (*h)[:last]
	return sl
}
