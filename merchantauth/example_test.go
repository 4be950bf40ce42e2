package merchantauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// The simulator stands in for Kuna Core in all of these.
func simulated() (*merchantauthtest.Server, *merchantauth.Client) {
	srv := merchantauthtest.NewServer(merchantauthtest.Options{})
	client, err := merchantauth.New(srv.Config())
	if err != nil {
		panic(err)
	}
	return srv, client
}

func ExampleNew() {
	srv := merchantauthtest.NewServer(merchantauthtest.Options{})
	defer srv.Close()
	client, err := merchantauth.New(merchantauth.Config{
		BaseURL:    srv.URL(), // https, for Kuna Core itself
		MerchantID: "merchant-1",
		Email:      "owner@merchant.example",
		Password:   providerauth.StaticSecret("password-1"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	token, err := client.Token(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(time.Until(token.ExpiresAt).Round(time.Minute), time.Until(token.RefreshExpiresAt).Round(time.Hour))
	// Output: 30m0s 48h0m0s
}

// With an API key there is no session.
func ExampleNew_apiKey() {
	srv := merchantauthtest.NewServer(merchantauthtest.Options{})
	defer srv.Close()
	client, err := merchantauth.New(merchantauth.Config{
		BaseURL: srv.URL(),
		APIKey:  providerauth.StaticSecret("api-key-1"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = client.Token(context.Background())
	fmt.Println(errors.Is(err, merchantauth.ErrNoSession), srv.Logins())
	// Output: true 0
}

func ExampleNew_invalid() {
	_, err := merchantauth.New(merchantauth.Config{BaseURL: "https://core.example.com", Email: "owner@merchant.example", APIKey: providerauth.StaticSecret("k")})
	var e *merchantauth.Error
	if errors.As(err, &e) {
		fmt.Println(e.Fields["Email"])
	}
	// Output: must not be set together with APIKey
}

func customer() merchantauth.CreateCustomerRequest {
	return merchantauth.CreateCustomerRequest{
		Email: "alex@smith.example", FirstName: "Alex", LastName: "Smith", Country: "FR",
		VerificationDocumentID: "FV633452", ResidenceAddress: "5 Av. Anatole France, 75007 Paris, France",
		ExternalID: "user-4711",
	}
}

func ExampleClient_CreateCustomer() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	created, err := client.CreateCustomer(context.Background(), customer())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(created.ID, created.WalletID)
	// Output: cust-0001-xyz wallet-0001-uvw
}

// An Ambiguous error says that the customer may have been created. Its id was
// in the answer that is missing, so it is looked up by what was sent.
func ExampleError_Ambiguous() {
	ctx := context.Background()
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	req := customer()

	srv.LoseAnswers(1, func(r *http.Request) bool { return r.URL.Path == "/v2/customer/create" })
	created, err := client.CreateCustomer(ctx, req)
	var e *merchantauth.Error
	if errors.As(err, &e) && e.Ambiguous() {
		fmt.Println("unclear: look before creating again")
		found, err := client.FindCustomers(ctx, merchantauth.CustomerQuery{ExternalID: req.ExternalID})
		switch {
		case err != nil:
			fmt.Println("still unclear:", err)
			return
		case len(found) == 0:
			fmt.Println("not there yet: look again in a while")
			return
		}
		created = found[0]
	} else if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(created.ID)
	// Output:
	// unclear: look before creating again
	// cust-0001-xyz
}

func ExampleClient_FindCustomers() {
	ctx := context.Background()
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	if _, err := client.CreateCustomer(ctx, customer()); err != nil {
		fmt.Println(err)
		return
	}
	found, err := client.FindCustomers(ctx, merchantauth.CustomerQuery{Email: "alex@smith.example", Take: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range found {
		fmt.Println(c.ExternalID)
	}
	// Output: user-4711
}

func ExampleClient_Call() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	var rates []struct {
		Asset      string            `json:"asset"`
		Equivalent map[string]string `json:"equivalent"`
	}
	if err := client.Call(context.Background(), http.MethodGet, "/v2/rate/equivalent", nil, &rates); err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range rates {
		fmt.Println(r.Asset, r.Equivalent["USD"])
	}
	// Output: BTC 43012.55
}

func ExampleClient_HTTPClient() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	resp, err := client.HTTPClient().Get(srv.URL() + "/v2/rate/equivalent")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// A Client refreshes by itself; whoever keeps sessions elsewhere may do it by
// hand.
func ExampleClient_Refresh() {
	ctx := context.Background()
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	token, err := client.Login(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := client.Refresh(ctx, token)
	if errors.Is(err, merchantauth.ErrRefreshTokenExpired) {
		next, err = client.Login(ctx)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(next.ID() != token.ID(), next.RefreshToken() != token.RefreshToken())
	// Output: true true
}

// A TokenSource of your own serves tests that need no server.
func ExampleNewToken() {
	var source merchantauth.TokenSource = fake{}
	token, _ := source.Token(context.Background())
	fmt.Println(token.Value(), "prints as", strings.Split(token.String(), "(")[0])
	// Output: opaque prints as merchantauth.Token
}

type fake struct{}

func (fake) Token(context.Context) (merchantauth.Token, error) {
	return merchantauth.NewToken("opaque", "", time.Now().Add(time.Hour), time.Time{}), nil
}

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

// A readiness probe: a usable token costs it no request.
func ExampleClient_Ready() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		fmt.Println(client.Ready(ctx))
		cancel()
	}
	fmt.Println("logins:", srv.Logins())
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// logins: 1
}

// A token request is shown as well, with the context of the caller that started it.
func ExampleConfig_onAttempt() {
	srv := merchantauthtest.NewServer(merchantauthtest.Options{})
	defer srv.Close()
	cfg := srv.Config()
	cfg.OnAttempt = func(_ context.Context, a providerauth.Attempt) {
		fmt.Println(a.Op, a.Path, a.Outcome)
	}
	client, err := merchantauth.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	if err := client.Call(context.Background(), "GET", "/v2/rate/equivalent", nil, nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Login /v2/auth/login ok
	// Call /v2/rate/equivalent ok
}

// EnsureCustomer creates a customer once, also if the answer is lost.
func ExampleClient_EnsureCustomer() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	srv.LoseAnswers(1, func(r *http.Request) bool { return r.URL.Path == "/v2/customer/create" })
	for range 2 {
		customer, err := client.EnsureCustomer(ctx, customer())
		var e *merchantauth.Error
		switch {
		case errors.As(err, &e) && e.Ambiguous():
			fmt.Println("it may still come: call EnsureCustomer again in some minutes")
			return
		case err != nil:
			fmt.Println(err)
			return
		}
		fmt.Println(customer.ID, "of", srv.Customers())
	}
	// Output:
	// cust-0001-xyz of 1
	// cust-0001-xyz of 1
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

// Two replicas of a backend share a session: they log in once.
func ExampleConfig_store() {
	srv := merchantauthtest.NewServer(merchantauthtest.Options{})
	defer srv.Close()
	store := new(storetest.Memory) // redisstore, where the replicas are processes
	for range 2 {
		cfg := srv.Config()
		cfg.Store = store
		cfg.StoreKeys = providerauth.StaticSecrets("thirty-two random characters.....")
		cfg.StoreTimeout = 500 * time.Millisecond
		client, err := merchantauth.New(cfg)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer client.Close()
		if _, err := client.Token(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("logins:", srv.Logins())
	}
	// Output:
	// logins: 1
	// logins: 1
}
