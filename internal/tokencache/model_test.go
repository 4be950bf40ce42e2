package tokencache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// A world is a provider with everything that can go wrong at it, and what is
// true about its tokens. Tokens are numbered in the order in which they are
// issued.
type world struct {
	t    *testing.T
	mode tokencache.Mode
	rng  *rand.Rand
	life time.Duration
	odds map[string]float64 // of a request going wrong, by how

	mu           sync.Mutex
	issued, live int             // numbers; live is the newest where a new one kills the old
	revoked      map[int]bool    // where they live side by side
	buried       int             // the newest that the provider has said to be dead
	held         int             // what the cache has and may hand out; 0: nothing
	heldUntil    time.Time       //
	seen         int             // the newest any caller was given
	running      int             // requests that nobody has given up
	count        map[string]int  // what happened
	late         *sync.WaitGroup // acts that are still to come
}

func (w *world) roll(what string) bool {
	if w.rng.Float64() >= w.odds[what] {
		return false
	}
	w.count[what]++
	return true
}

// act is the provider creating a token, for us or for somebody else.
func (w *world) act() int {
	w.issued++
	w.live = w.issued
	return w.issued
}

func (w *world) alive(n int) bool {
	if w.mode == tokencache.Exclusive {
		return n == w.live
	}
	return !w.revoked[n]
}

func (w *world) retrieve(ctx context.Context, _ ask) (issued, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count["requests"]++
	if w.running++; w.running > 1 {
		w.t.Error("two requests at once for one key")
	}
	defer func() { w.running-- }()
	sleep := func(d time.Duration) {
		w.mu.Unlock()
		time.Sleep(d)
		w.mu.Lock()
	}
	sleep(time.Duration(1+w.rng.IntN(100)) * time.Millisecond)
	switch {
	case w.roll("refused"):
		return issued{}, errRefused
	case w.roll("late"):
		delay := time.Duration(w.rng.IntN(3000)) * time.Millisecond
		w.late.Go(func() {
			time.Sleep(delay)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.act()
		})
		return issued{}, errLost
	}
	n := w.act()
	sleep(time.Duration(1+w.rng.IntN(100)) * time.Millisecond)
	switch {
	case w.roll("lost"):
		return issued{}, errLost
	case w.roll("unusable"):
		if w.mode == tokencache.Exclusive {
			w.held, w.buried = 0, n
		}
		return issued{}, errUnusable
	}
	w.held, w.heldUntil = n, time.Now().Add(w.life)
	v := fmt.Sprintf("T%d", n)
	return issued{Token: token{value: v}, ID: id(v), ExpiresAt: w.heldUntil}, nil
}

// call is one use of a token by an operator: 401, Reject, one replay.
func (w *world) call(c *cache) {
	for range 2 {
		w.mu.Lock()
		seen := w.seen
		patience := time.Hour
		if w.rng.IntN(10) == 0 {
			patience = time.Duration(w.rng.IntN(100)) * time.Millisecond
		}
		w.mu.Unlock()
		ctx, cancel := context.WithTimeout(w.t.Context(), patience)
		tok, err := c.Get(ctx, "", "")
		cancel()
		w.mu.Lock()
		if err != nil {
			if w.held != 0 && w.alive(w.held) && time.Until(w.heldUntil) > 10*time.Second &&
				!errors.Is(err, providerauth.ErrContested) && !errors.Is(err, context.DeadlineExceeded) {
				w.t.Errorf("a caller got %v while the cache holds T%d, which is alive", err, w.held)
			}
			w.count["errors"]++
			w.mu.Unlock()
			return
		}
		var n int
		_, _ = fmt.Sscanf(tok.value, "T%d", &n)
		if n <= w.buried {
			w.t.Errorf("a caller was given T%d after the provider had said that it was dead", n)
		}
		if n < seen {
			w.t.Errorf("a caller was given T%d after T%d had been handed out", n, seen)
		}
		w.seen = max(w.seen, n)
		if w.alive(n) {
			w.count["accepted"]++
			w.mu.Unlock()
			c.Accept("", credential.New(tok.value))
			return
		}
		w.mu.Unlock()
		c.Reject("", id(tok.value))
	}
}

func run(t *testing.T, mode tokencache.Mode, seed uint64, odds map[string]float64) map[string]int {
	w := &world{
		t: t, mode: mode, rng: rand.New(rand.NewPCG(seed, seed)), life: time.Minute, odds: odds,
		revoked: map[int]bool{}, count: map[string]int{}, late: new(sync.WaitGroup),
	}
	cfg := config{
		Mode: mode, Retriever: fetch(w.retrieve), Renewer: fetch(w.retrieve), AttemptTimeout: 5 * time.Second,
		Renewable: func(token) bool { return true },
		Suspect:   func(t token) token { t.suspect = true; return t },
	}
	c := tokencache.New(cfg)
	var outside sync.WaitGroup
	stop := make(chan struct{})
	outside.Go(func() {
		for {
			w.mu.Lock()
			pause := time.Duration(w.rng.IntN(4000)) * time.Millisecond
			if w.roll("outside") {
				if mode == tokencache.Exclusive {
					w.act()
				} else {
					w.revoked[w.live] = true
				}
			}
			raw := w.roll("raw")
			w.mu.Unlock()
			if raw {
				_, _ = c.Replace(t.Context(), "", "", fetch(w.retrieve))
			}
			select {
			case <-stop:
				return
			case <-time.After(pause):
			}
		}
	})
	var callers sync.WaitGroup
	for range 5 {
		callers.Go(func() {
			for range 60 {
				w.call(c)
				w.mu.Lock()
				pause := time.Duration(w.rng.IntN(5000)) * time.Millisecond
				w.mu.Unlock()
				time.Sleep(pause)
			}
		})
	}
	callers.Wait()
	close(stop)
	outside.Wait()
	c.Close()
	w.late.Wait()
	return w.count
}

func TestNoScheduleBreaksTheRules(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 40
	}
	total := map[string]int{}
	eachMode := map[string]tokencache.Mode{"overlap": tokencache.Overlap, "exclusive": tokencache.Exclusive, "single-use": tokencache.SingleUse}
	for name, mode := range eachMode {
		for seed := range seeds {
			bubble(t, func(t *testing.T) {
				odds := map[string]float64{"refused": .1, "late": .05, "lost": .1, "unusable": .05, "outside": .3, "raw": .05}
				for what := range odds { // every kind of fault is missing in some of the schedules
					if rand.New(rand.NewPCG(seed, uint64(len(what)))).IntN(3) == 0 {
						odds[what] = 0
					}
				}
				for what, n := range run(t, mode, seed, odds) {
					total[what] += n
				}
				if t.Failed() {
					t.Fatalf("in mode %s with seed %d", name, seed)
				}
			})
			if t.Failed() {
				return
			}
		}
	}
	for _, what := range []string{"refused", "late", "lost", "unusable", "outside", "raw", "accepted", "errors"} {
		if total[what] == 0 {
			t.Errorf("no schedule had any %q", what)
		}
	}
	t.Logf("%v", total)
}

func TestWithOutsideKillsOnlyEachCostsOneCreationAndNoCallFails(t *testing.T) {
	for seed := range uint64(50) {
		bubble(t, func(t *testing.T) {
			n := run(t, tokencache.Exclusive, seed, map[string]float64{"outside": .1})
			// At most 60 calls of 5 s on average, so some 10 lives of a minute.
			if most := 1 + n["outside"] + 12; n["requests"] > most {
				t.Errorf("%d creations for %d outside kills, want at most %d", n["requests"], n["outside"], most)
			}
		})
	}
}
