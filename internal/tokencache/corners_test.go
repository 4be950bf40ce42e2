package tokencache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/outcome"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestTokenInvalidatedDuringTheFlightThatBringsItAgainIsNotHandedOut(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.value = func(int) string { return "T1" }
		c := open(t, p, mode)
		get(t, c)
		time.Sleep(58 * time.Minute)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.Get(t.Context(), "", "") })
		synctest.Wait()
		equal(t, "was current", c.Invalidate("", id("T1")), true)
		_, err := c.Get(t.Context(), "", "")
		errorIs(t, err, outcome.ErrBadResponse)
		wg.Wait()
	})
}

func TestWaiterIsNotGivenAnExclusiveTokenThatAFinishedFlightHasKilled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, newProvider(), tokencache.Exclusive)
		getFor(t, c, "", "BRL")
		_, superseded, killed := c.ResultOf("", "BRL", func() { getFor(t, c, "", "USD") })
		equal(t, "has to look again", superseded || killed, true)
	})
}

func TestCallerWhoseContextHasEndedStartsNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		c := open(t, p, mode)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Get(ctx, "", "")
		errorIs(t, err, context.Canceled)
		get(t, c)
		if _, err := c.Get(ctx, "", ""); err != nil {
			t.Errorf("a fresh token: %v", err)
		}
		equal(t, "requests", p.requests(), 1)
	})
}

func TestBackOffHoldsIfTheSecretAlternates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked, requests atomic.Int64
		src := credential.NewSource("Secret", func(context.Context) (string, error) {
			return fmt.Sprint("key-", asked.Add(1)%2), nil
		})
		c := open(t, newProvider(), tokencache.Overlap, func(cfg *config) {
			cfg.Secret = src
			cfg.Retrieve = func(ctx context.Context, _ ask) (issued, error) {
				_, err := src.Get(ctx)
				requests.Add(1)
				return issued{}, errors.Join(err, errRefused)
			}
		})
		for range 10_000 { // ten seconds
			_, _ = c.Get(t.Context(), "", "")
			time.Sleep(time.Millisecond)
		}
		if n := requests.Load(); n > 15 {
			t.Errorf("%d requests in ten seconds, want about one a second", n)
		}
	})
}

func TestOutageAfterAnInvalidationIsReportedAsSuch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = func(n int) error {
			if n > 1 {
				return errRefused
			}
			return nil
		}
		c := open(t, p, tokencache.Overlap)
		get(t, c)
		c.Invalidate("", id("T1"))
		for range 6000 { // two minutes
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, errRefused) // and not ErrContested: nothing was created
			time.Sleep(20 * time.Millisecond)
		}
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

type panickyHandler struct{ slog.Handler }

func (panickyHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickyHandler) Handle(context.Context, slog.Record) error { panic("handler") }

func TestLoggerThatPanicsDoesNotEndTheProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = func(int) error { panic("retriever") }
		c := open(t, p, tokencache.Overlap, func(cfg *config) { cfg.Logger = slog.New(panickyHandler{}) })
		_, err := c.Get(t.Context(), "", "")
		errorIs(t, err, outcome.ErrAmbiguous)
	})
}
