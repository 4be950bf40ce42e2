package platformtoken_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

const (
	stormPlayers  = 20
	stormCallers  = 10 // of each player
	stormTime     = 10 * time.Minute
	stormLife     = 10 * time.Second
	stormPause    = 12 * time.Second // at most, between two calls of a caller
	stormActLate  = 1500 * time.Millisecond
	stormOutside  = 2 * time.Second
	stormLost     = .05 // of all answers
	stormLostMore = .25 // of those to requests for a token, in addition
	stormLate     = .02
	stormRefused  = .02
	stormLatency  = 1200 * time.Millisecond // at most, of a call to get there
	stormCreate   = 700 * time.Millisecond  // at most, of a request for a token
	stormBack     = 50 * time.Millisecond   // at most, of any answer
)

// A try is one request with a player's token.
type try struct {
	token    string
	at, back time.Time
	status   int // 0: the answer was lost
}

// A call is what one caller wanted, with its tries.
type call struct {
	player, path, txID string
	tries              []try
	status             int
	err                error
	end                time.Time
}

// A creation is one request for a token.
type creation struct {
	start, end time.Time
	token      string // "": it failed
	lost       bool   // without an answer
	first, due bool   // why it was made: nothing before, or the token's time was over
}

// A storm is a record of everything that a client does.
type storm struct {
	t   *testing.T
	srv *platformtokentest.Server

	mu        sync.Mutex
	calls     []*call
	creations map[string][]*creation
	running   map[string]int
	outside   map[string]int
	rng       *rand.Rand
}

type callKey struct{}

func (s *storm) roll(most time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.rng.Int64N(int64(most)))
}

// send is under the calls: it delays them and writes down what was sent.
func (s *storm) send(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	c := r.Context().Value(callKey{}).(*call)
	x := try{token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), at: time.Now()}
	time.Sleep(s.roll(stormLatency))
	resp, err := next.RoundTrip(r)
	time.Sleep(s.roll(stormBack))
	if x.back = time.Now(); err == nil {
		x.status = resp.StatusCode
	}
	c.tries = append(c.tries, x)
	return resp, err
}

// create is under the requests for tokens.
func (s *storm) create(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	var in struct {
		UserID string `json:"userId"`
	}
	body, _ := r.GetBody()
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		s.t.Error(err)
	}
	x := &creation{start: time.Now()}
	s.mu.Lock()
	s.creations[in.UserID] = append(s.creations[in.UserID], x)
	if s.running[in.UserID]++; s.running[in.UserID] > 1 {
		s.t.Errorf("%s: two requests for a token at once", in.UserID)
	}
	s.mu.Unlock()
	time.Sleep(s.roll(stormCreate))
	resp, err := next.RoundTrip(r)
	time.Sleep(s.roll(stormBack))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[in.UserID]--
	x.end, x.lost = time.Now(), err != nil
	if err == nil {
		data, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(data))
		var out struct{ Data struct{ Token string } }
		_ = json.Unmarshal(data, &out)
		x.token = out.Data.Token
	}
	return resp, err
}

// caller makes calls for a player until the time is over.
func (s *storm) caller(hc *http.Client, player string, id int, until time.Time) {
	rng := rand.New(rand.NewPCG(uint64(id), 7))
	pause := func() { time.Sleep(time.Duration(rng.Int64N(int64(stormPause)))) }
	for n := 0; ; n++ {
		if pause(); !time.Now().Before(until) {
			return
		}
		c := &call{player: player, path: getBalance}
		body := fmt.Sprintf(`{"userId":%q}`, player)
		if n%2 == 0 {
			c.path, c.txID = transfer, fmt.Sprintf("tx-%d-%d", id, n)
			direction, amount := 1, 2+rng.IntN(3)
			if n%4 == 0 {
				direction, amount = 2, 1
			}
			body = fmt.Sprintf(`{"txId":%q,"transferType":%d,"amount":%d}`, c.txID, direction, amount)
		}
		r, err := http.NewRequestWithContext(context.WithValue(s.t.Context(), callKey{}, c), http.MethodPost, s.srv.URL()+c.path, strings.NewReader(body))
		if err != nil {
			s.t.Error(err)
			return
		}
		resp, err := hc.Do(r)
		if err == nil {
			c.status = resp.StatusCode
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		c.err, c.end = err, time.Now()
		s.mu.Lock()
		s.calls = append(s.calls, c)
		s.mu.Unlock()
	}
}

func TestRotationStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := platformtokentest.NewServer(platformtokentest.Options{InMemory: true, TokenLifetime: stormLife})
		defer srv.Close()
		s := &storm{
			t: t, srv: srv, rng: rand.New(rand.NewPCG(1, 2)),
			creations: map[string][]*creation{}, running: map[string]int{}, outside: map[string]int{},
		}
		odds := rand.New(rand.NewPCG(3, 4)) // the filters are asked one at a time
		srv.ActLate(math.MaxInt, stormActLate, testkit.Path(createToken), func(*http.Request) bool { return odds.Float64() < stormLate })
		srv.FailNext(math.MaxInt, http.StatusInternalServerError, nil, testkit.Path(createToken), func(*http.Request) bool { return odds.Float64() < stormRefused })
		srv.LoseAnswers(math.MaxInt, testkit.Path(createToken), func(*http.Request) bool { return odds.Float64() < stormLostMore })
		srv.LoseAnswers(math.MaxInt, func(*http.Request) bool { return odds.Float64() < stormLost })

		cfg := srv.Config()
		cfg.HTTPClient = &http.Client{Transport: tap(s.create).through(srv.Client().Transport)}
		c := open(t, cfg)
		defer c.Close()
		var wg sync.WaitGroup
		until := time.Now().Add(stormTime)
		for i := range stormPlayers {
			p := platformtoken.Player{UserID: fmt.Sprintf("player-%d", i), Currency: "BRL"}
			hc := &http.Client{Transport: c.TransportFor(p, tap(s.send).through(srv.Client().Transport))}
			for j := range stormCallers {
				wg.Go(func() { s.caller(hc, p.UserID, i*stormCallers+j, until) })
			}
		}
		wg.Go(func() {
			for rng := rand.New(rand.NewPCG(5, 6)); time.Now().Before(until); time.Sleep(stormOutside) {
				player := fmt.Sprintf("player-%d", rng.IntN(stormPlayers))
				srv.OutsideCreate(player)
				s.outside[player]++
			}
		})
		wg.Wait()
		time.Sleep(2 * stormActLate) // what is late is over then
		s.judgeCreations()
		s.judgeTries()
		s.judgeFailures()
		s.judgeMoney()
	})
}
