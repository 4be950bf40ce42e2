package platformtoken_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// A contest is another system that makes a token of its own as soon as the
// client has made one, so that no token of the client's is ever good.
type contest struct {
	srv       *platformtokentest.Server
	on        atomic.Bool
	creations atomic.Int64 // of the client
}

func (ct *contest) create(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	resp, err := next.RoundTrip(r)
	if r.URL.Path == "/base"+createToken {
		ct.creations.Add(1)
		if ct.on.Load() {
			ct.srv.OutsideCreate(brl.UserID)
		}
	}
	return resp, err
}

// contested runs f with a client whose tokens the other system kills.
func contested(t *testing.T, f func(t *testing.T, ct *contest, c *platformtoken.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ct := &contest{srv: platformtokentest.NewServer(platformtokentest.Options{InMemory: true})}
		defer ct.srv.Close()
		ct.on.Store(true)
		cfg := ct.srv.Config()
		tapping(ct.create)(&cfg)
		c := open(t, cfg)
		defer c.Close()
		f(t, ct, c)
	})
}

// What the bucket allows in ten minutes: five at once, then one per five
// seconds.
const bucketful = 5 + 600/5

func TestContestIsBoundedAndCallersGetThePlatforms401(t *testing.T) {
	contested(t, func(t *testing.T, ct *contest, c *platformtoken.Client) {
		hc := c.HTTPClientFor(brl)
		bodies := map[string]string{
			getBalance: `{"userId":"t1_225478"}`,
			getStatus:  `{"recordId":"r1"}`, // there is none
		}
		call := func(path string) int {
			resp, err := hc.Post(ct.srv.URL()+path, "application/json", strings.NewReader(bodies[path]))
			if err != nil {
				t.Errorf("%s: %v", path, err)
				return 0
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		var wg sync.WaitGroup
		over := time.Now().Add(10 * time.Minute)
		for path := range bodies {
			for i := range 5 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * 200 * time.Millisecond)
					for ; time.Now().Before(over); time.Sleep(time.Second) {
						if status := call(path); status != http.StatusUnauthorized {
							t.Errorf("%s: status %d, want the platform's 401", path, status)
						}
					}
				})
			}
		}
		wg.Wait()
		st := c.Stats()
		t.Logf("in ten minutes of 10 calls a second: 1 first creation, 0 due, %d by invalidation; %d calls were kept from one", ct.creations.Load()-1, st.Contested)
		if n := ct.creations.Load(); n > 1+bucketful {
			t.Errorf("%d creations, want at most the first and %d", n, bucketful)
		}

		ct.on.Store(false)
		time.Sleep(30 * time.Second)
		for path, want := range map[string]int{getBalance: 200, getStatus: 404} {
			testkit.Equal(t, "status of "+path, call(path), want)
		}
		n := ct.creations.Load()
		for range 100 {
			testkit.Equal(t, "status", call(getBalance), 200)
			time.Sleep(500 * time.Millisecond)
		}
		testkit.Equal(t, "creations when all is well", ct.creations.Load(), n)
	})
}

func TestContestThatStopsWhenThePausesAreLongestIsOverThirtySecondsLater(t *testing.T) {
	contested(t, func(t *testing.T, ct *contest, c *platformtoken.Client) {
		hc := c.HTTPClientFor(brl)
		call := func(path string) int {
			status, _ := do(t, hc, ct.srv, path, map[string]string{getBalance: `{"userId":"t1_225478"}`, getStatus: `{"recordId":"r1"}`}[path])
			return status
		}
		// After four minutes they are, and a token replaced in vain begins one.
		longest := time.Now().Add(4 * time.Minute)
		for begun := false; !begun; time.Sleep(100 * time.Millisecond) {
			if time.Since(longest) > 4*time.Minute {
				t.Fatal("no token is replaced any more")
			}
			testkit.Equal(t, "status", call(getStatus), 401)
			before := ct.creations.Load()
			testkit.Equal(t, "status", call(getBalance), 401)
			begun = time.Now().After(longest) && ct.creations.Load() > before
		}
		ct.on.Store(false)
		time.Sleep(30 * time.Second)
		testkit.Equal(t, "status of the balance", call(getBalance), 200)
		testkit.Equal(t, "status of what is not there", call(getStatus), 404)
	})
}

