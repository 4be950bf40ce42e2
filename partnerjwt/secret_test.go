package partnerjwt_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// The renewal that is under way when the secret changes has read the old one.
func TestSecretThatTakesTimeIsRotatedWithoutALostRequestDuringARenewal(t *testing.T) {
	var secret atomic.Value
	secret.Store("secret-1")
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		if err := trade(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(14 * time.Minute)
		if err := trade(t.Context(), c); err != nil { // starts the renewal
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		secret.Store("secret-2")
		srv.Rotate("secret-2")
		for range 30 {
			if err := trade(t.Context(), c); err != nil {
				t.Error(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		equal(t, "trades", srv.Trades(), 32)
	}, func(cfg *partnerjwt.Config) {
		cfg.Secret = func(context.Context) (string, error) {
			value := secret.Load().(string)
			time.Sleep(50 * time.Millisecond)
			return value, nil
		}
	})
}

func TestCallsThatCannotBeSentAreRefusedWithTheirField(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		for _, tc := range []struct {
			method, path string
			in           any
			field        string
		}{
			{"P OST", "/trade", nil, "method"},
			{"", "/trade", nil, "method"},
			{"POST", "https://evil.example/", nil, "path"},
			{"POST", "/../trade", nil, "path"},
			{"POST", "/trade", func() {}, "in"},
		} {
			e := errorIs(t, c.Call(t.Context(), tc.method, tc.path, tc.in, nil), partnerjwt.ErrInvalidRequest)
			if e.Fields[tc.field] == "" || len(e.Fields) != 1 || e.StatusCode != 0 || e.Attempts != 0 {
				t.Errorf("%s: %+v", tc.field, e.Fields)
			}
		}
		equal(t, "requests", len(srv.Requests()), 0)
		equal(t, "tokens minted", c.Stats().Refreshes, 0)
	})
}

func TestWaitersOfOneTokenHaveAnErrorEach(t *testing.T) {
	bubble(t, func(t *testing.T, _ *partnerjwttest.Server, c *partnerjwt.Client) {
		_, first := c.Token(t.Context())
		_, second := c.Token(t.Context())
		a, b := errorIs(t, first, partnerjwt.ErrSecretUnavailable), errorIs(t, second, partnerjwt.ErrSecretUnavailable)
		text := b.Error()
		a.Op, a.StatusCode = "mine", http.StatusTeapot
		equal(t, "text of the other's", b.Error(), text)
	}, func(cfg *partnerjwt.Config) {
		cfg.Secret = func(context.Context) (string, error) { return "", nil }
	})
}

func TestDeadlineThatPassesWhileATokenIsWaitedForIsRetryable(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		err := trade(ctx, c)
		if _, ok := errorIs(t, err, context.DeadlineExceeded, partnerjwt.ErrNotSent).Retryable(); !ok {
			t.Error("it is not retryable")
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		err = trade(ctx, c)
		if _, ok := errorIs(t, err, context.Canceled).Retryable(); ok {
			t.Error("what the caller gave up is retryable")
		}
		equal(t, "trades", srv.Trades(), 0)
	}, func(cfg *partnerjwt.Config) {
		cfg.Secret = func(context.Context) (string, error) { time.Sleep(time.Second); return "secret-1", nil }
	})
}
