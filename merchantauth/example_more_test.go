package merchantauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// All options of a session.
func ExampleConfig() {
	client, err := merchantauth.New(merchantauth.Config{
		BaseURL:       "https://kuna.example.com",
		MerchantID:    "merchant-1",
		Email:         "owner@merchant.example",
		Password:      providerauth.FileSecret("/run/secrets/kuna"),
		RefreshBefore: 5 * time.Minute,
		KeepWarm:      true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	st := client.Stats()
	fmt.Println(st.InFlight, st.LastFailure.IsZero(), st.BackoffUntil.IsZero())
	// Output: 0 true true
}

func ExampleClient_CustomerDetails() {
	ctx := context.Background()
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	req := customer()
	req.PhoneNumber, req.Comment, req.ReferralID, req.ITN = "+33612345678", "referred", "cust-0", "1234567890"
	created, err := client.CreateCustomer(ctx, req)
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := client.CustomerDetails(ctx, created.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(found.ExternalID, len(found.Raw()) > 0)
	// Output: user-4711 true
}

// All that customers can be found by.
func ExampleCustomerQuery() {
	ctx := context.Background()
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	year := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, query := range []merchantauth.CustomerQuery{
		{WalletID: "wallet-1"},
		{PhoneNumber: "+33612345678"},
		{FullName: "Alex Smith"},
		{Comment: "referred", ReferralID: "cust-0"},
		{CreatedFrom: year, CreatedTo: year.AddDate(1, 0, 0), Take: 100, Skip: 100},
	} {
		found, err := client.FindCustomers(ctx, query)
		fmt.Println(len(found), err)
	}
	// Output:
	// 0 <nil>
	// 0 <nil>
	// 0 <nil>
	// 0 <nil>
	// 0 <nil>
}

// A log line of a failure: none of these fields holds a credential.
func ExampleError_Failure() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	srv.Handle("POST /v2/nothing", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		merchantauthtest.WriteError(w, http.StatusNotFound, "NOT_FOUND", "there is no such path")
	}))
	err := client.Call(context.Background(), "POST", "/v2/nothing?x=1", nil, nil)
	var e *merchantauth.Error
	if errors.As(err, &e) {
		f := e.Failure()
		fmt.Println(f.Provider, f.Op, f.Method, f.Path, f.StatusCode, f.Attempts)
		fmt.Println(e.Op == f.Op, e.Attempts == f.Attempts, e.RequestID == f.RequestID, e.RetryAfter == f.RetryAfter, e.Err != nil)
		fmt.Println(errors.Is(err, merchantauth.ErrTokenExpired), e.Name, e.ExpiredAt.IsZero())
		for _, entry := range e.Entries {
			fmt.Println(kind(entry), e.Code == entry.Code, e.Message == entry.Message)
		}
	}
	// Output:
	// merchantauth Call POST /v2/nothing 404 1
	// true true true true true
	// false  true
	// code NOT_FOUND true true
}

// kind says what an entry is about; its message may quote the request.
func kind(e merchantauth.ErrorEntry) string {
	switch {
	case e.Name != "":
		return fmt.Sprint(e.Name, " at ", e.ExpiredAt)
	case e.Code != "":
		return "code " + e.Code
	case e.Message != "":
		return "a message"
	}
	return fmt.Sprintf("%d bytes", len(e.Raw))
}
