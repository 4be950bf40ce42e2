package klas_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/klas/klastest"
)

// exampleBody is what Klas sends.
var exampleBody = []byte(`{"request_id":"1234-5678-90ab-cdef12345678","timestamp":1710000000,"session_id":"1234-5678-90ab-cdef12345678","player_id":"12001"}`)

// An operator's /authenticate endpoint, and a call of it as Klas makes it.
func Example() {
	hook, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets("test-secret")})
	if err != nil {
		log.Fatal(err)
	}
	players := map[string]int64{"12001": 3000} // cents
	authenticate := func(_ context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		cents, ok := players[req.PlayerID]
		if !ok {
			return klas.AuthenticateResponse{}, &klas.Refusal{Err: errors.New("no such player")}
		}
		balance, err := providerauth.AmountFromMinor(cents, 2)
		return klas.AuthenticateResponse{Currency: "EUR", Balance: balance}, err
	}
	mux := http.NewServeMux()
	mux.Handle("/authenticate", hook.AuthenticateHandler(klas.AuthenticatorFunc(authenticate)))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, klastest.NewRequest("test-secret", exampleBody))
	fmt.Println(w.Code, w.Body)
	fmt.Println(w.Header().Get(klas.SignatureHeader))
	// Output:
	// 200 {"currency":"EUR","balance":"30","status_code":"OK"}
	// 4c7c857863279eb1307e2e642d11c43ae6aa3e6d940460d4c35188676df3c20b
}

// The other endpoints are the operator's own, behind Middleware.
func ExampleWebhook_Middleware() {
	hook, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets("test-secret")})
	if err != nil {
		log.Fatal(err)
	}
	balance := func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			PlayerID string `json:"player_id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			fmt.Fprintf(w, `{"status_code":%q}`, klas.StatusInvalidBody)
			return
		}
		thirty, err := providerauth.AmountFromMinor(3000, 2)
		if err != nil {
			panic(err) // answered ERR_UNKNOWN
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"balance": thirty, "status_code": klas.StatusOK})
	}
	h := hook.Middleware(http.HandlerFunc(balance))

	w := httptest.NewRecorder()
	h.ServeHTTP(w, klastest.NewRequest("test-secret", exampleBody))
	fmt.Print(w.Body)
	fmt.Println(klas.Verify("test-secret", w.Body.Bytes(), w.Header().Get(klas.SignatureHeader)))

	w = httptest.NewRecorder()
	h.ServeHTTP(w, klastest.NewRequest("forged", exampleBody))
	fmt.Println(w.Body)
	// Output:
	// {"balance":"30","status_code":"OK"}
	// true
	// {"status_code":"ERR_INTEGRITY_CHECK_FAILED"}
}

// While a secret is replaced, both are good; each answer is signed with the one
// of its request.
func ExampleStaticSecrets() {
	hook, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets("new", "old")})
	if err != nil {
		log.Fatal(err)
	}
	h := hook.AuthenticateHandler(klas.AuthenticatorFunc(
		func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			return klas.AuthenticateResponse{}, &klas.Refusal{}
		}))
	for _, secret := range []string{"new", "old", "older"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, klastest.NewRequest(secret, exampleBody))
		fmt.Println(secret, w.Body, klas.Verify(secret, w.Body.Bytes(), w.Header().Get(klas.SignatureHeader)))
	}
	// Output:
	// new {"status_code":"ERR_BAD_PARAMS"} true
	// old {"status_code":"ERR_BAD_PARAMS"} true
	// older {"status_code":"ERR_INTEGRITY_CHECK_FAILED"} false
}

// Two replicas share a Store. Each webhook is accepted by one of them.
func ExampleNewStoreGuard() {
	store := new(storetest.Memory) // in production redisstore, or a Store on your database
	thirty, err := providerauth.AmountFromMinor(3000, 2)
	if err != nil {
		log.Fatal(err)
	}
	players := klas.AuthenticatorFunc(func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		return klas.AuthenticateResponse{Currency: "EUR", Balance: thirty}, nil
	})
	for range 2 {
		guard, err := klas.NewStoreGuard(store, klas.StoreGuardConfig{
			Namespace:    "brand-1",
			StoreTimeout: 500 * time.Millisecond,
			FailOpen:     false, // no store, no webhook
		})
		if err != nil {
			log.Fatal(err)
		}
		hook, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets("test-secret"), ReplayGuard: guard})
		if err != nil {
			log.Fatal(err)
		}
		w := httptest.NewRecorder()
		hook.AuthenticateHandler(players).ServeHTTP(w, klastest.NewRequest("test-secret", exampleBody))
		fmt.Println(w.Body, guard.StoreFailures())
	}
	// Output:
	// {"currency":"EUR","balance":"30","status_code":"OK"} 0
	// {"status_code":"ERR_BAD_PARAMS"} 0
}

// After the operator's code has failed, a replica lets the webhook come again.
func ExampleStoreGuard() {
	ctx := context.Background()
	store := new(storetest.Memory)
	first, err := klas.NewStoreGuard(store, klas.StoreGuardConfig{})
	if err != nil {
		log.Fatal(err)
	}
	second, err := klas.NewStoreGuard(store, klas.StoreGuardConfig{})
	if err != nil {
		log.Fatal(err)
	}
	for _, guard := range []*klas.StoreGuard{first, second} {
		fmt.Println(guard.Seen(ctx, "key", time.Minute)) // as the handlers do
	}
	if err := first.Forget(ctx, "key"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(second.Seen(ctx, "key", time.Minute))
	// Output:
	// false <nil>
	// true <nil>
	// false <nil>
}

func ExampleSign() {
	body := []byte(`{"currency":"EUR","balance":"30","status_code":"OK"}`)
	fmt.Println(klas.Sign("test-secret", body))
	// Output: 4c7c857863279eb1307e2e642d11c43ae6aa3e6d940460d4c35188676df3c20b
}

func ExampleVerify() {
	fmt.Println(klas.Verify("test-secret", exampleBody, "F7728AFE453E7DE16FBBF82BBE45876D4A9B77CE9F445B372B5764327681190A"))
	fmt.Println(klas.Verify("test-secret", append(exampleBody, '\n'), "f7728afe453e7de16fbbf82bbe45876d4a9b77ce9f445b372b5764327681190a"))
	// Output:
	// true
	// false
}

func ExampleTimestamp_Time() {
	fmt.Println(klas.Timestamp(1710000000).Time())
	fmt.Println(klas.Timestamp(1586828615399).Time().Format(time.RFC3339Nano))
	// Output:
	// 2024-03-09 16:00:00 +0000 UTC
	// 2020-04-14T01:43:35.399Z
}

// OnResult feeds the operator's metrics: the status of nearly every answer is
// 200.
func ExampleResult() {
	hook, err := klas.New(klas.Config{
		Secrets: providerauth.StaticSecrets("test-secret"),
		OnResult: func(_ context.Context, r klas.Result) {
			fmt.Println(r.Path, r.Code, r.Err)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	h := hook.AuthenticateHandler(klas.AuthenticatorFunc(
		func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			return klas.AuthenticateResponse{}, errors.New("the player book is down")
		}))
	h.ServeHTTP(httptest.NewRecorder(), klastest.NewRequest("test-secret", exampleBody))
	h.ServeHTTP(httptest.NewRecorder(), klastest.NewRequest("forged", exampleBody))
	// Output:
	// /authenticate ERR_UNKNOWN klas: AuthenticateHandler: the player book is down
	// /authenticate ERR_INTEGRITY_CHECK_FAILED klas: AuthenticateHandler: X-Signature is not that of the body
}
