package tokencache_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func keyed(max int) func(*config) { return func(cfg *config) { cfg.MaxEntries = max } }

func getFor(t *testing.T, c *cache, key, want string) token {
	t.Helper()
	tok, err := c.Get(t.Context(), key, want)
	if err != nil {
		t.Fatalf("Get(%q, %q): %v", key, want, err)
	}
	return tok
}

func TestKeysAreRetrievedInParallelEachOnce(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode, keyed(1000))
		start := time.Now()
		testkit.Crowd(1000, func(i int) { getFor(t, c, fmt.Sprint("player ", i%100), "") })
		equal(t, "time taken", since(start), p.latency)
		equal(t, "requests", p.requests(), 100)
		equal(t, "entries", c.Stats().Entries, 100)
	})
}

func TestTokenOfOneKeyIsNotDroppedByThatOfAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Overlap, keyed(10))
		a, b := getFor(t, c, "a", ""), getFor(t, c, "b", "")
		equal(t, "a under b", c.Invalidate("b", id(a.value)), false)
		equal(t, "b under b", c.Invalidate("b", id(b.value)), true)
		equal(t, "a", getFor(t, c, "a", ""), a)
	})
}

func TestRequestThatDiffersIsANewRetrievalAndReplacesTheEntry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Overlap, keyed(10))
		for i, data := range []string{"A", "A", "B", "B", "A", "A"} { // going back is a change too
			equal(t, data, getFor(t, c, "u", data).value, fmt.Sprintf("T%d", 1+(i/2)))
		}
		equal(t, "entries", c.Stats().Entries, 1)
	})
}

func TestCallersThatWantDifferentThingsNeverShareAFlight(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode, keyed(10))
		testkit.Crowd(20, func(i int) {
			want := []string{"BRL", "USD"}[i%2]
			tok := getFor(t, c, "u", want)
			p.mu.Lock()
			defer p.mu.Unlock()
			var n int
			_, _ = fmt.Sscanf(tok.value, "T%d", &n)
			equal(t, "token issued for", p.asks[n-1].Scope, want)
		})
		equal(t, "at most at once", p.most, 1)
		equal(t, "requests: one for each want", p.requests(), 2)
	})
}

func TestEmptyWantAdoptsTheLiveTokenWhateverItWasIssuedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Exclusive, keyed(10), func(cfg *config) {
			cfg.Serves = func(have, want string) bool { return want == "" || have == want }
		})
		getFor(t, c, "u", "BRL")
		equal(t, "adopted", getFor(t, c, "u", "").value, "T1")
		equal(t, "switched", getFor(t, c, "u", "USD").value, "T2")
		equal(t, "adopted after the switch", getFor(t, c, "u", "").value, "T2")
		equal(t, "requests", p.requests(), 2)
	})
}

func TestSwitchesOfAnExclusiveTokenAreBoundedByTheBucket(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.latency = 0
		c := open(t, p, tokencache.Exclusive, keyed(10))
		contested := 0
		for i := range 600 {
			if _, err := c.Get(t.Context(), "u", []string{"BRL", "USD"}[i%2]); err != nil {
				errorIs(t, err, providerauth.ErrContested)
				contested++
			}
			time.Sleep(100 * time.Millisecond)
		}
		equal(t, "creations in a minute: first, five, one per 5 s", p.requests(), 1+5+11)
		if contested == 0 {
			t.Error("nobody was told")
		}
	})
}

func TestSwitchesOfAnOverlappingTokenDrawOnNoBucket(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Overlap, keyed(10))
		for i := range 50 {
			getFor(t, c, "u", fmt.Sprint(i))
		}
	})
}

func TestEvictionDuringAFlightNeitherEndsNorDoublesIt(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode, keyed(1))
		wait := testkit.Start(func() {
			testkit.Crowd(20, func(i int) {
				if i%2 == 0 {
					getFor(t, c, "a", "")
					return
				}
				getFor(t, c, fmt.Sprint("other ", i), "")
			})
		})
		getFor(t, c, "a", "")
		wait()
		equal(t, "requests", p.requests(), 11)
		equal(t, "entries", c.Stats().Entries, 1)
	})
}

func TestLateRejectionOfATokenFromBeforeTheEvictionDropsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Exclusive, keyed(1))
		old := getFor(t, c, "a", "")
		getFor(t, c, "b", "") // evicts a
		now := getFor(t, c, "a", "")
		for range 10 {
			equal(t, "was current", c.Invalidate("a", id(old.value)), false)
			equal(t, "token", getFor(t, c, "a", ""), now)
		}
		equal(t, "requests", p.requests(), 3)
	})
}

