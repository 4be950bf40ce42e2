package tokencache_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// A fleet is several caches over one store, as several processes would be.
type fleet struct {
	*planet
	store  *storetest.Memory
	caches []*cache
}

// A planet is a provider: a new token kills the old token, and a grant is spent by
// its use.
type planet struct {
	life    time.Duration
	latency func() time.Duration
	lose    func() bool // whether the answer to a request is lost after it acted

	mu                           sync.Mutex
	tokens, running, most        int
	live, grant                  map[string]string // by key
	logins, renewals, spentAgain int
	issued                       map[string]time.Time // the expiry of each token
	early                        int                  // creations while the token before was not due
}

func newPlanet(life time.Duration) *planet {
	return &planet{
		life: life, latency: func() time.Duration { return 40 * time.Millisecond },
		live: map[string]string{}, grant: map[string]string{}, issued: map[string]time.Time{},
	}
}

func (p *planet) create(_ context.Context, a ask) (issued, error) {
	return p.act(a, func() { p.logins++ })
}

func (p *planet) renew(_ context.Context, a ask) (issued, error) {
	p.mu.Lock()
	ok := "G"+a.Previous.value == p.grant[a.Key]
	if !ok {
		p.spentAgain++
	}
	p.mu.Unlock()
	if !ok {
		return issued{}, &failure{err: tokencache.ErrGrantRefused}
	}
	return p.act(a, func() { p.renewals++ })
}

func (p *planet) act(a ask, count func()) (issued, error) {
	p.mu.Lock()
	p.running++
	p.most = max(p.most, p.running)
	p.mu.Unlock()
	time.Sleep(p.latency() / 2)
	p.mu.Lock()
	count()
	p.tokens++
	value := fmt.Sprint("T", p.tokens)
	p.live[a.Key], p.grant[a.Key] = value, "G"+value
	expiresAt := time.Now().Add(p.life)
	p.mu.Unlock()
	time.Sleep(p.latency() / 2)
	p.mu.Lock()
	p.running--
	p.mu.Unlock()
	if p.lose != nil && p.lose() {
		return issued{}, errLost
	}
	return issued{Token: token{value: value}, ID: id(value), ExpiresAt: expiresAt}, nil
}

// kill is a creation by another system.
func (p *planet) kill(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live[key] = "another system's"
}

func (p *planet) accepts(key, value string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live[key] == value
}

func (p *planet) created() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tokens
}

// testCodec is the codec of the tests. skew is how wrong the process's clock is.
type testCodec struct{ skew *atomic.Int64 }

type storedTest struct{ Scope, Value string }

func (testCodec) Register(key string) string { return tokencache.RegisterName("test", key) }

func (c testCodec) Offset() time.Duration {
	if c.skew == nil {
		return 0
	}
	return time.Duration(c.skew.Load())
}

func (testCodec) Marshal(scope string, t token) ([]byte, error) {
	return json.Marshal(storedTest{scope, t.value})
}

func (testCodec) Unmarshal(_ string, data []byte, _ time.Time) (string, token, credential.ID, error) {
	var s storedTest
	err := json.Unmarshal(data, &s)
	return s.Scope, token{value: s.Value}, id(s.Value), err
}

func (testCodec) Adopt(token)                          {}
func (testCodec) MarshalKey(key string) string         { return key }
func (testCodec) UnmarshalKey(s string) (string, bool) { return s, true }

const testStoreKey = "a key of thirty-two characters.."

func sharing(store providerauth.Store, codec testCodec, keys ...string) *tokencache.Sharing[string, string, token] {
	if keys == nil {
		keys = []string{testStoreKey}
	}
	o := tokencache.StoreOptions{Store: store, Keys: providerauth.StaticSecrets(keys[0], keys[1:]...), Timeout: 500 * time.Millisecond}
	return tokencache.Share(o, codec)
}

// newFleet starts n caches over a new store.
func newFleet(t *testing.T, n int, mode tokencache.Mode, p *planet, change ...func(*config)) *fleet {
	t.Helper()
	f := &fleet{planet: p, store: &storetest.Memory{}}
	f.store.Delay(200 * time.Microsecond)
	for range n {
		f.join(t, mode, change...)
	}
	return f
}

