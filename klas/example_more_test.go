package klas_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/klas/klastest"
)

// seen is a ReplayGuard for one process. Several share a store.
type seen struct{ keys sync.Map }

func (s *seen) Seen(_ context.Context, key string, _ time.Duration) (bool, error) {
	_, before := s.keys.LoadOrStore(key, true)
	return before, nil
}

// All options.
func ExampleConfig() {
	var guard klas.ReplayGuard = new(seen)
	hook, err := klas.New(klas.Config{
		Secrets:        providerauth.FileSecrets("/run/secrets/klas"),
		ReplayGuard:    guard,
		MaxAge:         5 * time.Minute,
		HandlerTimeout: 2 * time.Second,
		MaxBodyBytes:   16 << 10,
		AnyCurrency:    true,
	})
	fmt.Println(hook != nil, err)
	again, err := guard.Seen(context.Background(), "key", time.Minute)
	fmt.Println(again, err)
	// Output:
	// true <nil>
	// false <nil>
}

// The reasons of an Authenticator, and what OnResult makes of the answers.
func ExampleRefusal() {
	results := map[klas.StatusCode]string{
		klas.StatusBadParams:            "the player is at fault",
		klas.StatusIntegrityCheckFailed: "forged, or signed under another secret",
		klas.StatusUnknown:              "we are at fault",
	}
	hook, err := klas.New(klas.Config{
		Secrets: providerauth.StaticSecrets("test-secret"),
		OnResult: func(_ context.Context, r klas.Result) {
			var e *klas.Error
			if errors.As(r.Err, &e) {
				fmt.Println(results[r.Code], len(r.RequestID) > 0, r.Duration < time.Minute, e.Op, e.Err != nil)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	players := klas.AuthenticatorFunc(func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		return klas.AuthenticateResponse{}, &klas.Refusal{Code: klas.StatusBadParams, Err: errors.New("suspended")}
	})
	_, err = players.Authenticate(context.Background(), klas.AuthenticateRequest{}) // as the handler does
	fmt.Println(err)
	h := hook.AuthenticateHandler(players)
	h.ServeHTTP(httptest.NewRecorder(), klastest.NewRequest("test-secret", exampleBody))
	h.ServeHTTP(httptest.NewRecorder(), klastest.NewRequest("forged", exampleBody))
	// Output:
	// refused: suspended
	// the player is at fault true true AuthenticateHandler true
	// forged, or signed under another secret false true AuthenticateHandler false
}
