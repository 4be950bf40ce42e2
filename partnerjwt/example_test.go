package partnerjwt_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// The simulator stands in for PiTrade in all of these.
func simulated() (*partnerjwttest.Server, *partnerjwt.Client) {
	srv := partnerjwttest.NewServer(partnerjwttest.Options{})
	client, err := partnerjwt.New(srv.Config())
	if err != nil {
		panic(err)
	}
	return srv, client
}

func ExampleNew() {
	client, err := partnerjwt.New(partnerjwt.Config{
		ClientID: "client-1",
		Secret:   providerauth.StaticSecret("secret-1"),
		BaseURL:  "https://partner.example.com",
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
	fmt.Println(strings.Count(token.Value(), "."), time.Until(token.ExpiresAt).Round(time.Minute))
	// Output: 2 15m0s
}

func ExampleNew_invalid() {
	_, err := partnerjwt.New(partnerjwt.Config{ClientID: "client-1\n", BaseURL: "http://partner.example.com"})
	fmt.Println(errors.Is(err, providerauth.ErrInvalidRequest))
	var e *partnerjwt.Error
	if errors.As(err, &e) {
		fmt.Println(len(e.Fields), "fields")
	}
	// Output:
	// true
	// 3 fields
}

func ExampleClient_Portfolio() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	holdings, err := client.Portfolio(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range holdings {
		fmt.Println(h.Ticker, h.Quantity, h.AveragePurchasePrice)
	}
	// Output:
	// AAPL 10 145
	// MSFT 5.25 320.5
}

func ExampleClient_Call() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	order := struct {
		Ticker    string              `json:"ticker"`
		OrderSide string              `json:"orderSide"`
		Amount    providerauth.Number `json:"amount"`
	}{Ticker: "AAPL", OrderSide: "BUY"}
	order.Amount.Amount, _ = providerauth.ParseAmount("25.50")

	srv.LoseAnswers(1) // the order is taken, the answer is lost
	err := client.Call(context.Background(), http.MethodPost, "/trade", order, nil)
	var e *partnerjwt.Error
	if errors.As(err, &e) {
		_, again := e.Retryable()
		fmt.Println("ambiguous:", e.Ambiguous(), "retryable:", again)
	}
	// Output: ambiguous: true retryable: false
}

func ExampleClient_HTTPClient() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	resp, err := client.HTTPClient().Get(srv.URL() + "/portfolio")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

func ExampleClient_Invalidate() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	ctx := context.Background()
	token, _ := client.Token(ctx)
	fmt.Println(client.Invalidate(token)) // a WebSocket was refused with it
	fmt.Println(client.Invalidate(token)) // and another one, a moment later
	// Output:
	// true
	// false
}

func ExampleVerify() {
	ctx := context.Background()
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	token, _ := client.Token(ctx)
	claims, err := partnerjwt.Verify(ctx, token.Value(), providerauth.StaticSecret("secret-1"), partnerjwt.VerifyOptions{Leeway: 30 * time.Second})
	fmt.Println(claims.ClientID, err)
	_, err = partnerjwt.Verify(ctx, token.Value()+"x", providerauth.StaticSecret("secret-1"), partnerjwt.VerifyOptions{})
	fmt.Println(errors.Is(err, partnerjwt.ErrInvalidToken))
	// Output:
	// client-1 <nil>
	// true
}

// A TokenSource of your own serves tests that need no server.
func ExampleNewToken() {
	var source partnerjwt.TokenSource = fake{}
	token, _ := source.Token(context.Background())
	fmt.Println(token.Value(), "prints as", strings.Split(token.String(), "(")[0])
	// Output: opaque prints as partnerjwt.Token
}

type fake struct{}

func (fake) Token(context.Context) (partnerjwt.Token, error) {
	return partnerjwt.NewToken("opaque", time.Now().Add(time.Hour)), nil
}

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

// A readiness probe. It sends no request: the client mints its tokens itself.
func ExampleClient_Ready() {
	srv, client := simulated()
	defer srv.Close()
	defer client.Close()
	probe := func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if err := client.Ready(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}
	w := httptest.NewRecorder()
	probe(w, httptest.NewRequest(http.MethodGet, "/ready", nil))
	fmt.Println(w.Code)
	// Output: 200
}

// Each HTTP request is shown, with the context of its call: a trace in it is there.
func ExampleConfig_onAttempt() {
	srv := partnerjwttest.NewServer(partnerjwttest.Options{})
	defer srv.Close()
	cfg := srv.Config()
	cfg.OnAttempt = func(_ context.Context, a providerauth.Attempt) {
		fmt.Println(a.Provider, a.Op, a.Method, a.Path, "attempt", a.Attempt, a.StatusCode, a.Outcome, a.Duration > 0)
	}
	client, err := partnerjwt.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	srv.FailNext(1, http.StatusServiceUnavailable, http.Header{"Retry-After": {"0"}})
	if _, err := client.Portfolio(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// partnerjwt Portfolio GET /portfolio attempt 1 503 failed true
	// partnerjwt Portfolio GET /portfolio attempt 2 200 ok true
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
