package klas_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/klas"
)

func newStoreGuard(t testing.TB, store providerauth.Store, cfg klas.StoreGuardConfig) *klas.StoreGuard {
	t.Helper()
	g, err := klas.NewStoreGuard(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A replica is one process of an operator, with a webhook of its own.
type replica struct {
	http.Handler
	guard   *klas.StoreGuard
	results results
}

// newReplica returns a replica whose guard is on store. By default it lets
// everybody in.
func newReplica(t testing.TB, store providerauth.Store, cfg klas.StoreGuardConfig) *replica {
	return replicaFor(t, newStoreGuard(t, store, cfg), accept(t))
}

func replicaFor(t testing.TB, g *klas.StoreGuard, players klas.Authenticator) *replica {
	results := newResults()
	return &replica{newHook(t, withGuard(g), results.config).AuthenticateHandler(players), g, results}
}

// asked returns what a guard reports of a key for a minute.
func asked(t testing.TB, g *klas.StoreGuard, key string) bool {
	t.Helper()
	seen, err := g.Seen(t.Context(), key, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func forget(t testing.TB, g *klas.StoreGuard, key string) {
	t.Helper()
	if err := g.Forget(t.Context(), key); err != nil {
		t.Error(err)
	}
}

func wantReason(t testing.TB, err, reason error) {
	t.Helper()
	if !errors.Is(err, reason) {
		t.Errorf("error %v, want %v", err, reason)
	}
}

// down lets a store fail until ClearFaults.
const down = 1 << 30

func TestStoreGuard(t *testing.T) {
	t.Run("a webhook is accepted by one replica only", func(t *testing.T) {
		store := new(storetest.Memory)
		first, second := newReplica(t, store, klas.StoreGuardConfig{}), newReplica(t, store, klas.StoreGuardConfig{})
		want(t, post(t, first, compact), ok)
		for _, r := range []*replica{first, second} {
			want(t, post(t, r, compact), badParams)
		}
		<-first.results
		for _, r := range []*replica{first, second} {
			wantReason(t, (<-r.results).Err, klas.ErrReplayed)
		}
	})
	t.Run("of deliveries at the same time one is accepted", func(t *testing.T) {
		store := new(storetest.Memory)
		replicas := []*replica{newReplica(t, store, klas.StoreGuardConfig{}), newReplica(t, store, klas.StoreGuardConfig{})}
		var accepted atomic.Int64
		var all sync.WaitGroup
		for i := range 32 {
			all.Go(func() {
				if post(t, replicas[i%len(replicas)], compact) == ok {
					accepted.Add(1)
				}
			})
		}
		all.Wait()
		testkit.Equal(t, "accepted deliveries", accepted.Load(), 1)
	})
	t.Run("of deliveries at the same time after a failure one is accepted", func(t *testing.T) {
		store := new(storetest.Memory)
		guards := []*klas.StoreGuard{newStoreGuard(t, store, klas.StoreGuardConfig{}), newStoreGuard(t, store, klas.StoreGuardConfig{})}
		asked(t, guards[0], "key")
		forget(t, guards[0], "key")
		var first atomic.Int64
		var all sync.WaitGroup
		for i := range 32 {
			all.Go(func() {
				if seen, err := guards[i%len(guards)].Seen(t.Context(), "key", time.Minute); err == nil && !seen {
					first.Add(1)
				}
			})
		}
		all.Wait()
		testkit.Equal(t, "first deliveries", first.Load(), 1)
	})
	t.Run("a webhook whose work failed is accepted by another replica", func(t *testing.T) {
		store := new(storetest.Memory)
		broken := replicaFor(t, newStoreGuard(t, store, klas.StoreGuardConfig{}), fails(errors.New("the player book is down")))
		other := newReplica(t, store, klas.StoreGuardConfig{})
		want(t, post(t, broken, compact), unknown)
		want(t, post(t, other, compact), ok)
		want(t, post(t, broken, compact), badParams)
	})
	t.Run("a forged webhook does not reach the store", func(t *testing.T) {
		store := new(storetest.Memory)
		r := newReplica(t, store, klas.StoreGuardConfig{})
		want(t, send(t, r, request(compact, sign("forger", compact)), secret), integrityFailed)
		testkit.Equal(t, "operations", store.Loads()+store.Swaps(), 0)
	})
	t.Run("a body is remembered for the ttl", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			g := newStoreGuard(t, new(storetest.Memory), klas.StoreGuardConfig{})
			testkit.Equal(t, "seen at first", asked(t, g, "key"), false)
			time.Sleep(time.Minute - time.Second)
			testkit.Equal(t, "seen before the ttl is over", asked(t, g, "key"), true)
			time.Sleep(time.Second)
			testkit.Equal(t, "seen after the ttl is over", asked(t, g, "key"), false)
		})
	})
	t.Run("guards with other namespaces know nothing of each other", func(t *testing.T) {
		store := new(storetest.Memory)
		for _, x := range []struct{ namespace, key string }{{"", "abc"}, {"a", "bc"}, {"ab", "c"}} {
			g := newStoreGuard(t, store, klas.StoreGuardConfig{Namespace: x.namespace})
			testkit.Equal(t, "seen in "+x.namespace, asked(t, g, x.key), false)
		}
	})
}

func TestStoreGuard_Forget(t *testing.T) {
	t.Run("leaves a body that another guard has accepted", func(t *testing.T) {
		store := new(storetest.Memory)
		first, second := newStoreGuard(t, store, klas.StoreGuardConfig{}), newStoreGuard(t, store, klas.StoreGuardConfig{})
		asked(t, first, "key")
		store.Wipe()
		asked(t, second, "key")
		forget(t, first, "key")
		testkit.Equal(t, "seen", asked(t, first, "key"), true)
	})
	t.Run("of a body that was never seen does nothing", func(t *testing.T) {
		store := new(storetest.Memory)
		g := newStoreGuard(t, store, klas.StoreGuardConfig{})
		forget(t, g, "key")
		testkit.Equal(t, "swaps", store.Swaps(), 0)
	})
	t.Run("fails with the store", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			g := newStoreGuard(t, store, klas.StoreGuardConfig{})
			store.FailNext(down)
			wantReason(t, g.Forget(t.Context(), "key"), providerauth.ErrStoreUnavailable)
		})
	})
	t.Run("leaves a mark that goes by itself", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(noting)
			g := newStoreGuard(t, store, klas.StoreGuardConfig{})
			asked(t, g, "key")
			forget(t, g, "key")
			time.Sleep(time.Hour)
			got, err := store.Load(t.Context(), store.names[0])
			if got != nil || err != nil {
				t.Errorf("a value of %d bytes, %v", len(got), err)
			}
		})
	})
}

