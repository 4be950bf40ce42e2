// Merchantauth creates a customer at Kuna Core, and shows how to find out whether
// an ambiguous creation worked.
//
//	KUNA_BASE_URL=https://... KUNA_MERCHANT_ID=... KUNA_EMAIL=... KUNA_PASSWORD=... go run ./examples/merchantauth
//	KUNA_BASE_URL=https://... KUNA_API_KEY=... go run ./examples/merchantauth
//
// Without these variables it runs against the simulator, which loses the answer,
// and prints a note. With them it only asks for the market rates and creates no
// customer.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	cfg := merchantauth.Config{
		BaseURL:    os.Getenv("KUNA_BASE_URL"),
		MerchantID: os.Getenv("KUNA_MERCHANT_ID"),
		Email:      os.Getenv("KUNA_EMAIL"),
		Password:   providerauth.StaticSecret(os.Getenv("KUNA_PASSWORD")),
		APIKey:     providerauth.StaticSecret(os.Getenv("KUNA_API_KEY")),
	}
	simulated := cfg.BaseURL == "" && cfg.Email == "" && cfg.APIKey == nil
	if simulated {
		fmt.Println("KUNA_BASE_URL and the others are not set: using the simulator")
		srv := merchantauthtest.NewServer(merchantauthtest.Options{})
		defer srv.Close()
		srv.LoseAnswers(1, func(r *http.Request) bool { return r.URL.Path == "/v2/customer/create" })
		cfg = srv.Config()
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	client, err := merchantauth.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := rates(ctx, client); err != nil {
		return err
	}
	if !simulated {
		return nil
	}
	return create(ctx, client)
}

func rates(ctx context.Context, client *merchantauth.Client) error {
	var rates []struct {
		Asset      string            `json:"asset"`
		Equivalent map[string]string `json:"equivalent"`
	}
	err := client.Call(ctx, http.MethodGet, "/v2/rate/equivalent", nil, &rates)
	var e *merchantauth.Error
	switch {
	case errors.Is(err, providerauth.ErrUnauthorized):
		return fmt.Errorf("the credentials are not accepted: %w", err)
	case errors.As(err, &e):
		if after, ok := e.Retryable(); ok {
			return fmt.Errorf("try again, after %v: %w", after, err)
		}
		return err
	case err != nil:
		return err
	}
	for _, r := range rates {
		fmt.Printf("%-6s %12s USD\n", r.Asset, r.Equivalent["USD"])
	}
	token, err := client.Token(ctx) // the token of the call above
	if errors.Is(err, merchantauth.ErrNoSession) {
		return nil // an API key has no session
	}
	if err != nil {
		return err
	}
	fmt.Printf("token %s is good until %s\n", token.ID(), token.ExpiresAt.Format(time.TimeOnly))
	return nil
}

func create(ctx context.Context, client *merchantauth.Client) error {
	req := merchantauth.CreateCustomerRequest{
		Email: "alex@smith.example", FirstName: "Alex", LastName: "Smith", Country: "FR",
		VerificationDocumentID: "FV633452", ResidenceAddress: "5 Av. Anatole France, 75007 Paris, France",
		ExternalID: "user-4711",
	}
	customer, err := client.CreateCustomer(ctx, req)
	var e *merchantauth.Error
	switch {
	case errors.As(err, &e) && e.Ambiguous():
		fmt.Println("it is unclear whether the customer was created:", err)
		found, err := client.FindCustomers(ctx, merchantauth.CustomerQuery{ExternalID: req.ExternalID})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return errors.New("not there yet: look again in a while, before creating again")
		}
		customer = found[0]
		fmt.Println("it was")
	case err != nil:
		return err
	}
	fmt.Printf("customer %s has wallet %s\n", customer.ID, customer.WalletID)
	return nil
}