// join adds a cache to the fleet.
func (f *fleet) join(t *testing.T, mode tokencache.Mode, change ...func(*config)) *cache {
	t.Helper()
	cfg := config{
		Mode: mode, Retriever: fetch(f.create), AttemptTimeout: time.Second, MaxEntries: 1000,
		Suspect: func(t token) token { t.suspect = true; return t },
		Sharing: sharing(f.store, testCodec{}),
	}
	if mode == tokencache.SingleUse {
		cfg.Renewer, cfg.Renewable = fetch(f.renew), func(t token) bool { return t.value != "" }
	}
	for _, c := range change {
		c(&cfg)
	}
	c := tokencache.New(cfg)
	t.Cleanup(c.Close)
	f.caches = append(f.caches, c)
	return c
}

// call makes a request as a user, with the repeats of session.
func (p *planet) call(ctx context.Context, c *cache, key string) error {
	tok, err := c.Get(ctx, key, "")
	for replaced := 0; err == nil; replaced++ {
		time.Sleep(time.Millisecond)
		if p.accepts(key, tok.value) {
			c.Accept(key, credential.New(tok.value))
			return nil
		}
		first := c.Reject(key, id(tok.value))
		last := tok
		tok, err = c.Get(ctx, key, "")
		if err == nil && (replaced == 4 || tok.value == last.value && !first) {
			return errRejected
		}
	}
	return err
}

var errRejected = errors.New("rejected")

// tally is what callers of a fleet met.
type tally struct {
	mu     sync.Mutex
	calls  int
	failed map[string]int
}

func (y *tally) add(err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.calls++
	if err != nil {
		y.failed[err.Error()]++
	}
}

func (y *tally) failures() (n int) {
	for _, k := range y.failed {
		n += k
	}
	return n
}

// drive has four callers of each cache make calls for a time.
func (f *fleet) drive(ctx context.Context, d time.Duration, call func(ctx context.Context, c *cache, key string) error) *tally {
	y := &tally{failed: map[string]int{}}
	stop := time.Now().Add(d)
	var callers sync.WaitGroup
	for i, c := range f.caches {
		for g := range 4 {
			random := rand.New(rand.NewPCG(uint64(i), uint64(g)))
			callers.Go(func() {
				for time.Now().Before(stop) {
					time.Sleep(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
					y.add(call(ctx, c, "p"))
				}
			})
		}
	}
	callers.Wait()
	return y
}

func (f *fleet) stats() (sum providerauth.Stats) {
	for _, c := range f.caches {
		s := c.Stats()
		sum.Refreshes += s.Refreshes
		sum.Adopted += s.Adopted
		sum.Takeovers += s.Takeovers
		sum.Conflicts += s.Conflicts
		sum.Restored += s.Restored
		sum.StoreFailures += s.StoreFailures
		sum.NoticesDropped += s.NoticesDropped
		sum.Unsaved += s.Unsaved
	}
	return sum
}

// expect states what the callers of a fleet may meet.
func (y *tally) expect(t *testing.T, mostFailed int) {
	t.Helper()
	if n := y.failures(); n > mostFailed {
		t.Errorf("%d of %d calls failed, want at most %d: %v", n, y.calls, mostFailed, y.failed)
	}
}

func atMost(t *testing.T, what string, got, most int) {
	t.Helper()
	if got > most {
		t.Errorf("%s: %d, want at most %d", what, got, most)
	}
}

func TestFleet_Exclusive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 8, tokencache.Exclusive, newPlanet(10*time.Second))
		f.drive(t.Context(), 10*time.Minute, f.call).expect(t, 0)
		atMost(t, "creations", f.tokens, 81)
		atMost(t, "creations at once", f.most, 1)
	})
}

func TestFleet_SingleUse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 8, tokencache.SingleUse, newPlanet(10*time.Second))
		f.drive(t.Context(), 10*time.Minute, func(ctx context.Context, c *cache, key string) error {
			_, err := c.Get(ctx, key, "")
			return err
		}).expect(t, 0)
		equal(t, "logins", f.logins, 1)
		equal(t, "grants sent again", f.spentAgain, 0)
	})
}