func TestStoreGuard_storeFails(t *testing.T) {
	t.Run("a webhook is answered ERR_UNKNOWN, and accepted when the store is back", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			r := newReplica(t, store, klas.StoreGuardConfig{})
			store.FailNext(down)
			want(t, post(t, r, compact), unknown)
			res := <-r.results
			wantReason(t, res.Err, providerauth.ErrStoreUnavailable)
			wantReason(t, res.Err, klas.ErrHandler)
			time.Sleep(time.Minute)
			store.ClearFaults()
			want(t, post(t, r, compact), ok)
		})
	})
	t.Run("a webhook whose Swap failed once is accepted", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			r := newReplica(t, store, klas.StoreGuardConfig{})
			store.FailNext(1)
			want(t, post(t, r, compact), ok)
			testkit.Equal(t, "failures", r.guard.StoreFailures(), 1)
		})
	})
	t.Run("a webhook whose Swap lost its answer is accepted, once", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			first, second := newReplica(t, store, klas.StoreGuardConfig{}), newReplica(t, store, klas.StoreGuardConfig{})
			store.LoseAnswers(1)
			want(t, post(t, first, compact), ok)
			want(t, post(t, second, compact), badParams)
		})
	})
	t.Run("a webhook that was noted and not accepted is accepted by another replica", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			first, second := newReplica(t, store, klas.StoreGuardConfig{}), newReplica(t, store, klas.StoreGuardConfig{})
			store.LoseAnswers(down)
			want(t, post(t, first, compact), unknown)
			store.ClearFaults()
			time.Sleep(time.Second)
			want(t, post(t, second, compact), ok)
		})
	})
	t.Run("a replay stays refused after it met a failing store", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			r := newReplica(t, store, klas.StoreGuardConfig{})
			want(t, post(t, r, compact), ok)
			store.LoseAnswers(down)
			want(t, post(t, r, compact), unknown)
			store.ClearFaults()
			time.Sleep(time.Minute)
			want(t, post(t, r, compact), badParams)
		})
	})
	for name, store := range map[string]func() providerauth.Store{
		"hangs": func() providerauth.Store {
			store := new(storetest.Memory)
			store.Delay(time.Hour)
			return store
		},
		"ignores its context": func() providerauth.Store {
			return swapFunc(func() ([]byte, error) { time.Sleep(time.Hour); return nil, nil })
		},
	} {
		t.Run("a webhook waits for StoreTimeout if the store "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newReplica(t, store(), klas.StoreGuardConfig{StoreTimeout: 2 * time.Second})
				want(t, post(t, r, compact), unknown)
				res := <-r.results
				wantReason(t, res.Err, providerauth.ErrStoreUnavailable)
				testkit.Equal(t, "duration", res.Duration, 2*time.Second)
				time.Sleep(2 * time.Hour)
			})
		})
	}
	t.Run("a webhook whose Swap hangs once is accepted", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			want(t, post(t, newReplica(t, new(hangsOnce), klas.StoreGuardConfig{}), compact), ok)
		})
	})
	t.Run("a limited number of notes is taken back at once", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			g := newStoreGuard(t, store, klas.StoreGuardConfig{})
			store.Delay(time.Hour)
			var all sync.WaitGroup
			for i := range 200 {
				all.Go(func() { _, _ = g.Seen(t.Context(), strconv.Itoa(i), time.Hour) })
			}
			all.Wait()
			store.ClearFaults()
			time.Sleep(time.Minute)
			forgotten := 0
			for i := range 200 {
				if !asked(t, g, strconv.Itoa(i)) {
					forgotten++
				}
			}
			if forgotten == 0 || forgotten > 64 {
				t.Errorf("%d notes were taken back", forgotten)
			}
		})
	})
	t.Run("a store that does not return holds a limited number of goroutines", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var calls atomic.Int64
			g := newStoreGuard(t, swapFunc(func() ([]byte, error) { calls.Add(1); time.Sleep(time.Hour); return nil, nil }), klas.StoreGuardConfig{})
			for range 200 {
				if _, err := g.Seen(t.Context(), "key", time.Minute); !errors.Is(err, providerauth.ErrStoreUnavailable) {
					t.Fatal(err)
				}
			}
			if got := calls.Load(); got < 64 || got > 70 {
				t.Errorf("%d operations hang", got)
			}
			time.Sleep(2 * time.Hour)
		})
	})
	for name, swap := range map[string]swapFunc{
		"panics":        func() ([]byte, error) { panic("x") },
		"forgets":       func() ([]byte, error) { return nil, nil },
		"forgets again": func() ([]byte, error) { return []byte("f"), nil },
	} {
		t.Run("a webhook is answered ERR_UNKNOWN if the store "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				want(t, post(t, newReplica(t, swap, klas.StoreGuardConfig{}), compact), unknown)
				time.Sleep(time.Minute)
			})
		})
	}
	t.Run("a body counts as seen if its value is of another program", func(t *testing.T) {
		g := newStoreGuard(t, swapFunc(func() ([]byte, error) { return []byte("another"), nil }), klas.StoreGuardConfig{})
		testkit.Equal(t, "seen", asked(t, g, "key"), true)
	})
}

