// Platformtoken moves money into a player's wallet at the GameBox platform and
// shows the balance.
//
//	GAMEBOX_BASE_URL=https://... GAMEBOX_TENANT_ID=... GAMEBOX_SECRET=... \
//		GAMEBOX_USER_ID=... GAMEBOX_CURRENCY=... go run ./examples/platformtoken
//
// GAMEBOX_USER_ID is a player of the merchant's, GAMEBOX_CURRENCY is optional.
// Without the other variables Platformtoken runs against the simulator, and prints
// a note. It moves money only there.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	cfg := platformtoken.Config{
		BaseURL: os.Getenv("GAMEBOX_BASE_URL"),
		Secret:  providerauth.StaticSecret(os.Getenv("GAMEBOX_SECRET")),
	}
	if id := os.Getenv("GAMEBOX_TENANT_ID"); id != "" {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return errors.New("GAMEBOX_TENANT_ID is not a number")
		}
		cfg.TenantID = n
	}
	player := platformtoken.Player{UserID: os.Getenv("GAMEBOX_USER_ID"), Currency: os.Getenv("GAMEBOX_CURRENCY")}
	simulated := cfg.BaseURL == "" && cfg.Secret == nil && cfg.TenantID == 0
	if simulated {
		fmt.Println("GAMEBOX_BASE_URL, GAMEBOX_TENANT_ID and GAMEBOX_SECRET are not set: using the simulator")
		srv := platformtokentest.NewServer(platformtokentest.Options{})
		defer srv.Close()
		cfg = srv.Config()
		player = platformtoken.Player{UserID: "t1_225478", Currency: "BRL"}
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	client, err := platformtoken.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	if simulated {
		if err := deposit(ctx, client, player, "12.50"); err != nil {
			return err
		}
	}
	balance, err := client.Balance(ctx, player)
	if err != nil {
		return explain(err)
	}
	token, err := client.Token(ctx, player) // the token of the call above
	if err != nil {
		return explain(err)
	}
	fmt.Printf("token %s is good until %s\n", token.ID(), token.ExpiresAt.UTC().Format(time.DateTime))
	fmt.Printf("%s has %s %s\n", player.UserID, balance.Amount, balance.Currency)
	return nil
}

// deposit moves money in and waits for the transfer's final state.
func deposit(ctx context.Context, client *platformtoken.Client, player platformtoken.Player, sum string) error {
	amount, err := providerauth.ParseAmount(sum)
	if err != nil {
		return err
	}
	txID := "example-" + strconv.FormatInt(time.Now().UnixNano(), 36) // a real program stores it before the call
	transfer, err := client.Transfer(ctx, player, platformtoken.TransferRequest{
		TxID: txID, Direction: platformtoken.TransferIn, Amount: amount,
	})
	for err == nil && !transfer.State.Final() {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		transfer.State, err = client.TransferStatus(ctx, player, transfer.RecordID)
	}
	if err != nil {
		return explain(err)
	}
	fmt.Printf("transfer of %s: %s\n", amount, transfer.State)
	return nil
}

// explain tells an operator how to react to an error.
func explain(err error) error {
	var e *platformtoken.Error
	switch {
	case !errors.As(err, &e):
		return err
	case errors.Is(err, providerauth.ErrContested):
		return fmt.Errorf("another system makes tokens for this player: %w", err)
	}
	if after, ok := e.Retryable(); ok {
		return fmt.Errorf("try again, after %v: %w", after, err)
	}
	if e.Ambiguous() && e.TxID != "" {
		return fmt.Errorf("the money may have moved, ask the platform about the TxID: %w", err)
	}
	return err
}
