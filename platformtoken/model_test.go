package platformtoken_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// A world is a client and a platform at which everything goes wrong now and
// then.
type world struct {
	t    *testing.T
	srv  *platformtokentest.Server
	c    *platformtoken.Client
	odds map[string]float64

	mu      sync.Mutex
	rng     *rand.Rand
	running map[string]int // requests for a token that nobody has given up, by user
	seen    map[string]int // the newest token that somebody was given, by user
	count   map[string]int
}

func (w *world) roll(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rng.Float64() >= w.odds[what] {
		return false
	}
	w.count[what]++
	return true
}

func (w *world) intn(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(n)
}

// pass is under the client. It delays what is sent, sometimes for so long that
// the client gives it up and the platform acts on it all the same.
func (w *world) pass(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, createToken) {
		return next.RoundTrip(r)
	}
	var in struct {
		UserID string `json:"userId"`
	}
	body, _ := r.GetBody()
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	w.count["requests"]++
	if w.running[in.UserID]++; w.running[in.UserID] > 1 {
		w.t.Error("two requests at once for one player")
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running[in.UserID]--
	}()
	return next.RoundTrip(r)
}

func (w *world) slow(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == createToken && w.roll("slow") {
			time.Sleep(3 * time.Second)
		}
		time.Sleep(time.Duration(w.intn(50)) * time.Millisecond)
		next.ServeHTTP(rw, r)
	})
}

// use is one call of an operator that handles its tokens itself.
func (w *world) use(p platformtoken.Player) {
	hc := w.c.HTTPClient()
	for range 2 {
		w.mu.Lock()
		seen := w.seen[p.UserID]
		w.mu.Unlock()
		tok, err := w.c.Token(w.t.Context(), p)
		if err != nil {
			w.mu.Lock()
			w.count["errors"]++
			w.mu.Unlock()
			return
		}
		rec, ok := w.srv.Token(tok.Value())
		switch {
		case !ok || rec.Origin != platformtokentest.ByClient || rec.Player.UserID != p.UserID:
			w.t.Errorf("a caller was given a token of %+v", rec)
		case p.Currency != "" && rec.Player.Currency != p.Currency:
			w.t.Errorf("a caller that wants %s was given a token for %q", p.Currency, rec.Player.Currency)
		case rec.Number < seen:
			w.t.Errorf("a caller was given token %d after token %d had been handed out", rec.Number, seen)
		}
		w.saw(p.UserID, rec.Number)
		r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.srv.URL()+getBalance, strings.NewReader(fmt.Sprintf(`{"userId":%q}`, p.UserID)))
		if err != nil {
			w.t.Fatal(err)
		}
		tok.SetAuthHeader(r)
		resp, err := hc.Do(r)
		if err != nil {
			return // lost
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			w.mu.Lock()
			w.count["accepted"]++
			w.mu.Unlock()
			return
		}
		w.c.Invalidate(tok)
	}
}

func (w *world) saw(userID string, number int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[userID] = max(w.seen[userID], number)
}

// caller does what operators do, in random order.
func (w *world) caller() {
	for range 25 {
		p := platformtoken.Player{UserID: fmt.Sprint("u", w.intn(2)), Currency: []string{"", "", "BRL", "BRL", "BRL", "BRL", "BRL", "BRL", "BRL", "USD"}[w.intn(10)]}
		switch {
		case w.roll("raw"):
			tok, err := w.c.CreateToken(w.t.Context(), platformtoken.CreateTokenRequest{UserID: p.UserID, Currency: p.Currency})
			if err == nil {
				rec, _ := w.srv.Token(tok.Value())
				w.saw(p.UserID, rec.Number)
			}
		case w.roll("through the client"):
			if _, err := w.c.Balance(w.t.Context(), p); err == nil {
				w.mu.Lock()
				w.count["accepted"]++
				w.mu.Unlock()
			}
		default:
			w.use(p)
		}
		time.Sleep(time.Duration(w.intn(1500)) * time.Millisecond)
	}
}

func (w *world) run() {
	fault := func(what string, paths ...string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return (len(paths) == 0 || r.URL.Path == paths[0]) && w.roll(what)
		}
	}
	w.srv.Intercept(w.slow)
	w.srv.ActLate(math.MaxInt, 1500*time.Millisecond, fault("late", createToken))
	w.srv.Truncate(math.MaxInt, fault("cut", createToken))
	w.srv.Reset(math.MaxInt, fault("reset", createToken))
	w.srv.FailNext(math.MaxInt, http.StatusInternalServerError, nil, fault("refused", createToken))
	w.srv.FailNext(math.MaxInt, http.StatusBadGateway, nil, fault("gateway", createToken))
	w.srv.FailNext(math.MaxInt, http.StatusTooManyRequests, http.Header{"Retry-After": {"1"}}, fault("limited", createToken))
	w.srv.LoseAnswers(math.MaxInt, fault("lost"))
	var callers, outside sync.WaitGroup
	stop := make(chan struct{})
	outside.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(w.intn(4000)) * time.Millisecond):
			}
			if w.roll("outside") {
				w.srv.OutsideCreate(fmt.Sprint("u", w.intn(2)))
			}
		}
	})
	for range 6 {
		callers.Go(w.caller)
	}
	callers.Wait()
	close(stop)
	outside.Wait()
}

func TestNoScheduleBreaksTheRules(t *testing.T) {
	seeds := uint64(80)
	if testing.Short() {
		seeds = 15
	}
	total := map[string]int{}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			w := &world{
				t: t, rng: rand.New(rand.NewPCG(seed, 1)), running: map[string]int{},
				seen: map[string]int{}, count: map[string]int{},
				odds: map[string]float64{
					"slow": .03, "late": .05, "cut": .03, "reset": .03, "refused": .05, "gateway": .03, "limited": .03,
					"lost": .05, "outside": .5, "raw": .05, "through the client": .3,
				},
			}
			for what := range w.odds { // every kind is missing in some of the schedules
				if rand.New(rand.NewPCG(seed, uint64(len(what)))).IntN(3) == 0 {
					w.odds[what] = 0
				}
			}
			w.srv = platformtokentest.NewServer(platformtokentest.Options{InMemory: true, TokenLifetime: 12 * time.Second})
			defer w.srv.Close()
			cfg := w.srv.Config()
			cfg.AttemptTimeout = 2 * time.Second
			tapping(w.pass)(&cfg)
			w.c = open(t, cfg)
			defer w.c.Close()
			w.run()
			w.mu.Lock() // the platform may still be busy with what was given up
			for what, n := range w.count {
				total[what] += n
			}
			w.mu.Unlock()
			if t.Failed() {
				t.Fatalf("with seed %d", seed)
			}
		})
		if t.Failed() {
			return
		}
	}
	for _, what := range []string{
		"slow", "late", "cut", "reset", "refused", "gateway", "limited", "lost", "outside", "raw",
		"through the client", "accepted", "errors",
	} {
		if total[what] == 0 {
			t.Errorf("no schedule had any %q", what)
		}
	}
	t.Logf("%v", total)
}
