package providerauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// One function decides for every provider what becomes of a failed call.
func ExampleError() {
	srv := partnerjwttest.NewServer(partnerjwttest.Options{InMemory: true})
	defer srv.Close()
	cfg := srv.Config()
	cfg.MaxAttempts = 1
	client, err := partnerjwt.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	decide := func(err error) string {
		var e providerauth.Error
		if !errors.As(err, &e) {
			return "not an error of a provider"
		}
		f := e.Failure()
		switch after, ok := e.Retryable(); {
		case ok:
			return fmt.Sprintf("%s %s: call again after %v", f.Method, f.Path, after)
		case e.Ambiguous():
			return fmt.Sprintf("%s %s: look before you call again", f.Method, f.Path)
		}
		return fmt.Sprintf("%s %s: give up", f.Method, f.Path)
	}
	srv.FailNext(2, http.StatusServiceUnavailable, http.Header{"Retry-After": {"2"}})
	_, err = client.Portfolio(context.Background())
	fmt.Println(decide(err))
	err = client.Call(context.Background(), http.MethodPost, "/trade", map[string]int{"shares": 1}, nil)
	fmt.Println(decide(err))
	err = client.Call(context.Background(), http.MethodPost, "https://elsewhere.example", nil, nil)
	var e providerauth.Error
	fmt.Println(errors.Is(err, providerauth.ErrInvalidRequest), errors.As(err, &e) && e.Failure().Fields["path"] != "")
	// Output:
	// GET /portfolio: call again after 2s
	// POST /trade: look before you call again
	// true true
}

func ExampleFileSecret() {
	dir, err := os.MkdirTemp("", "secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "pitrade")
	secret := providerauth.FileSecret(path)
	for _, content := range []string{"first\n", "second\n", ""} { // the last is half a rotation
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(secret(context.Background()))
	}
	// Output:
	// first <nil>
	// second <nil>
	// second <nil>
}

func ExampleFileSecrets() {
	secrets := providerauth.FileSecrets("/run/secrets/klas") // one a line, the current one first
	_, err := secrets(context.Background())
	fmt.Println(errors.Is(err, os.ErrNotExist))
	// Output: true
}

func ExampleCachedSecret() {
	asked := 0
	vault := func(ctx context.Context) (string, error) {
		asked++
		return fmt.Sprint("version ", asked), nil
	}
	secret := providerauth.CachedSecret(vault, time.Hour)
	for range 3 {
		fmt.Println(secret(context.Background()))
	}
	// Output:
	// version 1 <nil>
	// version 1 <nil>
	// version 1 <nil>
}

// A SecretFunc with a cache of its own asks again after a rejection.
func ExampleWantsFreshSecret() {
	cached := "old"
	secret := func(ctx context.Context) (string, error) {
		if providerauth.WantsFreshSecret(ctx) {
			cached = "new"
		}
		return cached, nil
	}
	fmt.Println(secret(context.Background()))
	fmt.Println(secret(providerauth.FreshSecret(context.Background()))) // as a Client does
	// Output:
	// old <nil>
	// new <nil>
}

func ExampleAmount_Minor() {
	amount, err := providerauth.ParseAmount("12.50")
	if err != nil {
		fmt.Println(err)
		return
	}
	cents, err := amount.Minor(2)
	fmt.Println(amount, cents, err)
	_, err = amount.Minor(0)
	fmt.Println(err)
	// Output:
	// 12.5 1250 <nil>
	// the amount is not a whole number of units with 0 decimals, or too large
}

// An alert needs few of the outcomes: the others are the program's own, or are dealt
// with by the client.
func ExampleOutcome() {
	severity := func(o providerauth.Outcome) string {
		switch o {
		case providerauth.OutcomeOK, providerauth.OutcomeCanceled:
			return "none"
		case providerauth.OutcomeRejected, providerauth.OutcomeRateLimited:
			return "look if there are many"
		case providerauth.OutcomeRefused, providerauth.OutcomeBadResponse:
			return "the call or its endpoint is wrong"
		case providerauth.OutcomeFailed, providerauth.OutcomeTimeout, providerauth.OutcomeLost, providerauth.OutcomeNotSent:
			return "the provider or the network is down"
		}
		return "new in a later version"
	}
	fmt.Println(severity(providerauth.OutcomeTimeout))
	// Output: the provider or the network is down
}

func ExampleNumber() {
	fee, err := providerauth.AmountFromMinor(25, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := json.Marshal(struct {
		Text   providerauth.Amount
		Number providerauth.Number
	}{fee, providerauth.Number{Amount: fee}})
	fmt.Println(string(b), err)
	// Output: {"Text":"0.25","Number":0.25} <nil>
}