func TestContestOfCallersThatInvalidateByThemselvesIsBounded(t *testing.T) {
	contested(t, func(t *testing.T, ct *contest, c *platformtoken.Client) {
		kept := 0
		for range 6000 { // ten minutes
			tok := token(t, c, brl)
			if rec, _ := ct.srv.Token(tok.Value()); rec.DiedAt.IsZero() {
				t.Error("a token was left alive")
			}
			if !c.Invalidate(tok) {
				kept++
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Logf("in ten minutes of 10 calls a second: 1 first creation, 0 due, %d by invalidation, %d tokens kept", ct.creations.Load()-1, kept)
		if n := ct.creations.Load(); n < bucketful || n > 1+bucketful {
			t.Errorf("%d creations, want the first and what the bucket allows, %d", n, bucketful)
		}

		// A call whose rejection stands says so, and when to come back.
		c.Invalidate(token(t, c, brl)) // takes the draw that there may be
		_, err := c.Balance(t.Context(), brl)
		e := errorIs(t, err, providerauth.ErrContested, providerauth.ErrUnauthorized)
		after, ok := e.Retryable()
		testkit.Equal(t, "retryable, after the time to the next draw", ok && after > 0 && after <= 5*time.Second && after == e.RetryAfter, true)

		ct.on.Store(false)
		time.Sleep(30 * time.Second)
		n := ct.creations.Load()
		for range 10 {
			balance(t, c, brl)
		}
		testkit.Equal(t, "creations when all is well", ct.creations.Load(), n+1)
	})
}

func TestRejectionWithAnotherCauseOnOnePathLeavesTheOthersUnharmed(t *testing.T) {
	contested(t, func(t *testing.T, ct *contest, c *platformtoken.Client) {
		ct.on.Store(false)
		ct.srv.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(20 * time.Millisecond) // there is always something in flight
				if r.URL.Path == getStatus {
					platformtokentest.WriteFailure(w, http.StatusUnauthorized, 1, "not for this merchant")
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		var wg sync.WaitGroup
		over := time.Now().Add(10 * time.Minute)
		for i := range 5 {
			wg.Go(func() {
				for ; time.Now().Before(over); time.Sleep(time.Second) {
					_, err := c.TransferStatus(t.Context(), brl, "r1")
					testkit.Equal(t, "status", errorIs(t, err, providerauth.ErrUnauthorized).StatusCode, 401)
				}
			})
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 17 * time.Millisecond)
				for n := 0; time.Now().Before(over); n++ {
					balance(t, c, brl)
					if _, err := c.Transfer(t.Context(), brl, platformtoken.TransferRequest{
						TxID: fmt.Sprint("tx-", i, "-", n), Direction: platformtoken.TransferIn, Amount: testkit.ParseAmount(t, "1"),
					}); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Second)
				}
			})
		}
		wg.Wait()
		n := ct.creations.Load()
		t.Logf("in ten minutes: 1 first creation, 0 due, %d by invalidation", n-1)
		if n > 1+bucketful {
			t.Errorf("%d creations, want at most the first and %d", n, bucketful)
		}
		if n > 1+5+600/20+1 {
			t.Errorf("%d creations, but rejections are passed on for 20 s", n)
		}
	})
}

func TestTokenKilledFromOutsideEveryThirtySecondsCostsNoCall(t *testing.T) {
	contested(t, func(t *testing.T, ct *contest, c *platformtoken.Client) {
		ct.on.Store(false)
		for range 20 {
			balance(t, c, brl)
			ct.srv.OutsideCreate(brl.UserID)
			testkit.Crowd(10, func(int) { balance(t, c, brl) })
			time.Sleep(30 * time.Second)
		}
		testkit.Equal(t, "creations", ct.creations.Load(), 21)
	})
}

