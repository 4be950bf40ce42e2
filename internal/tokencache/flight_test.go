package tokencache_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

var modes = map[string]tokencache.Mode{
	"overlap": tokencache.Overlap, "single-use": tokencache.SingleUse, "exclusive": tokencache.Exclusive,
}

func eachMode(t *testing.T, f func(t *testing.T, mode tokencache.Mode)) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, mode) }) })
	}
}

func TestThousandCallersOfAnEmptyCacheMakeOneRequest(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode)
		start := time.Now()
		var slowest atomic.Int64
		testkit.Crowd(1000, func(int) {
			equal(t, "token", get(t, c).value, "T1")
			slowest.Store(max(slowest.Load(), int64(since(start))))
		})
		equal(t, "requests", p.requests(), 1)
		equal(t, "slowest caller", time.Duration(slowest.Load()), 50*time.Millisecond)
	})
}

func TestAFreshTokenIsReusedWithoutARequest(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode)
		get(t, c)
		for range 100 {
			time.Sleep(20 * time.Second)
			equal(t, "token", get(t, c).value, "T1")
		}
		equal(t, "requests", p.requests(), 1)
	})
}

func TestFailingProviderCostsOneFlightForAllCallers(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.latency = 10 * time.Millisecond
		p.fail = func(int) error { return errRefused }
		c := open(t, p, mode)
		start := time.Now()
		testkit.Crowd(200, func(int) {
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, errRefused)
			equal(t, "wait", since(start), 10*time.Millisecond)
		})
		equal(t, "requests", p.requests(), 1)
		equal(t, "failures", c.Stats().Failures, 1)
	})
}

func TestCancelledFirstCallerFailsNobodyElse(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.latency = 300 * time.Millisecond
		c := open(t, p, mode)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		testkit.Crowd(10, func(i int) {
			if i == 0 {
				_, err := c.Get(ctx, "", "")
				errorIs(t, err, context.DeadlineExceeded)
				equal(t, "the first left after", since(start), 50*time.Millisecond)
				return
			}
			time.Sleep(10 * time.Millisecond)
			equal(t, "token", get(t, c).value, "T1")
			equal(t, "the others waited", since(start), 300*time.Millisecond)
		})
		equal(t, "requests", p.requests(), 1)
	})
}

func TestWaiterLeavesAtItsOwnDeadline(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.latency = 400 * time.Millisecond
		c := open(t, p, mode)
		start := time.Now()
		testkit.Crowd(2, func(i int) {
			if i == 0 {
				get(t, c)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			_, err := c.Get(ctx, "", "")
			errorIs(t, err, context.DeadlineExceeded)
			equal(t, "left after", since(start), 10*time.Millisecond)
		})
	})
}

func TestRenewalBlocksNobodyWhileTheTokenIsValid(t *testing.T) {
	for _, mode := range []tokencache.Mode{tokencache.Overlap, tokencache.SingleUse} {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			c := open(t, p, mode)
			get(t, c)
			inWindow()
			start := time.Now()
			testkit.Crowd(1000, func(int) { equal(t, "token", get(t, c).value, "T1") })
			equal(t, "time taken", since(start), 0)
			time.Sleep(p.latency)
			synctest.Wait()
			equal(t, "token after", get(t, c).value, "T2")
			equal(t, "requests", p.requests(), 2)
		})
	}
}

func TestExclusiveRenewalIsOneRequestAndNobodyWaitsLongerThanIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Exclusive)
		get(t, c)
		time.Sleep(58 * time.Minute)
		start := time.Now()
		testkit.Crowd(1000, func(int) {
			equal(t, "token", get(t, c).value, "T2")
			equal(t, "wait", since(start), p.latency)
		})
		equal(t, "requests", p.requests(), 2)
	})
}

func TestFailedRenewalOfAValidTokenFailsNobodyAndGoesOnInsideTheWindow(t *testing.T) {
	for _, mode := range []tokencache.Mode{tokencache.Overlap, tokencache.SingleUse} {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 300 * time.Millisecond
			p.fail = script("krrrr")
			c := open(t, p, mode)
			get(t, c)
			inWindow()
			start := time.Now()
			for p.requests() < 6 && since(start) < 4*time.Minute {
				callStart := time.Now()
				testkit.Crowd(20, func(int) { equal(t, "token", get(t, c).value, "T1") })
				equal(t, "blocked for", since(callStart), 0)
				time.Sleep(50 * time.Millisecond)
			}
			time.Sleep(time.Second)
			equal(t, "token after", get(t, c).value, "T6")
			for i := 2; i < len(p.at); i++ {
				if gap, floor := p.at[i].Sub(p.at[i-1])-p.latency, 125*time.Millisecond<<(i-2); gap < floor {
					t.Errorf("try %d came %v after the one before had failed, want at least %v", i, gap, floor)
				}
			}
		})
	}
}