func TestStoreGuard_FailOpen(t *testing.T) {
	open := klas.StoreGuardConfig{FailOpen: true}
	t.Run("accepts webhooks while the store fails", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			r := newReplica(t, store, open)
			store.FailNext(down)
			want(t, post(t, r, compact), ok)
			if r.guard.StoreFailures() == 0 {
				t.Error("no failure was counted")
			}
		})
	})
	t.Run("remembers a webhook that was noted before the store failed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			r := newReplica(t, store, open)
			store.LoseAnswers(down)
			want(t, post(t, r, compact), ok)
			store.ClearFaults()
			time.Sleep(time.Minute)
			want(t, post(t, r, compact), badParams)
		})
	})
	t.Run("refuses what the store has seen", func(t *testing.T) {
		r := newReplica(t, new(storetest.Memory), open)
		want(t, post(t, r, compact), ok)
		want(t, post(t, r, compact), badParams)
	})
	t.Run("accepts nothing after HandlerTimeout", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			g := newStoreGuard(t, store, klas.StoreGuardConfig{FailOpen: true, StoreTimeout: time.Minute})
			h := newHook(t, withGuard(g)).AuthenticateHandler(unreachable(t))
			store.Delay(time.Hour)
			want(t, post(t, h, compact), unknown)
			time.Sleep(time.Hour)
		})
	})
	t.Run("refuses a replay that met a slow store", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := new(storetest.Memory)
			r := newReplica(t, store, klas.StoreGuardConfig{FailOpen: true, StoreTimeout: time.Minute})
			want(t, post(t, r, compact), ok)
			store.Delay(6 * time.Second)
			want(t, post(t, r, compact), unknown)
			store.ClearFaults()
			time.Sleep(time.Hour)
			want(t, post(t, r, compact), badParams)
		})
	})
}

