package assetpaytest_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
)

// test stands for the *testing.T that a test has.
type test struct {
	testing.TB
	end func()
}

func (t *test) Helper()          {}
func (t *test) Cleanup(f func()) { t.end = f }

// The end of the test closes the server.
func ExampleStart() {
	t := new(test) // yours is a *testing.T
	defer func() { t.end() }()

	srv := assetpaytest.Start(t, assetpaytest.Options{})
	client, err := assetpay.New(srv.Config())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	_, err = client.Token(context.Background(), assetpay.User{
		SteamID:  "76561198012345678",
		TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh",
	})
	fmt.Println(srv.Tokens(), err)
	// Output: 1 <nil>
}
