package tokencache_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestExpiredTokenIsNotServedWithinTheBackOffAfterAnUnclearFailure(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.fail = func(n int) error {
			if n > 1 {
				return &failure{ambiguous: true, after: 10 * time.Minute}
			}
			return nil
		}
		c := open(t, p, mode)
		get(t, c)
		time.Sleep(58 * time.Minute)
		equal(t, "token while it lasts", get(t, c).value, "T1")
		time.Sleep(2*time.Minute + time.Second)
		_, err := c.Get(t.Context(), "", "")
		errorIs(t, err, providerauth.ErrAmbiguous)
	})
}

func TestGoexitInAnExclusiveRetrieverLeavesTheTokenInDoubt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = func(n int) error {
			if n == 2 {
				runtime.Goexit()
			}
			return nil
		}
		c := open(t, p, tokencache.Exclusive)
		get(t, c)
		time.Sleep(58 * time.Minute)
		equal(t, "token", get(t, c), token{value: "T1", suspect: true})
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

// rotating is a secret that changes when it is told to, and a retriever that
// asks for it and then fails.
type rotating struct {
	n        atomic.Int64
	src      *credential.Source
	requests atomic.Int64
}

func rotate(cfg *config, fail func() error) *rotating {
	r := &rotating{}
	r.src = credential.NewSource("Secret", func(context.Context) (string, error) { return fmt.Sprint("key-", r.n.Load()), nil })
	inner := cfg.Retriever
	cfg.Secret = r.src
	cfg.Retriever = fetch(func(ctx context.Context, a ask) (issued, error) {
		_, version, err := r.src.GetVersion(ctx)
		if err != nil {
			return issued{}, err
		}
		r.requests.Add(1)
		if err := fail(); err != nil {
			return issued{SecretVersion: version}, err
		}
		return inner.Retrieve(ctx, a)
	})
	return r
}

func TestTheLongestRetryAfterOfAFlightCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.latency = 0
		p.fail = func(n int) error {
			if n == 1 {
				return &failure{ambiguous: true, after: time.Minute}
			}
			return errLost
		}
		c := open(t, p, tokencache.Exclusive)
		_, _ = c.Get(t.Context(), "", "")
		time.Sleep(time.Minute - 1)
		_, _ = c.Get(t.Context(), "", "")
		equal(t, "requests within it", p.requests(), 2)
	})
}

func TestExclusiveFlightIsNotSentAgainAfterItsDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.latency = time.Hour
		c := open(t, p, tokencache.Exclusive)
		_, err := c.Get(t.Context(), "", "")
		errorIs(t, err, errLost)
		equal(t, "requests", p.requests(), 1)
	})
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

func TestBackOffHoldsIfTheSecretChangedBeforeTheRequestThatFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r *rotating
		c := open(t, newProvider(), tokencache.Overlap, func(cfg *config) {
			r = rotate(cfg, func() error {
				if r.n.Load() > 0 {
					return errPermanent
				}
				return nil
			})
		})
		get(t, c)
		time.Sleep(2 * time.Hour)
		r.n.Add(1) // the flight is the first to see it
		before := r.requests.Load()
		for range 50 {
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, errPermanent)
		}
		equal(t, "requests", r.requests.Load()-before, 1)
	})
}

func TestBackOffEndsIfTheSecretChangesWhileTheRequestIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r *rotating
		c := open(t, newProvider(), tokencache.Overlap, func(cfg *config) {
			r = rotate(cfg, func() error {
				if r.n.Load() == 0 {
					time.Sleep(time.Second)
					r.n.Add(1)
					_, _ = r.src.Get(t.Context()) // somebody else sees it first
					return errPermanent
				}
				return nil
			})
		})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.Get(t.Context(), "", "") })
		wg.Wait()
		get(t, c)
		equal(t, "requests", r.requests.Load(), 2)
	})
}