func TestStoreGuard_register(t *testing.T) {
	store := new(noting)
	g := newStoreGuard(t, store, klas.StoreGuardConfig{Namespace: "{brand}"})
	for _, key := range []string{"", "key", "{slot}", "a\r\nDEL b", strings.Repeat("k", 1000)} {
		asked(t, g, key)
	}
	t.Run("has a name of fixed form", func(t *testing.T) {
		form := regexp.MustCompile(`^klas:[A-Za-z0-9_-]{24}$`)
		for _, name := range store.names {
			if !form.MatchString(name) {
				t.Errorf("name %q", name)
			}
		}
	})
	t.Run("has a value that is used once", func(t *testing.T) {
		used := map[string]bool{}
		for _, value := range store.values {
			used[value] = true
		}
		testkit.Equal(t, "values", len(used), len(store.names))
	})
	t.Run("keeps its name from release to release", func(t *testing.T) {
		testkit.Equal(t, "name", store.names[1], "klas:gQ2A2kenQSrT1tiWWn6airbk")
	})
}

func TestNewStoreGuard(t *testing.T) {
	_, err := klas.NewStoreGuard(nil, klas.StoreGuardConfig{StoreTimeout: -1})
	var e *klas.Error
	if !errors.As(err, &e) || !errors.Is(err, providerauth.ErrInvalidRequest) {
		t.Fatal(err)
	}
	testkit.Equal(t, "Op", e.Op, "NewStoreGuard")
	testkit.Equal(t, "fields", e.Fields, map[string]string{"store": "is required", "StoreTimeout": "must not be negative"})
}

func TestStoreGuard_printsNoStore(t *testing.T) {
	store := &struct {
		storetest.Memory
		Password string
	}{Password: "sentinel-password"}
	g := newStoreGuard(t, store, klas.StoreGuardConfig{})
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if got := leak(fmt.Sprintf(verb, g)); got != "" {
			t.Errorf("%s prints the store: %s", verb, got)
		}
	}
}

// hangsOnce is a store whose first Swap does not return in time.
type hangsOnce struct {
	storetest.Memory
	hung atomic.Bool
}

func (s *hangsOnce) Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
	if !s.hung.Swap(true) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Memory.Swap(ctx, key, prev, next, ttl)
}

// noting keeps what Swap is given. It is for one goroutine.
type noting struct {
	storetest.Memory
	names, values []string
}

func (r *noting) Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
	r.names, r.values = append(r.names, key), append(r.values, string(next))
	return r.Memory.Swap(ctx, key, prev, next, ttl)
}

// swapFunc is a store that breaks its contract.
type swapFunc func() ([]byte, error)

func (f swapFunc) Load(context.Context, string) ([]byte, error) { return f() }

func (f swapFunc) Swap(context.Context, string, []byte, []byte, time.Duration) ([]byte, error) {
	return f()
}