func TestEvictingALiveExclusiveTokenIsCountedAndLoggedOnce(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		logger, log := testkit.Log()
		c := open(t, newProvider(), mode, keyed(10), func(cfg *config) {
			cfg.Logger = logger
		})
		for i := range 30 {
			getFor(t, c, fmt.Sprint(i), "")
		}
		c.Close() // waits for what is logged
		st := c.Stats()
		equal(t, "evictions", st.Evictions, 20)
		live, lines := uint64(0), 0
		if mode == tokencache.Exclusive {
			live, lines = 20, 1
		}
		equal(t, "live evictions", st.EvictedLive, live)
		equal(t, "log lines", strings.Count(log.String(), "\n"), lines)
	})
}

func TestExpiredTokensAreEvictedBeforeLiveOnes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.latency = 0
		c := open(t, p, tokencache.Exclusive, keyed(10))
		getFor(t, c, "live", "")
		p.life = time.Second
		for i := range 50 {
			getFor(t, c, fmt.Sprint(i), "")
			time.Sleep(2 * time.Second)
		}
		equal(t, "live evictions", c.Stats().EvictedLive, 0)
		n := p.requests()
		getFor(t, c, "live", "")
		equal(t, "requests for the live one", p.requests(), n)
	})
}

func TestWhatAKeyNeedsBesideItsTokenIsForgottenInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.latency = 0
		p.fail = func(int) error { return errRefused }
		c := open(t, p, tokencache.Overlap, keyed(10))
		for i := range 100_000 { // a hundred thousand keys fail, none comes back
			_, _ = c.Get(context.Background(), fmt.Sprint(i), "")
			time.Sleep(100 * time.Millisecond)
		}
		// A slot lives for its back-off and a minute: 600 or so keys, twice
		// that between two sweeps of 64 shards.
		if n := c.Slots(); n > 4000 {
			t.Errorf("%d slots left of 100,000 keys", n)
		}
	})
}

func TestNilLoggerIsSilentAndALoggerThatDropsIsHarmless(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, l := range []*slog.Logger{nil, slog.New(slog.NewTextHandler(io.Discard, nil))} {
			c := open(t, newProvider(), tokencache.Exclusive, keyed(1), func(cfg *config) { cfg.Logger = l })
			getFor(t, c, "a", "")
			getFor(t, c, "b", "")
		}
	})
}

// refusingAgain issues a token for b at once. Other keys get the first token of p;
// their further requests are refused after the latency of p.
func refusingAgain(p *provider) func(*config) {
	return func(cfg *config) {
		cfg.Retriever = fetch(func(ctx context.Context, a ask) (issued, error) {
			if a.Key == "b" {
				return issued{Token: token{value: "B"}, ID: id("B"), ExpiresAt: time.Now().Add(time.Hour)}, nil
			}
			is, err := p.retrieve(ctx, a)
			if p.requests() > 1 {
				return issued{}, errRefused
			}
			return is, err
		})
	}
}

func TestCache_evictedRenewal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Exclusive, keyed(1), refusingAgain(p))
		getFor(t, c, "a", "")
		time.Sleep(58 * time.Minute)
		wait := testkit.Start(func() { equal(t, "token", getFor(t, c, "a", "").value, "T1") })
		time.Sleep(p.latency / 2)
		getFor(t, c, "b", "") // evicts a, whose renewal is under way
		wait()
		equal(t, "token that was put back", getFor(t, c, "a", "").value, "T1")
	})
}

func TestCache_evictedRejection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		c := open(t, p, tokencache.Overlap, keyed(1), refusingAgain(p))
		getFor(t, c, "a", "")
		c.Reject("a", id("T1"))
		wait := testkit.Start(func() { equal(t, "token", getFor(t, c, "a", "").value, "T1") })
		time.Sleep(p.latency / 2)
		getFor(t, c, "b", "") // evicts a, whose replacement is under way
		wait()
		equal(t, "token that was put back", getFor(t, c, "a", "").value, "T1")
	})
}

func TestSwitchOfAnExclusiveTokenThatHasExpiredDrawsOnNoBucket(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.latency, p.life = 0, 3*time.Second
		c := open(t, p, tokencache.Exclusive, keyed(10))
		for i := range 40 {
			getFor(t, c, "u", []string{"BRL", "USD"}[i%2])
			time.Sleep(p.life)
		}
		equal(t, "creations", p.requests(), 40)
	})
}

func TestInvalidatedKeysThatNobodyAsksForAreForgottenInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.latency = 0
		c := open(t, p, tokencache.Exclusive, keyed(10))
		for i := range 10_000 {
			key := fmt.Sprint(i)
			c.Invalidate(key, id(getFor(t, c, key, "").value))
			time.Sleep(10 * time.Millisecond)
		}
		// One lives for 5 s: 500 keys, twice that between two sweeps of 64 shards.
		if n := c.Slots(); n > 3000 {
			t.Errorf("%d slots left of 10,000 keys", n)
		}
	})
}
