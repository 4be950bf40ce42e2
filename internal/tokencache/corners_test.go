package tokencache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestWaiterIsNotGivenAnExclusiveTokenThatAFinishedFlightHasKilled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, newProvider(), tokencache.Exclusive)
		getFor(t, c, "", "BRL")
		_, final := c.ResultOf("", "BRL", func() { getFor(t, c, "", "USD") })
		equal(t, "final", final, false)
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
			cfg.Retriever = fetch(func(ctx context.Context, _ ask) (issued, error) {
				_, version, err := src.GetVersion(ctx)
				requests.Add(1)
				return issued{SecretVersion: version}, errors.Join(err, errRefused)
			})
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

type panickyHandler struct{ slog.Handler }

func (panickyHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickyHandler) Handle(context.Context, slog.Record) error { panic("handler") }

func TestLoggerThatPanicsDoesNotEndTheProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = func(int) error { panic("retriever") }
		c := open(t, p, tokencache.Overlap, func(cfg *config) { cfg.Logger = slog.New(panickyHandler{}) })
		_, err := c.Get(t.Context(), "", "")
		errorIs(t, err, providerauth.ErrAmbiguous)
	})
}
