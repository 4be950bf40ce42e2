// Partnerjwt shows the holdings of a partner at PiTrade.
//
//	PITRADE_CLIENT_ID=... PITRADE_SECRET=... PITRADE_BASE_URL=https://... go run ./examples/partnerjwt
//
// Without these variables it runs against the simulator, and prints a note.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	cfg := partnerjwt.Config{
		ClientID: os.Getenv("PITRADE_CLIENT_ID"),
		Secret:   providerauth.StaticSecret(os.Getenv("PITRADE_SECRET")),
		BaseURL:  os.Getenv("PITRADE_BASE_URL"),
	}
	if cfg.ClientID == "" && cfg.Secret == nil && cfg.BaseURL == "" {
		fmt.Println("PITRADE_CLIENT_ID, PITRADE_SECRET and PITRADE_BASE_URL are not set: using the simulator")
		srv := partnerjwttest.NewServer(partnerjwttest.Options{})
		defer srv.Close()
		cfg = srv.Config()
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	client, err := partnerjwt.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	holdings, err := client.Portfolio(ctx)
	var e *partnerjwt.Error
	switch {
	case errors.Is(err, providerauth.ErrUnauthorized):
		return fmt.Errorf("client id, secret and base URL do not belong together, or the clock is off: %w", err)
	case errors.As(err, &e):
		if after, ok := e.Retryable(); ok {
			return fmt.Errorf("try again, after %v: %w", after, err)
		}
		return err
	case err != nil:
		return err
	}
	token, err := client.Token(ctx) // the token of the call above
	if err != nil {
		return err
	}
	fmt.Printf("token %s is good until %s\n", token.ID(), token.ExpiresAt.Format(time.TimeOnly))
	for _, h := range holdings {
		fmt.Printf("%-6s %12s shares at %s USD on average\n", h.Ticker, h.Quantity, h.AveragePurchasePrice)
	}
	return nil
}
