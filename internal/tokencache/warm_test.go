package tokencache_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestKeepWarmRenewsWithoutACallerUntilClosed(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.fail = script("kkr") // a failed renewal does not end it
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

func TestKeepWarm_refusedRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.SingleUse, func(cfg *config) { cfg.KeepWarm = true })
		get(t, c)
		_, err := c.Renew(t.Context(), "", "", fetch(func(context.Context, ask) (issued, error) {
			c.WarmDue("") // the timer fires while the flight is under way
			return issued{}, tokencache.ErrGrantRefused
		}))
		if !errors.Is(err, tokencache.ErrGrantRefused) {
			t.Fatalf("got %v, want ErrGrantRefused", err)
		}
		time.Sleep(time.Minute)
		equal(t, "requests a minute later", p.requests(), 2)
	})
}

func TestKeepWarm_drawsOfOtherKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Overlap, keyed(10), func(cfg *config) {
			cfg.KeepWarm = true
			cfg.Replacements = tokencache.Rate{Burst: 1, Refill: time.Minute}
		})
		a, b := getFor(t, c, "a", ""), getFor(t, c, "b", "")
		c.Reject("b", id(b.value))
		getFor(t, c, "b", "") // takes the only draw of all keys
		c.Reject("a", id(a.value))
		time.Sleep(5 * time.Second) // to the moment at which a's mark ends
		c.WarmDue("a")
		n := p.requests()
		time.Sleep(time.Second)
		equal(t, "renewals of a, whose token was not dropped", p.requests()-n, 1)
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
		if n := c.Slots(); n > 101 {
			t.Errorf("%d slots, each with a timer, for 100 entries", n)
		}
	})
}

func TestKeepWarmGivesUpOnAUserWhoIsRefusedForGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = from(2, errPermanent)
		c := open(t, p, tokencache.Overlap, keyed(10), func(cfg *config) { cfg.KeepWarm = true })
		getFor(t, c, "banned", "")
		time.Sleep(7 * 24 * time.Hour)
		if n := p.requests(); n > 40 {
			t.Errorf("%d requests in a week for a token that expired after an hour", n)
		}
	})
}

func TestKeepWarm_together(t *testing.T) {
	const keys = 2_000
	// renewals returns how many renewals began in each second, and how many ran at
	// once at most.
	renewals := func(t *testing.T, p *provider, mode tokencache.Mode, wait time.Duration, change ...func(*config)) (most, atOnce int) {
		c := open(t, p, mode, append(change, keyed(keys), func(cfg *config) { cfg.KeepWarm = true })...)
		testkit.Crowd(keys, func(i int) { getFor(t, c, fmt.Sprint(i), "") })
		p.mu.Lock()
		p.at, p.most = nil, 0
		p.mu.Unlock()
		time.Sleep(wait)
		p.mu.Lock()
		defer p.mu.Unlock()
		seconds := map[int64]int{}
		for _, at := range p.at {
			seconds[at.Unix()]++
			most = max(most, seconds[at.Unix()])
		}
		if len(p.at) < keys {
			t.Errorf("%d renewals, want one of each of %d keys", len(p.at), keys)
		}
		return most, p.most
	}
	t.Run("tokens that came together are not renewed together", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode tokencache.Mode) {
			for _, before := range []time.Duration{0, 20 * time.Minute} {
				p := newProvider()
				most, _ := renewals(t, p, mode, time.Hour, func(cfg *config) { cfg.RefreshBefore = before })
				if most > keys/5 {
					t.Errorf("%d of %d renewals in one second, with RefreshBefore %v", most, keys, before)
				}
			}
		})
	})
	t.Run("64 run at once at most", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 5 * time.Second
			_, atOnce := renewals(t, p, tokencache.Overlap, 75*time.Minute, func(cfg *config) { cfg.RefreshBefore = 30 * time.Minute })
			if atOnce > 64 || atOnce < 10 {
				t.Errorf("%d at once, want at most 64", atOnce)
			}
		})
	})
}