func TestTwoCurrenciesOfOnePlayerInTurnEndInErrContestedAndNotInAStorm(t *testing.T) {
	contested(t, func(t *testing.T, ct *contest, c *platformtoken.Client) {
		ct.on.Store(false)
		usd := platformtoken.Player{UserID: brl.UserID, Currency: "USD"}
		for i := range 600 { // a minute
			p := []platformtoken.Player{brl, usd}[i%2]
			tok, err := c.Token(t.Context(), p)
			switch {
			case err == nil:
				testkit.Equal(t, "made for", tok.Player, p)
			case !errors.Is(err, providerauth.ErrContested):
				t.Error(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := ct.creations.Load(); n > 1+5+12 {
			t.Errorf("%d creations, want the first, five, and one per five seconds", n)
		}
		if c.Stats().Contested == 0 {
			t.Error("no call was told")
		}
	})
}

func TestEmptyCurrencyIsServedByTheLiveTokenWhateverItsCurrency(t *testing.T) {
	contested(t, func(t *testing.T, ct *contest, c *platformtoken.Client) {
		ct.on.Store(false)
		first := token(t, c, brl)
		same := token(t, c, platformtoken.Player{UserID: brl.UserID})
		testkit.Equal(t, "token", same.Value(), first.Value())
		testkit.Equal(t, "made for", same.Player, brl)
		testkit.Equal(t, "creations", ct.creations.Load(), 1)
		other := token(t, c, platformtoken.Player{UserID: "other", Currency: "BRL"})
		if other.Value() == first.Value() {
			t.Error("two players have one token")
		}
	})
}

func TestCallerOfAnotherCurrencySharesNoFlight(t *testing.T) {
	contested(t, func(t *testing.T, ct *contest, c *platformtoken.Client) {
		ct.on.Store(false)
		ct.srv.Delay(time.Second, testkit.Path(createToken))
		testkit.Crowd(2, func(i int) {
			p := platformtoken.Player{UserID: brl.UserID, Currency: []string{"BRL", "USD"}[i]}
			tok, err := c.Token(t.Context(), p)
			if err != nil {
				t.Error(err)
				return
			}
			testkit.Equal(t, "made for", tok.Player, p)
		})
		testkit.Equal(t, "creations", ct.creations.Load(), 2)
		testkit.Equal(t, "at once", ct.srv.MaxConcurrent(brl.UserID), 1)
	})
}

func TestCallWhoseTokenIsKilledByTheClientsOwnCreationsIsRepeated(t *testing.T) {
	slow := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch path := r.URL.Path; {
			case path == createToken: // the answer takes long
				next.ServeHTTP(w, r)
				time.Sleep(300 * time.Millisecond)
			case strings.HasPrefix(path, "/refused/"):
				platformtokentest.WriteFailure(w, http.StatusUnauthorized, 1, "not for this merchant")
			default: // the request does
				time.Sleep(100 * time.Millisecond)
				next.ServeHTTP(w, r)
			}
		})
	}
	create := func(t *testing.T, c *platformtoken.Client) {
		if _, err := c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: brl.UserID}); err != nil {
			t.Error(err)
		}
	}
	t.Run("one after the other", func(t *testing.T) {
		contested(t, func(t *testing.T, ct *contest, c *platformtoken.Client) {
			ct.on.Store(false)
			ct.srv.Intercept(slow)
			token(t, c, brl)
			var wg sync.WaitGroup
			wg.Go(func() {
				create(t, c)
				time.Sleep(10 * time.Millisecond)
				create(t, c)
			})
			balance(t, c, brl)
			wg.Wait()
		})
	})
	t.Run("while other paths are always refused", func(t *testing.T) {
		contested(t, func(t *testing.T, ct *contest, c *platformtoken.Client) {
			ct.on.Store(false)
			ct.srv.Intercept(slow)
			token(t, c, brl)
			for i := range 3 {
				err := c.CallFor(t.Context(), brl, http.MethodPost, fmt.Sprint("/refused/", i), struct{}{}, nil)
				if !errors.Is(err, providerauth.ErrUnauthorized) {
					t.Errorf("error %v", err)
				}
			}
			var wg sync.WaitGroup
			wg.Go(func() { create(t, c) })
			balance(t, c, brl)
			wg.Wait()
		})
	})
}

// subject is a client whose calls are half typed and half by HTTPClientFor.
var subject = provider.Subject(func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) testkit.Subject {
	p := platformtoken.Player{UserID: "u1"}
	h := c.HTTPClientFor(p)
	one := testkit.ParseAmount(t, "1")
	return testkit.Subject{
		Token: func() error { _, err := c.Token(t.Context(), p); return err },
		Call: func(i int) error {
			if i%2 == 1 {
				_, err := c.Balance(t.Context(), p)
				return err
			}
			return testkit.Post(h, srv.URL()+getBalance, `{"userId":"u1"}`)
		},
		Always: func(int) error { _, err := c.TransferStatus(t.Context(), p, "r0"); return err },
		Half: func(i int) error {
			_, err := c.Transfer(t.Context(), p, platformtoken.TransferRequest{
				TxID: fmt.Sprint("tx", i), Direction: platformtoken.TransferIn, Amount: one,
			})
			return err
		},
		IsAlways:    testkit.Path(getStatus),
		IsHalf:      testkit.Path(transfer),
		StrayCalls:  srv.StrayCalls,
		StrayTokens: srv.StrayTokens,
		Strays:      srv.Strays,
		FailTokens:  testkit.FailTokens(srv, testkit.Path(createToken)),
		Patience:    time.Minute, // a creation kills the old token, so callers wait for it
		Creations:   func() int { return srv.Count(createToken) },
	}
})

func TestClient_Strays(t *testing.T) { testkit.Strays(t, subject) }

func TestClient_Outage(t *testing.T) { testkit.Outage(t, subject) }

func TestClient_BadEndpoints(t *testing.T) { testkit.BadEndpoints(t, subject) }