func TestExclusiveRenewalRefusedGivesEveryoneTheOldToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = script("kr")
		c := open(t, p, tokencache.Exclusive)
		get(t, c)
		time.Sleep(58 * time.Minute)
		testkit.Crowd(1000, func(int) { equal(t, "token", get(t, c), token{value: "T1"}) })
		equal(t, "requests: a refusal is not sent again", p.requests(), 2)
		equal(t, "within the back-off", get(t, c), token{value: "T1"})
		equal(t, "requests within the back-off", p.requests(), 2)
	})
}

func TestTokenExpiringDuringItsRenewalStartsNoSecondFlight(t *testing.T) {
	for _, mode := range []tokencache.Mode{tokencache.Overlap, tokencache.SingleUse} {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			c := open(t, p, mode)
			get(t, c)
			p.latency = 15 * time.Second
			time.Sleep(59*time.Minute + 45*time.Second)
			equal(t, "still valid", get(t, c).value, "T1")
			time.Sleep(14 * time.Second) // past expires-at less the margin
			testkit.Crowd(50, func(int) { equal(t, "token", get(t, c).value, "T2") })
			equal(t, "requests", p.requests(), 2)
			equal(t, "at most at once", p.most, 1)
		})
	}
}

func TestCallerThatLeavesDoesNotEndTheBackgroundRenewal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Overlap)
		get(t, c)
		inWindow()
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := c.Get(ctx, "", ""); err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(p.latency + 1)
		equal(t, "token", get(t, c).value, "T2")
		equal(t, "requests", p.requests(), 2)
	})
}

func TestShortLivedTokensAreNotFetchedOnEveryCall(t *testing.T) {
	for _, life := range []time.Duration{2 * time.Second, 8 * time.Second, 100 * time.Second} {
		eachMode(t, func(t *testing.T, mode tokencache.Mode) {
			p := newProvider()
			p.life, p.latency = life, time.Millisecond
			c := open(t, p, mode)
			for range 300 {
				get(t, c)
			}
			equal(t, "requests", p.requests(), 1)
			// Over ten lives there is one renewal in four fifths of each, or
			// three quarters where a new token kills the old one.
			start := time.Now()
			for since(start) < 10*life {
				get(t, c)
				time.Sleep(life / 100)
			}
			if n := p.requests(); n < 10 || n > 15 {
				t.Errorf("tokens of %v: %d requests in ten lives, want 10 to 15", life, n)
			}
		})
	}
}

func TestColdStartNeverMakesASecondRequest(t *testing.T) {
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	for range rounds {
		p := &provider{life: time.Hour}
		var asked atomic.Int32
		c := open(t, p, tokencache.Overlap, func(cfg *config) {
			cfg.Retriever = fetch(func(context.Context, ask) (issued, error) {
				asked.Add(1)
				return issued{Token: token{value: "T"}, ID: id("T"), ExpiresAt: time.Now().Add(time.Hour)}, nil
			})
		})
		testkit.Crowd(8, func(int) { get(t, c) })
		if n := asked.Load(); n != 1 {
			t.Fatalf("%d requests, want 1", n)
		}
	}
}

func TestCallerIsNeverGivenTheTokenItHasInvalidated(t *testing.T) {
	for range 20000 {
		var n atomic.Int32
		c := open(t, newProvider(), tokencache.Overlap, func(cfg *config) {
			cfg.Retriever = fetch(func(context.Context, ask) (issued, error) {
				v := string(rune('a' + n.Add(1)))
				return issued{Token: token{value: v}, ID: id(v), ExpiresAt: time.Now().Add(time.Hour)}, nil
			})
		})
		go func() { _, _ = c.Get(t.Context(), "", "") }()
		first := get(t, c)
		c.Invalidate("", id(first.value))
		if again := get(t, c); again.value == first.value {
			t.Fatal("the invalidated token was handed out again")
		}
		c.Close()
	}
}

func TestPanicInTheRetrieverIsAnErrorAndTheNextCallWorks(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.fail = during(1, func() { panic("secret-in-panic") })
		c := open(t, p, mode)
		testkit.Crowd(10, func(int) {
			tok, err := c.Get(t.Context(), "", "")
			if mode == tokencache.Exclusive { // unclear, so it is tried once more
				equal(t, "token", tok.value, "T2")
				return
			}
			if err == nil || err.Error() != "the retriever panicked with a string" {
				t.Errorf("error: %v", err)
			}
			if !errors.Is(err, providerauth.ErrAmbiguous) {
				t.Error("whether the provider acted is unknown, but the error is not ambiguous")
			}
		})
		time.Sleep(time.Second)
		equal(t, "token", get(t, c).value, "T2")
	})
}

