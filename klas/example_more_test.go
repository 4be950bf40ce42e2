package klas_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/klas/klastest"
)

// seen is a ReplayGuard for one process. Several processes share a StoreGuard.
type seen struct{ keys sync.Map }

func (s *seen) Seen(_ context.Context, key string, _ time.Duration) (bool, error) {
	_, before := s.keys.LoadOrStore(key, true)
	return before, nil
}

// Forget lets a webhook come again whose work has failed.
func (s *seen) Forget(_ context.Context, key string) error {
	s.keys.Delete(key)
	return nil
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

// A ReplayGuard that can forget lets Klas repeat a webhook that could not be
// answered.
func ExampleForgetter() {
	var guard klas.Forgetter = new(seen)
	hook, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets("test-secret"), ReplayGuard: guard})
	if err != nil {
		log.Fatal(err)
	}
	thirty, err := providerauth.AmountFromMinor(3000, 2)
	if err != nil {
		log.Fatal(err)
	}
	down := true
	h := hook.AuthenticateHandler(klas.AuthenticatorFunc(func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		if down {
			return klas.AuthenticateResponse{}, errors.New("the player book is down")
		}
		return klas.AuthenticateResponse{Currency: "EUR", Balance: thirty}, nil
	}))
	for range 3 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, klastest.NewRequest("test-secret", exampleBody))
		fmt.Println(w.Body)
		down = false
	}
	err = guard.Forget(context.Background(), "key")
	fmt.Println(err)
	// Output:
	// {"status_code":"ERR_UNKNOWN"}
	// {"currency":"EUR","balance":"30","status_code":"OK"}
	// {"status_code":"ERR_BAD_PARAMS"}
	// <nil>
}

// The reasons by which OnResult tells its alarms apart.
func ExampleError() {
	reasons := []error{
		klas.ErrSignature, klas.ErrBody, klas.ErrStale, klas.ErrReplayed, klas.ErrTimeout, klas.ErrHandler,
		providerauth.ErrSecretUnavailable, providerauth.ErrStoreUnavailable,
	}
	hook, err := klas.New(klas.Config{
		Secrets: providerauth.StaticSecrets("test-secret"),
		OnResult: func(_ context.Context, r klas.Result) {
			for _, reason := range reasons {
				if errors.Is(r.Err, reason) {
					fmt.Println(reason)
				}
			}
			if r.SendErr != nil {
				fmt.Println("the answer did not leave:", r.SendErr)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	h := hook.AuthenticateHandler(nil)
	h.ServeHTTP(httptest.NewRecorder(), klastest.NewRequest("forged", exampleBody))
	h.ServeHTTP(httptest.NewRecorder(), klastest.NewRequest("test-secret", []byte("{}")))
	h.ServeHTTP(httptest.NewRecorder(), klastest.NewRequest("test-secret", exampleBody))
	// Output:
	// klas: the signature does not verify
	// klas: the body is not a webhook
	// klas: the operator's code failed
}

// A server for webhooks. Its WriteTimeout is longer than HandlerTimeout, or the
// answer at HandlerTimeout would not leave.
func ExampleConnContext() {
	const handlerTimeout = 5 * time.Second
	hook, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets("test-secret"), HandlerTimeout: handlerTimeout})
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{
		Handler:           hook.AuthenticateHandler(nil),
		ConnContext:       klas.ConnContext,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      handlerTimeout + 10*time.Second,
		IdleTimeout:       time.Minute,
	}
	defer srv.Close()
	fmt.Println("calls that go on after their answer:", hook.Abandoned())
	// Output: calls that go on after their answer: 0
}
