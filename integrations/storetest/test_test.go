package storetest_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestTest_Memory(t *testing.T) {
	t.Run("keeps the contract", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			if err := storetest.Test(t.Context(), m, storetest.Options{Prefix: "p:", Disconnect: m.Disconnect}); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("keeps the contract by several handles", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			others := []providerauth.Store{m, m}
			if err := storetest.Test(t.Context(), m, storetest.Options{Callers: 7, Others: others}); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestTest_ctx(t *testing.T) {
	t.Run("that ends stops Test", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			if err := storetest.Test(ctx, m, storetest.Options{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			testkit.Equal(t, "time taken", time.Since(start), time.Second)
		})
	})
}

func TestTest_aStoreThatIsDown(t *testing.T) {
	bubble(t, func(t *testing.T, m *storetest.Memory) {
		m.FailNext(1 << 30)
		err := storetest.Test(t.Context(), m, storetest.Options{})
		if err == nil {
			t.Fatal("no error")
		}
		testkit.Contains(t, err.Error(), absent, fromNil, oneWins, reaches, "failed by FailNext", "27 further errors")
	})
}

func TestTest_slowStore(t *testing.T) {
	t.Run("is not blamed for values that went meanwhile", func(t *testing.T) {
		bubble(t, func(t *testing.T, _ *storetest.Memory) {
			b := new(broken)
			var pauses int
			b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
				if ttl == time.Second && pauses < 3 {
					pauses++
					defer time.Sleep(2 * time.Second)
				}
				return b.Memory.Swap(ctx, key, prev, next, ttl)
			}
			if err := storetest.Test(t.Context(), b, storetest.Options{}); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestTest_findsTheDefect(t *testing.T) {
	for name, x := range defects {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(broken)
				x.defect(b)
				defer time.Sleep(2 * time.Minute) // some broken stores end that late
				err := storetest.Test(t.Context(), b, storetest.Options{Disconnect: b.Disconnect})
				if err == nil || !strings.Contains(err.Error(), "storetest: "+x.rule+": ") {
					t.Errorf("the broken rule %q is not named in: %v", x.rule, err)
				}
			})
		})
	}
}

func TestTest_hasADefectForEachRule(t *testing.T) {
	broken := map[string]bool{}
	for _, x := range defects {
		broken[x.rule] = true
	}
	rules := storetest.Rules()
	slices.Sort(rules)
	testkit.Equal(t, "rules that a defect breaks", slices.Sorted(maps.Keys(broken)), rules)
}

// stale reads as another process does whose connection leads to a replica.
type stale struct{ providerauth.Store }

func (s stale) Load(ctx context.Context, _ string) ([]byte, error) { return nil, ctx.Err() }

func TestTest_Others(t *testing.T) {
	t.Run("are tried", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			err := storetest.Test(t.Context(), m, storetest.Options{Others: []providerauth.Store{stale{m}}})
			if err == nil || !strings.Contains(err.Error(), "Load by handle 1 after Swap 1 by handle 0: got nil, want value 1") {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("on another store are found", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			err := storetest.Test(t.Context(), m, storetest.Options{Others: []providerauth.Store{new(storetest.Memory)}})
			if err == nil {
				t.Fatal("no error")
			}
			testkit.Contains(t, err.Error(), last, oneWins, reaches)
		})
	})
	t.Run("need not be a Notifier", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *storetest.Memory) {
			plain := struct{ providerauth.Store }{m}
			for _, s := range []providerauth.Store{m, plain} {
				if err := storetest.Test(t.Context(), s, storetest.Options{Others: []providerauth.Store{plain, m}}); err != nil {
					t.Error(err)
				}
			}
		})
	})
}
