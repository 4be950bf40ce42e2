package klas_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/klas"
)

// slowGuard returns after this time, whatever its context says.
type slowGuard time.Duration

func (d slowGuard) Seen(context.Context, string, time.Duration) (bool, error) {
	time.Sleep(time.Duration(d))
	return false, nil
}

func TestWebhook_deadline(t *testing.T) {
	const handlerTimeout = 300 * time.Millisecond
	for name, c := range map[string]struct {
		guard time.Duration
		begun bool
	}{
		"nothing begins if the guard returns after the answer":             {handlerTimeout + 400*time.Millisecond, false},
		"nothing begins if the guard returns at the deadline":              {handlerTimeout, false},
		"the handler begins if the guard returns just before the deadline": {handlerTimeout - 1, true},
		"the handler begins if the guard returns well before it":           {handlerTimeout / 2, true},
	} {
		endpoints := map[string]func(hook *klas.Webhook, begin func()) http.Handler{
			"Authenticator": func(hook *klas.Webhook, begin func()) http.Handler {
				return hook.AuthenticateHandler(klas.AuthenticatorFunc(
					func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
						begin()
						time.Sleep(2 * handlerTimeout)
						return klas.AuthenticateResponse{}, nil
					}))
			},
			"handler behind Middleware": func(hook *klas.Webhook, begin func()) http.Handler {
				return hook.Middleware(handler(func(http.ResponseWriter, *http.Request) {
					begin()
					time.Sleep(2 * handlerTimeout)
				}))
			},
		}
		for kind, endpoint := range endpoints {
			t.Run(name+", "+kind, func(t *testing.T) {
				overHTTP(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
					results := newResults()
					var begun atomic.Int32
					hook := newHook(t, results.config, timeout(handlerTimeout), withGuard(slowGuard(c.guard)))
					client := serve(endpoint(hook, func() { begun.Add(1) }))
					const webhooks = 5
					for range webhooks { // what is used again must not remember the last webhook
						start := time.Now()
						_, got := postTo(t, client, compact)
						want(t, got, unknown)
						if took := time.Since(start); took != handlerTimeout {
							t.Errorf("answered after %v", took)
						}
						if r := <-results; r.Code != klas.StatusUnknown || !errors.Is(r.Err, context.DeadlineExceeded) {
							t.Errorf("result %+v", r)
						}
					}
					time.Sleep(time.Minute) // every guard has returned
					expected := int32(0)
					if c.begun {
						expected = webhooks
					}
					if got := begun.Load(); got != expected {
						t.Errorf("%d of %d webhooks reached the operator's handler, want %d", got, webhooks, expected)
					}
				})
			})
		}
	}
}