func TestGoexitInTheRetrieverLeavesNoWaiterBehind(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.fail = during(1, runtime.Goexit)
		c := open(t, p, mode)
		testkit.Crowd(10, func(int) {
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, providerauth.ErrAmbiguous)
		})
		time.Sleep(time.Second)
		equal(t, "token", get(t, c).value, "T2")
	})
}

func TestFlightHasTheValuesOfItsCallerAndItsOwnDeadline(t *testing.T) {
	for mode, want := range map[tokencache.Mode]time.Duration{
		tokencache.Overlap: 21 * time.Second, tokencache.Exclusive: 21 * time.Second, tokencache.SingleUse: 31 * time.Second,
	} {
		bubble(t, func(t *testing.T) {
			type key struct{}
			c := open(t, newProvider(), mode, func(cfg *config) {
				cfg.Retriever = fetch(func(ctx context.Context, _ ask) (issued, error) {
					equal(t, "value of its caller's context", ctx.Value(key{}), any(1))
					at, ok := ctx.Deadline()
					equal(t, "has a deadline", ok, true)
					equal(t, "deadline", time.Until(at), want)
					return issued{Token: token{value: "T"}, ID: id("T"), ExpiresAt: time.Now().Add(time.Hour)}, nil
				})
			})
			ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, 1), time.Second)
			defer cancel()
			if _, err := c.Get(ctx, "", ""); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestForcedFlightWaitsForTheRunningOneAndLeavesItsResult(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode)
		wait := testkit.Start(func() { get(t, c) })
		testkit.Crowd(3, func(int) {
			if _, err := c.Replace(t.Context(), "", "", fetch(p.retrieve)); err != nil {
				t.Error(err)
			}
		})
		wait()
		equal(t, "at most at once", p.most, 1)
		equal(t, "requests", p.requests(), 4)
		equal(t, "the last is current", get(t, c).value, "T4")
	})
}

func TestForcedFlightIsNotSentAgainAfterAnUnclearOutcome(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.fail = func(int) error { return errLost }
		c := open(t, p, mode)
		_, err := c.Replace(t.Context(), "", "", fetch(p.retrieve))
		errorIs(t, err, errLost)
		equal(t, "requests", p.requests(), 1)
	})
}

func TestExclusiveTokenIsWithheldBeforeAForcedFlightKillsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Exclusive)
		get(t, c)
		wait := testkit.Start(func() { _, _ = c.Replace(t.Context(), "", "", fetch(p.retrieve)) })
		equal(t, "token", get(t, c).value, "T2") // T1 was fresh for an hour
		wait()
		equal(t, "requests", p.requests(), 2)
	})
}

func TestForcedFlightThatIsRefusedRestoresTheFreshToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = script("kr")
		c := open(t, p, tokencache.Exclusive)
		get(t, c)
		_, err := c.Replace(t.Context(), "", "", fetch(p.retrieve))
		errorIs(t, err, errRefused)
		time.Sleep(10 * time.Minute)
		equal(t, "token", get(t, c), token{value: "T1"})
		equal(t, "requests", p.requests(), 2)
	})
}

func TestCloseStartsNothingEndsNothingAndWaits(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode)
		wait := testkit.Start(func() { equal(t, "the flight under way", get(t, c).value, "T1") })
		start := time.Now()
		c.Close()
		equal(t, "Close waited", since(start), p.latency)
		wait()
		equal(t, "a fresh token after Close", get(t, c).value, "T1")
		c.Invalidate("", id("T1"))
		equal(t, "a token that was rejected after Close", get(t, c).value, "T1")
		time.Sleep(2 * time.Hour)
		_, err := c.Get(t.Context(), "", "")
		errorIs(t, err, providerauth.ErrClosed)
		_, err = c.Replace(t.Context(), "", "", fetch(p.retrieve))
		errorIs(t, err, providerauth.ErrClosed)
		c.Close()
		equal(t, "requests", p.requests(), 1)
	})
}

func TestClosedCacheServesATokenThatIsStillValidWithoutRenewingIt(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode)
		get(t, c)
		c.Close()
		time.Sleep(58 * time.Minute)
		equal(t, "token", get(t, c).value, "T1")
		equal(t, "requests", p.requests(), 1)
		time.Sleep(time.Hour)
		_, err := c.Get(t.Context(), "", "")
		errorIs(t, err, providerauth.ErrClosed)
	})
}
