package storetest

import (
	"slices"
	"time"
)

// faults are used up in the order of the calls, at most one by each operation.
type faults struct {
	plan  []fault
	delay time.Duration
}

// A fault is the error of the next operations. With errFailed they do not act.
type fault struct {
	err  error
	left int
}

func (f *faults) add(n int, err error) {
	if n <= 0 {
		f.plan = slices.DeleteFunc(f.plan, func(x fault) bool { return x.err == err })
		return
	}
	f.plan = append(f.plan, fault{err, n})
}

// take returns the fault of an operation, nil if there is none.
func (f *faults) take() error {
	if len(f.plan) == 0 {
		return nil
	}
	err := f.plan[0].err
	f.plan[0].left--
	if f.plan[0].left == 0 {
		f.plan = f.plan[1:]
	}
	return err
}

// failing reports whether the next operation would fail without acting.
func (f *faults) failing() bool { return len(f.plan) > 0 && f.plan[0].err == errFailed }

// FailNext lets the next n operations fail without acting. Operations are Load,
// Swap and Notify. Faults are used up in the order of the calls; n of 0 or less
// takes back those of FailNext.
func (m *Memory) FailNext(n int) { m.addFault(n, errFailed) }

// LoseAnswers lets the next n operations act, and then fail, as if the
// connection broke before the answer. n of 0 or less takes back those of
// LoseAnswers.
func (m *Memory) LoseAnswers(n int) { m.addFault(n, errLostAnswer) }

func (m *Memory) addFault(n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.add(n, err)
}

// Delay lets every operation answer d after it has acted, from the next
// operation on; 0 ends it. If the context of an operation ends before that, the
// operation returns the error of its context, although it has acted. Messages
// reach Watch without a delay.
func (m *Memory) Delay(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.delay = d
}

// ClearFaults takes back all remaining faults, Delay included.
func (m *Memory) ClearFaults() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = faults{}
}