func TestFleet_Overlap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 8, tokencache.Overlap, newPlanet(10*time.Second))
		f.drive(t.Context(), 10*time.Minute, func(ctx context.Context, c *cache, key string) error {
			_, err := c.Get(ctx, key, "")
			return err
		}).expect(t, 0)
		atMost(t, "creations", f.tokens, 81)
	})
}

// A store loses everything, falls back to an older state, loses answers, or is down.
func TestFleet_storeFaults(t *testing.T) {
	faults := map[string]struct {
		strike     func(s *storetest.Memory, round int)
		mostFailed int
	}{
		"wiped": {func(s *storetest.Memory, _ int) { s.Wipe() }, 0},
		"an older state": {func(s *storetest.Memory, _ int) {
			old := s.Snapshot()
			time.Sleep(12 * time.Second)
			s.Restore(old)
		}, 0},
		"lost answers": {func(s *storetest.Memory, _ int) {
			s.LoseAnswers(3)
		}, 0},
		"down for three seconds": {func(s *storetest.Memory, _ int) {
			s.FailNext(1 << 30)
			time.Sleep(3 * time.Second)
			s.FailNext(0)
		}, 0},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, 8, tokencache.Exclusive, newPlanet(20*time.Second))
				ctx, cancel := context.WithCancel(t.Context())
				var striking sync.WaitGroup
				striking.Go(func() {
					for round := 0; ; round++ {
						select {
						case <-ctx.Done():
							return
						case <-time.After(time.Minute + time.Duration(round)*777*time.Millisecond):
							fault.strike(f.store, round)
						}
					}
				})
				f.drive(t.Context(), 20*time.Minute, f.call).expect(t, fault.mostFailed)
				cancel()
				striking.Wait()
				atMost(t, "creations", f.tokens, 82)
				atMost(t, "creations at once", f.most, 1)
			})
		})
	}
}

func TestFleet_limiter(t *testing.T) {
	for _, n := range []int{1, 8} {
		t.Run(fmt.Sprint(n, " processes"), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, n, tokencache.Exclusive, newPlanet(time.Hour))
				ctx, cancel := context.WithCancel(t.Context())
				var other sync.WaitGroup
				other.Go(func() {
					for ctx.Err() == nil {
						time.Sleep(100 * time.Millisecond)
						f.kill("p")
					}
				})
				f.drive(t.Context(), 10*time.Minute, f.call)
				cancel()
				other.Wait()
				atMost(t, "creations beside the first", f.tokens-1, 125)
			})
		})
	}
}

func TestFleet_twoKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 4, tokencache.Exclusive, newPlanet(time.Hour))
		for range 4 {
			f.join(t, tokencache.Exclusive, func(cfg *config) {
				cfg.Sharing = sharing(f.store, testCodec{}, "another key of 32 characters....")
			})
		}
		y := f.drive(t.Context(), 10*time.Minute, func(ctx context.Context, c *cache, key string) error {
			err := f.call(ctx, c, key)
			if err != nil && !errors.Is(err, providerauth.ErrStoreUnavailable) {
				t.Errorf("error: %v", err)
			}
			return err
		})
		equal(t, "creations", f.tokens, 1)
		if n := y.failures(); n < y.calls/3 || n > 2*y.calls/3 {
			t.Errorf("%d of %d calls failed, want half", n, y.calls)
		}
	})
}

func TestFleet_wrongClocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFleet(t, 4, tokencache.Exclusive, newPlanet(time.Hour))
		for _, wrong := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
			skew := new(atomic.Int64)
			skew.Store(int64(wrong))
			f.join(t, tokencache.Exclusive, func(cfg *config) { cfg.Sharing = sharing(f.store, testCodec{skew}) })
			time.AfterFunc(3*time.Second, func() { skew.Store(0) }) // two answers have agreed
		}
		f.drive(t.Context(), 10*time.Minute, f.call).expect(t, 0)
		atMost(t, "creations", f.tokens, 1+2+2)
	})
}
