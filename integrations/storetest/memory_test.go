package storetest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// bubble runs f in simulated time with an empty Memory.
func bubble(t *testing.T, f func(t *testing.T, m *storetest.Memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, new(storetest.Memory)) })
}

// put makes value the value of a key without one.
func put(t *testing.T, m *storetest.Memory, key, value string) {
	t.Helper()
	got, err := m.Swap(t.Context(), key, nil, []byte(value), time.Minute)
	if string(got) != value || err != nil {
		t.Fatalf("Swap: %q, %v", got, err)
	}
}

// load returns the value of a key, "" if there is none.
func load(t *testing.T, m *storetest.Memory, key string) string {
	t.Helper()
	got, err := m.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// listen calls Watch until its result is asked for, and collects the notes.
func listen(ctx context.Context, m *storetest.Memory) (notes func() []string, result func() error) {
	var mu sync.Mutex
	var got []string
	var err error
	wait := testkit.Start(func() {
		err = m.Watch(ctx, func(note []byte) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, string(note))
		})
	})
	notes = func() []string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return got
	}
	return notes, func() error { wait(); return err }
}

func TestMemory_Wipe(t *testing.T) {
	bubble(t, func(t *testing.T, m *storetest.Memory) {
		put(t, m, "a", "1")
		m.Wipe()
		testkit.Equal(t, "value", load(t, m, "a"), "")
	})
}

func TestMemory_Restore(t *testing.T) {
	t.Run("brings back the values of the snapshot, and no others", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			put(t, m, "a", "1")
			older := m.Snapshot()
			_, _ = m.Swap(t.Context(), "a", []byte("1"), []byte("2"), time.Minute)
			put(t, m, "b", "3")
			m.Restore(older)
			testkit.Equal(t, "old value", load(t, m, "a"), "1")
			testkit.Equal(t, "later key", load(t, m, "b"), "")
		})
	})
	t.Run("may be repeated", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			empty := m.Snapshot()
			for range 2 {
				put(t, m, "a", "1")
				m.Restore(empty)
			}
			testkit.Equal(t, "value", load(t, m, "a"), "")
		})
	})
	t.Run("does not bring back a value whose time is over", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			put(t, m, "a", "1")
			older := m.Snapshot()
			time.Sleep(time.Minute)
			m.Restore(older)
			testkit.Equal(t, "value", load(t, m, "a"), "")
		})
	})
}

func TestMemory_FailNext(t *testing.T) {
	t.Run("fails n operations, which do not act", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			notes, _ := listen(t.Context(), m)
			m.FailNext(3)
			_, swapErr := m.Swap(t.Context(), "a", nil, []byte("1"), time.Minute)
			_, loadErr := m.Load(t.Context(), "a")
			notifyErr := m.Notify(t.Context(), []byte("n"))
			if swapErr == nil || loadErr == nil || notifyErr == nil {
				t.Errorf("got errors %v, %v, %v", swapErr, loadErr, notifyErr)
			}
			testkit.Equal(t, "value", load(t, m, "a"), "")
			testkit.Equal(t, "notes", len(notes()), 0)
		})
	})
	t.Run("fails Watch, and keeps the faults for operations", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			m.FailNext(1)
			if err := m.Watch(t.Context(), func([]byte) {}); err == nil {
				t.Error("Watch returned nil")
			}
			if _, err := m.Load(t.Context(), "a"); err == nil {
				t.Error("Load did not fail")
			}
		})
	})
	t.Run("0 takes the faults back", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			m.FailNext(5)
			m.FailNext(0)
			put(t, m, "a", "1")
		})
	})
}

