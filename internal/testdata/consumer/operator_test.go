package consumer

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

var user = assetpay.User{
	SteamID:  "76561198012345678",
	TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh",
}

// inSimulatedTime runs f with a desk whose providers are simulated.
func inSimulatedTime(t *testing.T, f func(t *testing.T, d *Desk, broker *partnerjwttest.Server, items *assetpaytest.Server)) {
	synctest.Test(t, func(t *testing.T) {
		broker := partnerjwttest.NewServer(partnerjwttest.Options{InMemory: true})
		defer broker.Close()
		brokerClient, err := partnerjwt.New(broker.Config())
		if err != nil {
			t.Fatal(err)
		}
		defer brokerClient.Close()

		items := assetpaytest.NewServer(assetpaytest.Options{InMemory: true})
		defer items.Close()
		itemsClient, err := assetpay.New(items.Config())
		if err != nil {
			t.Fatal(err)
		}
		defer itemsClient.Close()

		f(t, &Desk{Broker: brokerClient, Items: itemsClient}, broker, items)
	})
}

// work uses both providers once.
func work(t *testing.T, d *Desk) {
	t.Helper()
	held, err := d.Holdings(t.Context())
	if err != nil || len(held) != 2 {
		t.Fatalf("got %v, %v, want two holdings", held, err)
	}
	inventory, err := d.Inventory(t.Context(), user)
	if err != nil || len(inventory) != 1 || inventory[0].Name == "" {
		t.Fatalf("got %v, %v, want one named item", inventory, err)
	}
}

func TestTokensAreKeptAcrossCalls(t *testing.T) {
	inSimulatedTime(t, func(t *testing.T, d *Desk, broker *partnerjwttest.Server, items *assetpaytest.Server) {
		for range 10 {
			work(t, d)
		}
		if got := [2]int{broker.Tokens(), items.Tokens()}; got != [2]int{1, 1} {
			t.Errorf("got %v tokens, want one of each provider", got)
		}
	})
}

func TestTokensAreReplacedAfterADay(t *testing.T) {
	inSimulatedTime(t, func(t *testing.T, d *Desk, broker *partnerjwttest.Server, items *assetpaytest.Server) {
		work(t, d)
		time.Sleep(25 * time.Hour)
		work(t, d)
		if got := [2]int{broker.Tokens(), items.Tokens()}; got != [2]int{2, 2} {
			t.Errorf("got %v tokens, want two of each provider", got)
		}
	})
}

func TestRevokedTokensAreNotNoticed(t *testing.T) {
	inSimulatedTime(t, func(t *testing.T, d *Desk, broker *partnerjwttest.Server, items *assetpaytest.Server) {
		work(t, d)
		time.Sleep(time.Second) // within a second a token is signed alike
		broker.RevokeTokens()
		items.RevokeTokens()
		work(t, d)
	})
}

func TestOneLoopServesTheRateLimitsOfAllProviders(t *testing.T) {
	inSimulatedTime(t, func(t *testing.T, d *Desk, broker *partnerjwttest.Server, items *assetpaytest.Server) {
		limit := http.Header{"Retry-After": {"30"}}
		broker.FailNext(1, http.StatusTooManyRequests, limit)
		items.FailNext(1, http.StatusTooManyRequests, limit)
		start := time.Now()
		work(t, d)
		if got := time.Since(start); got < time.Minute || got > 65*time.Second {
			t.Errorf("took %v, want the 30 seconds of each provider", got)
		}
	})
}

func TestOneCheckServesTheErrorsOfAllProviders(t *testing.T) {
	inSimulatedTime(t, func(t *testing.T, d *Desk, broker *partnerjwttest.Server, items *assetpaytest.Server) {
		broker.FailNext(2, http.StatusUnauthorized, nil)
		_, err := d.Holdings(t.Context())
		if !errors.Is(err, providerauth.ErrUnauthorized) {
			t.Errorf("got %v, want providerauth.ErrUnauthorized of a partnerjwt call", err)
		}
		items.FailNext(1, http.StatusBadRequest, nil)
		_, err = d.Inventory(t.Context(), user)
		if !errors.Is(err, providerauth.ErrInvalidRequest) {
			t.Errorf("got %v, want providerauth.ErrInvalidRequest of an assetpay call", err)
		}
	})
}
