package tokencache_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestTokenIsDroppedOnlyIfItIsTheCurrentOne(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode)
		equal(t, "of an empty cache", c.Invalidate("", id("T1")), false)
		get(t, c)
		equal(t, "of another token", c.Invalidate("", id("T2")), false)
		equal(t, "of no token", c.Invalidate("", credential.ID{}), false)
		equal(t, "of the current one", c.Invalidate("", id("T1")), true)
		equal(t, "a second time", c.Invalidate("", id("T1")), false)
		equal(t, "requests: it starts nothing", p.requests(), 1)
		equal(t, "token", get(t, c).value, "T2")
	})
}

func TestTenLateRejectionsOfOneTokenCauseOneNewToken(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode)
		old := get(t, c)
		for i := range 10 {
			equal(t, "was current", c.Invalidate("", id(old.value)), i == 0)
			equal(t, "token", get(t, c).value, "T2")
		}
		equal(t, "requests", p.requests(), 2)
	})
}

func TestInvalidationDuringAFlightStartsNoSecondOne(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode)
		get(t, c)
		time.Sleep(58 * time.Minute)
		wait := testkit.Start(func() { get(t, c) })
		c.Invalidate("", id("T1"))
		equal(t, "token", get(t, c).value, "T2")
		wait()
		equal(t, "requests", p.requests(), 2)
	})
}

func TestTokenRepeatedUnchangedOnRenewalIsAccepted(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.value = func(int) string { return "T" }
		c := open(t, p, mode)
		for range 5 {
			equal(t, "token", get(t, c), token{value: "T"})
			time.Sleep(2 * time.Hour)
		}
	})
}

func TestWaiterStartsOverIfItsResultWasInvalidatedMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Overlap)
		// Whoever gets a token first finds it dead at once, twice.
		testkit.Crowd(20, func(int) {
			for range 3 {
				tok, err := c.Get(t.Context(), "", "")
				if err != nil {
					t.Error(err)
				}
				if tok.value == "T1" || tok.value == "T2" {
					c.Invalidate("", id(tok.value))
				}
			}
		})
		equal(t, "token", get(t, c).value, "T3")
		equal(t, "requests", p.requests(), 3)
	})
}

func TestTokenKilledFromOutsideEveryThirtySecondsIsReplacedEachTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Exclusive)
		for range 100 {
			tok := get(t, c)
			time.Sleep(30 * time.Second)
			c.Invalidate("", id(tok.value))
		}
		equal(t, "requests", p.requests(), 100)
		equal(t, "contested", c.Stats().Contested, 0)
	})
}

func TestTwoSystemsFightingForATokenAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := 0
		p := newProvider()
		p.latency = 0
		p.value = func(int) string { live++; return fmt.Sprintf("L%d", live) }
		us, them := open(t, p, tokencache.Exclusive), open(t, p, tokencache.Exclusive)
		for range 6000 { // ten minutes
			for _, c := range []*cache{us, them} {
				if tok, err := c.Get(t.Context(), "", ""); err == nil && tok.value != fmt.Sprintf("L%d", live) {
					c.Invalidate("", id(tok.value))
					_, _ = c.Get(t.Context(), "", "")
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := p.requests(); n > 2*(1+5+120) {
			t.Errorf("%d creations in ten minutes by two systems, want at most 126 each", n)
		}
	})
}

func TestFirstAndExpiryDrivenCreationsDrawOnNoBucket(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.life = 100 * time.Millisecond
		p.latency = 0
		c := open(t, p, tokencache.Exclusive)
		for range 100 {
			get(t, c)
			time.Sleep(200 * time.Millisecond)
		}
		equal(t, "requests", p.requests(), 100)
	})
}

func TestWaiterIsNotGivenAResultThatWasInvalidatedBeforeItLooked(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		c := open(t, newProvider(), mode)
		get(t, c)
		tok, final := c.ResultOf("", "", func() { c.Invalidate("", id("T1")) })
		equal(t, "final", final, false)
		equal(t, "token", tok, token{})
	})
}

func TestWaiterIsNotGivenAnExclusiveTokenThatTheNextFlightIsKilling(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode)
		get(t, c)
		var wait func()
		tok, final := c.ResultOf("", "", func() {
			wait = testkit.Start(func() { _, _ = c.Replace(t.Context(), "", "", fetch(p.retrieve)) })
		})
		if equal(t, "final", final, mode != tokencache.Exclusive); final {
			equal(t, "token", tok, token{value: "T1"})
		}
		wait()
	})
}

func TestLocalRetrievalIsMadeAgainIfTheTokenBeforeIsInvalidatedMeanwhile(t *testing.T) {
	for _, local := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			c := open(t, p, tokencache.Overlap, func(cfg *config) { cfg.Local = local })
			get(t, c)
			inWindow()
			get(t, c) // renews in the background, made from what is about to change
			synctest.Wait()
			equal(t, "was current", c.Invalidate("", id("T1")), true)
			want := "T2"
			if local {
				want = "T3"
			}
			equal(t, "token", get(t, c).value, want)
			time.Sleep(time.Second)
			equal(t, "token from then on", get(t, c).value, want)
			if local {
				equal(t, "known to be dead", p.asks[2].Rejected, id("T1"))
			}
		})
	}
}

func TestForcedRenewalThatIsRefusedDoesNotHoldUpTheNextFlight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.SingleUse)
		get(t, c)
		inWindow()
		_, err := c.Renew(t.Context(), "", "", fetch(func(context.Context, ask) (issued, error) {
			return issued{}, &failure{permanent: true, err: tokencache.ErrGrantRefused}
		}))
		errorIs(t, err, tokencache.ErrGrantRefused)
		get(t, c)
		time.Sleep(time.Second)
		equal(t, "token", get(t, c).value, "T2")
	})
}