func TestMemory_LoseAnswers(t *testing.T) {
	t.Run("fails n operations, which act", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			notes, _ := listen(t.Context(), m)
			m.LoseAnswers(3)
			swapped, swapErr := m.Swap(t.Context(), "a", nil, []byte("1"), time.Minute)
			loaded, loadErr := m.Load(t.Context(), "a")
			notifyErr := m.Notify(t.Context(), []byte("n"))
			if swapErr == nil || loadErr == nil || notifyErr == nil || swapped != nil || loaded != nil {
				t.Errorf("got %q, %v; %q, %v; %v", swapped, swapErr, loaded, loadErr, notifyErr)
			}
			testkit.Equal(t, "value", load(t, m, "a"), "1")
			testkit.Equal(t, "notes", notes(), []string{"n"})
		})
	})
	t.Run("is used up in order with FailNext", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			m.LoseAnswers(1)
			m.FailNext(1)
			for _, key := range []string{"a", "b"} {
				if _, err := m.Swap(t.Context(), key, nil, []byte("1"), time.Minute); err == nil {
					t.Errorf("Swap of %s did not fail", key)
				}
			}
			testkit.Equal(t, "lost", load(t, m, "a"), "1")
			testkit.Equal(t, "failed", load(t, m, "b"), "")
		})
	})
}

func TestMemory_Delay(t *testing.T) {
	t.Run("answers later", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			m.Delay(time.Second)
			start := time.Now()
			put(t, m, "a", "1")
			testkit.Equal(t, "time taken", time.Since(start), time.Second)
		})
	})
	t.Run("ends with the context of the operation, which has acted", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			m.Delay(time.Hour)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := m.Swap(ctx, "a", nil, []byte("1"), 2*time.Hour)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			m.Delay(0)
			testkit.Equal(t, "value", load(t, m, "a"), "1")
		})
	})
}

func TestMemory_ClearFaults(t *testing.T) {
	bubble(t, func(t *testing.T, m *storetest.Memory) {
		m.FailNext(1)
		m.LoseAnswers(1)
		m.Delay(time.Hour)
		m.ClearFaults()
		start := time.Now()
		put(t, m, "a", "1")
		testkit.Equal(t, "time taken", time.Since(start), 0)
	})
}

func TestMemory_Disconnect(t *testing.T) {
	bubble(t, func(t *testing.T, m *storetest.Memory) {
		_, first := listen(t.Context(), m)
		_, second := listen(t.Context(), m)
		m.Disconnect()
		if err := first(); err == nil {
			t.Error("the first Watch returned nil")
		}
		if err := second(); err == nil {
			t.Error("the second Watch returned nil")
		}
		ctx, cancel := context.WithCancel(t.Context())
		notes, again := listen(ctx, m)
		_ = m.Notify(ctx, []byte("n"))
		testkit.Equal(t, "notes after it", notes(), []string{"n"})
		cancel()
		if err := again(); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestMemory_counts(t *testing.T) {
	bubble(t, func(t *testing.T, m *storetest.Memory) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		m.FailNext(1)
		for _, ctx := range []context.Context{t.Context(), t.Context(), ended} {
			_, _ = m.Swap(ctx, "a", nil, []byte("1"), time.Minute)
			_, _ = m.Load(ctx, "a")
			_, _ = m.Load(ctx, "a")
			_ = m.Notify(ctx, []byte("n"))
		}
		testkit.Equal(t, "Swaps, Loads, Notices", [3]int{m.Swaps(), m.Loads(), m.Notices()}, [3]int{2, 4, 2})
	})
}

func TestMemory_Swap(t *testing.T) {
	t.Run("refuses an empty next", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			if _, err := m.Swap(t.Context(), "a", nil, []byte{}, time.Minute); err == nil {
				t.Error("no error")
			}
		})
	})
}

func TestMemory_isNotPrinted(t *testing.T) {
	bubble(t, func(t *testing.T, m *storetest.Memory) {
		put(t, m, "a", "sentinel-value")
		for _, v := range []any{m, m.Snapshot(), struct{ s storetest.Snapshot }{m.Snapshot()}} {
			if form := testkit.Leak(testkit.Shown[providerauth.Error](v), "sentinel-value"); form != "" {
				t.Errorf("%T shows %s", v, form)
			}
		}
	})
}
