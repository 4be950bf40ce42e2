package partnerjwt_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/partnerjwt"
)

// All options.
func ExampleConfig() {
	client, err := partnerjwt.New(partnerjwt.Config{
		ClientID:      "client-1",
		Secret:        providerauth.FileSecret("/run/secrets/pitrade"),
		BaseURL:       "https://partner.example.com",
		Lifetime:      partnerjwt.DefaultLifetime,
		RefreshBefore: 2 * time.Minute,
		KeepWarm:      true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	st := client.Stats()
	fmt.Println(st.Evictions, st.EvictedLive)
	// Output: 0 0
}

func ExampleVerify_expired() {
	ctx := context.Background()
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	token, err := client.Token(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := partnerjwt.Verify(ctx, token.Value(), providerauth.StaticSecret("secret-1"), partnerjwt.VerifyOptions{})
	switch {
	case errors.Is(err, partnerjwt.ErrTokenExpired):
		fmt.Println("ask the partner for a new one")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(claims.ExpiresAt.Sub(claims.IssuedAt))
	}
	// Output: 15m0s
}

// A log line of a failure: none of these fields holds a credential.
func ExampleError_Failure() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	err := client.Call(context.Background(), "POST", "/nothing?x=1", nil, nil)
	var e *partnerjwt.Error
	if errors.As(err, &e) {
		f := e.Failure()
		fmt.Println(f.Provider, f.Op, f.Method, f.Path, f.StatusCode, f.Attempts)
		fmt.Println(e.Op == f.Op, e.Attempts == f.Attempts, e.RequestID == f.RequestID, e.RetryAfter == f.RetryAfter, e.Err != nil)
		fmt.Println(e.Code == f.Code, e.Message == "")
	}
	// Output:
	// partnerjwt Call POST /nothing 404 1
	// true true true true true
	// true true
}
