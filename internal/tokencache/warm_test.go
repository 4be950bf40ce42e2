package tokencache_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestKeepWarmRenewsWithoutACallerUntilClosed(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.fail = func(n int) error {
			if n == 3 {
				return errRefused // a failed renewal does not end it
			}
			return nil
		}
		c := open(t, p, mode, func(cfg *config) { cfg.KeepWarm = true })
		get(t, c)
		time.Sleep(5 * time.Hour)
		if n := p.requests(); n < 6 || n > 9 {
			t.Errorf("%d requests in five hours, want one about every 48 to 57 minutes and one more", n)
		}
		n := p.requests()
		start := time.Now()
		get(t, c)
		equal(t, "waited", since(start), 0)
		c.Close()
		time.Sleep(5 * time.Hour)
		equal(t, "requests after Close", p.requests(), n)
	})
}

func TestKeepWarmLetsAnInvalidatedTokenRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Overlap, func(cfg *config) { cfg.KeepWarm = true })
		get(t, c)
		c.Invalidate("", id("T1"))
		time.Sleep(5 * time.Hour)
		equal(t, "requests", p.requests(), 1)
	})
}

func TestKeepWarmGoesOnAfterTheWallClockWasSetBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Overlap, func(cfg *config) { cfg.KeepWarm = true })
		get(t, c)
		c.WarmEarly("") // by the wall clock, the token is not due yet
		time.Sleep(time.Hour)
		equal(t, "requests", p.requests(), 2)
	})
}

func TestKeepWarmSurvivesATimerThatFiresInsideTheBackOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = script("kr")
		c := open(t, p, tokencache.Overlap, func(cfg *config) { cfg.KeepWarm = true })
		get(t, c)
		for p.requests() < 2 {
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(60 * time.Millisecond) // refused: a back-off of at least 125 ms
		c.WarmEarly("")
		time.Sleep(10 * time.Hour)
		if n := p.requests(); n < 10 {
			t.Errorf("%d requests in ten hours: nothing is kept warm any more", n)
		}
	})
}

func TestKeepWarmForgetsEvictedKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.life = 24 * time.Hour
		c := open(t, p, tokencache.Overlap, keyed(100), func(cfg *config) { cfg.KeepWarm = true })
		for i := range 20_000 {
			getFor(t, c, fmt.Sprint(i), "")
		}
		if n := c.Slots(); n > 5000 {
			t.Errorf("%d slots, each with a timer, for 100 entries", n)
		}
	})
}

func TestKeepWarmGivesUpOnAUserWhoIsRefusedForGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = func(n int) error {
			if n > 1 {
				return errPermanent
			}
			return nil
		}
		c := open(t, p, tokencache.Overlap, keyed(10), func(cfg *config) { cfg.KeepWarm = true })
		getFor(t, c, "banned", "")
		time.Sleep(7 * 24 * time.Hour)
		if n := p.requests(); n > 40 {
			t.Errorf("%d requests in a week for a token that expired after an hour", n)
		}
	})
}
