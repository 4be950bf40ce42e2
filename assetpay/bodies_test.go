package assetpay_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestClient_HTTPClientFor_bodies(t *testing.T) {
	testkit.Streams(t, func(t *testing.T) testkit.TokenClient {
		srv := assetpaytest.NewServer(assetpaytest.Options{InMemory: true})
		c := open(t, srv.Config())
		inventory(t, c)
		return testkit.TokenClient{Simulator: srv, Client: c.HTTPClientFor(user()), Path: "/client/inventory", Patience: 100 * time.Millisecond, Done: func() { c.Close() }}
	})
}

func TestClient_deafRoundTripper(t *testing.T) {
	t.Run("Token, CallFor and Close return, and a later Token succeeds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := assetpaytest.NewServer(assetpaytest.Options{InMemory: true})
			defer srv.Close()
			cfg := srv.Config()
			var deaf atomic.Bool
			deaf.Store(true)
			end := make(chan struct{})
			next := cfg.HTTPClient.Transport
			cfg.HTTPClient = &http.Client{Transport: testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
				if deaf.Load() {
					<-end
				}
				return next.RoundTrip(r)
			})}
			c := open(t, cfg)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			if _, err := c.Token(ctx, user()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 1100*time.Millisecond {
				t.Errorf("Token: %v after %v", err, time.Since(start))
			}
			time.Sleep(2 * time.Minute) // the flight and its back-off are over
			testkit.Equal(t, "abandoned", c.Stats().Abandoned > 0, true)
			deaf.Store(false)
			token(t, c.TokenSource(user()))

			deaf.Store(true)
			ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start = time.Now()
			err := c.CallFor(ctx, user(), http.MethodPost, "/client/deposit", nil, nil)
			if e := errorIs(t, err, context.DeadlineExceeded); !e.Ambiguous() || time.Since(start) > 1100*time.Millisecond {
				t.Errorf("CallFor: %v after %v", err, time.Since(start))
			}

			other := user()
			other.SteamID = "76561198012345679"
			ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _ = c.Token(ctx, other)
			start = time.Now()
			c.Close()
			if took := time.Since(start); took > 22*time.Second {
				t.Errorf("Close took %v", took)
			}
			close(end)
		})
	})
}
