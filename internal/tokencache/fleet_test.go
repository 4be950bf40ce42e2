package tokencache_test

import (
	"cmp"
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
	born                         map[string]time.Time // of the live token, by key
	early                        int                  // creations that replaced a live token before it was due
}

func newPlanet(life time.Duration) *planet {
	return &planet{
		life: life, latency: func() time.Duration { return 40 * time.Millisecond },
		live: map[string]string{}, grant: map[string]string{}, born: map[string]time.Time{},
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
	latency, lose := p.latency(), p.lose
	p.running++
	p.most = max(p.most, p.running)
	if born := p.born[a.Key]; time.Since(born) < p.life*72/100 {
		p.early++
	}
	p.mu.Unlock()
	time.Sleep(latency / 2)
	p.mu.Lock()
	count()
	p.tokens++
	value := fmt.Sprint("T", p.tokens)
	p.live[a.Key], p.grant[a.Key], p.born[a.Key] = value, "G"+value, time.Now()
	expiresAt := time.Now().Add(p.life)
	p.mu.Unlock()
	time.Sleep(latency / 2)
	p.mu.Lock()
	p.running--
	p.mu.Unlock()
	if lose != nil && lose() {
		return issued{}, errLost
	}
	return issued{Token: token{value: value}, ID: id(value), ExpiresAt: expiresAt}, nil
}

// kill is a creation by another system.
func (p *planet) kill(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live[key] = "another system's"
	delete(p.born, key)
}

func (p *planet) accepts(key, value string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live[key] == value
}

// change changes the provider while requests may be under way.
func (p *planet) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
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
	if err := json.Unmarshal(data, &s); err != nil || s.Value == "" {
		return "", token{}, credential.ID{}, err
	}
	return s.Scope, token{value: s.Value}, id(s.Value), nil
}

func (testCodec) Grant(token) time.Duration            { return 48 * time.Hour }
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
	cfg := f.config(mode)
	for _, c := range change {
		c(&cfg)
	}
	c := tokencache.New(cfg)
	t.Cleanup(c.Close)
	f.caches = append(f.caches, c)
	return c
}

func (f *fleet) config(mode tokencache.Mode) config {
	cfg := config{
		Mode: mode, Retriever: fetch(f.create), AttemptTimeout: time.Second, MaxEntries: 1000,
		Suspect: func(t token) token { t.suspect = true; return t },
		Sharing: sharing(f.store, testCodec{}),
	}
	if mode == tokencache.SingleUse {
		cfg.Renewer, cfg.Renewable = fetch(f.renew), func(t token) bool { return t.value != "" }
	}
	return cfg
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
			_, why := c.Contested(key)
			return cmp.Or(why, errRejected)
		}
	}
	return err
}

var errRejected = errors.New("rejected")

// tally is what callers of a fleet met.
type tally struct {
	mu     sync.Mutex
	calls  int
	store  int            // failed for want of the store
	failed map[string]int // for another reason, by text
}

func (y *tally) add(err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.calls++
	switch {
	case errors.Is(err, providerauth.ErrStoreUnavailable):
		y.store++
	case err != nil:
		y.failed[err.Error()]++
	}
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

// expect bounds the calls that failed for want of the store. No call fails for another
// reason.
func (y *tally) expect(t *testing.T, store int) {
	t.Helper()
	atMost(t, "calls failed for want of the store", y.store, store)
	if len(y.failed) > 0 {
		t.Errorf("of %d calls failed: %v", y.calls, y.failed)
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
		equal(t, "creations before they were due", f.early, 0)
		equal(t, "creations at once", f.most, 1)
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
		strike              func(s *storetest.Memory)
		failed, early, most int // bounds
	}{
		"wiped": {func(s *storetest.Memory) { s.Wipe() }, 0, 1, 2}, // perhaps in the middle of a creation
		"an older state": {func(s *storetest.Memory) { // which may lack a lease
			old := s.Snapshot()
			time.Sleep(12 * time.Second)
			s.Restore(old)
		}, 0, 1, 2},
		"lost answers": {func(s *storetest.Memory) { s.LoseAnswers(3) }, 0, 0, 1},
		"down for three seconds": {func(s *storetest.Memory) {
			s.FailNext(1 << 30)
			time.Sleep(3 * time.Second)
			s.FailNext(0)
		}, 2000, 0, 1}, // a token that was replaced in that moment is known to one process only
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, 8, tokencache.Exclusive, newPlanet(20*time.Second))
				stop := f.every(time.Minute+777*time.Millisecond, func() { fault.strike(f.store) })
				f.drive(t.Context(), 20*time.Minute, f.call).expect(t, fault.failed)
				stop()
				atMost(t, "creations before they were due", f.early, fault.early)
				atMost(t, "creations at once", f.most, fault.most)
			})
		})
	}
}

// every calls do again and again until stop.
func (f *fleet) every(d time.Duration, do func()) (stop func()) {
	end := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-end:
				return
			case <-time.After(d):
				do()
			}
		}
	})
	return func() {
		close(end)
		running.Wait()
	}
}

func TestFleet_limiter(t *testing.T) {
	for _, n := range []int{1, 8} {
		t.Run(fmt.Sprint(n, " processes"), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFleet(t, n, tokencache.Exclusive, newPlanet(time.Hour))
				stop := f.every(100*time.Millisecond, func() { f.kill("p") })
				f.drive(t.Context(), 10*time.Minute, f.call)
				stop()
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
		y := f.drive(t.Context(), 10*time.Minute, f.call)
		equal(t, "creations", f.tokens, 1)
		y.expect(t, y.calls)
		if y.store < y.calls/3 || y.store > 2*y.calls/3 {
			t.Errorf("%d of %d calls failed, want half", y.store, y.calls)
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
