package tokencache_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestWithNothingValidCallersWithinTheBackOffGetTheErrorWithoutARequest(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.latency = 0
		p.fail = func(int) error { return errRefused }
		c := open(t, p, mode)
		for range 60_000 { // a minute
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, errRefused)
			time.Sleep(time.Millisecond)
		}
		// Steps of 0.25, 0.5, 1 .. 32 s, each shortened by up to half.
		if n := p.requests(); n < 8 || n > 10 {
			t.Errorf("%d requests in a minute, want 8 to 10", n)
		}
		if st := c.Stats(); st.BackoffUntil.Before(time.Now()) || st.LastFailure.IsZero() {
			t.Errorf("stats do not show the back-off: %+v", st)
		}
	})
}

func TestBackOffHonoursRetryAfterUpToAnHour(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{30 * time.Second: 30 * time.Second, 1000 * time.Hour: time.Hour} {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 0
			p.fail = func(int) error { return &failure{after: after} }
			c := open(t, p, tokencache.Overlap)
			_, _ = c.Get(t.Context(), "", "")
			time.Sleep(want - 1)
			_, _ = c.Get(t.Context(), "", "")
			equal(t, "requests before", p.requests(), 1)
			time.Sleep(time.Nanosecond)
			_, _ = c.Get(t.Context(), "", "")
			equal(t, "requests after", p.requests(), 2)
		})
	}
}

func TestPermanentFailureBacksOffAtTheLongestStepAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.latency = 0
		p.fail = func(int) error { return errPermanent }
		c := open(t, p, tokencache.Overlap)
		for range 10 * 60 {
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, errPermanent)
			time.Sleep(time.Second)
		}
		if n := p.requests(); n < 10 || n > 20 {
			t.Errorf("%d requests in ten minutes, want one per 30 to 60 s", n)
		}
	})
}

func TestPermanentFailureOfOneRequestDoesNotHoldUpACorrectedOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = script("p")
		c := open(t, p, tokencache.Overlap)
		_, err := c.Get(t.Context(), "", "wrong data")
		errorIs(t, err, errPermanent)
		if _, err = c.Get(t.Context(), "", "corrected data"); err != nil {
			t.Error(err)
		}
	})
}

func TestOutageHoldsUpEveryRequestOfTheKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = func(int) error { return errRefused }
		c := open(t, p, tokencache.Overlap)
		_, _ = c.Get(t.Context(), "", "some data")
		_, err := c.Get(t.Context(), "", "other data")
		errorIs(t, err, errRefused)
		equal(t, "requests", p.requests(), 1)
	})
}

func TestChangedSecretEndsTheBackOff(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		var secret atomic.Value
		secret.Store("old")
		var calls atomic.Int32
		src := credential.NewSource("Secret", func(context.Context) (string, error) {
			calls.Add(1)
			return secret.Load().(string), nil
		})
		p := newProvider()
		p.latency = 0
		c := open(t, p, mode, func(cfg *config) {
			cfg.Secret = src
			cfg.Retriever = fetch(func(ctx context.Context, a ask) (issued, error) {
				s, version, err := src.GetVersion(ctx)
				if err != nil {
					return issued{}, err
				}
				is, _ := p.retrieve(ctx, a)
				is.SecretVersion = version
				if s == "old" {
					return issued{SecretVersion: version}, errPermanent
				}
				return is, nil
			})
		})
		for range 20 { // a second of calls within the back-off
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, errPermanent)
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
		}
		equal(t, "requests with the old secret", p.requests(), 1)
		if n := calls.Load(); n > 3 {
			t.Errorf("the secret was asked for %d times in a second, want once for the flight and once a second", n)
		}
		secret.Store("new")
		time.Sleep(time.Second)
		_, err := c.Get(t.Context(), "", "") // notices, but does not wait for the secret
		errorIs(t, err, errPermanent)
		synctest.Wait()
		if _, err = c.Get(t.Context(), "", ""); err != nil {
			t.Errorf("with the new secret: %v", err)
		}
	})
}

func TestSecretThatCanBeHadAgainEndsTheBackOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var sealed atomic.Bool
		sealed.Store(true)
		src := credential.NewSource("Secret", func(context.Context) (string, error) {
			if sealed.Load() {
				return "", errors.New("vault is sealed")
			}
			return "s", nil
		})
		p := newProvider()
		c := open(t, p, tokencache.Overlap, func(cfg *config) {
			cfg.Secret = src
			cfg.Retriever = fetch(func(ctx context.Context, a ask) (issued, error) {
				if _, err := src.Get(ctx); err != nil {
					return issued{}, err
				}
				return p.retrieve(ctx, a)
			})
		})
		sealed.Store(false)
		get(t, c)
		time.Sleep(2 * time.Hour)
		sealed.Store(true)
		for range 600 { // long enough for the longest step
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, providerauth.ErrSecretUnavailable)
			time.Sleep(time.Second)
		}
		equal(t, "requests", p.requests(), 1)
		sealed.Store(false)
		_, _ = c.Get(t.Context(), "", "") // notices
		synctest.Wait()
		get(t, c)
	})
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
		_, _ = c.Get(t.Context(), "", "")
		get(t, c)
		equal(t, "requests", r.requests.Load(), 2)
	})
}
