package platformtokentest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
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

	srv := platformtokentest.Start(t, platformtokentest.Options{})
	client, err := platformtoken.New(srv.Config())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	player := platformtoken.Player{UserID: "u1", Currency: "BRL"}
	srv.Deposit(player, "30.5")
	balance, err := client.Balance(context.Background(), player)
	fmt.Println(balance.Amount, err, srv.Created("u1"))
	// Output: 30.5 <nil> 1
}

// An endpoint of your own below /player gets the requests with a live token.
func ExampleServer_Handle() {
	srv := platformtokentest.NewServer(platformtokentest.Options{})
	defer srv.Close()
	srv.Handle("POST /player/getBets", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		platformtokentest.WriteData(w, []string{"bet-1", "bet-2"})
	}))

	client, err := platformtoken.New(srv.Config())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	var bets []string
	player := platformtoken.Player{UserID: "u1", Currency: "BRL"}
	err = client.CallFor(context.Background(), player, http.MethodPost, "/player/getBets", struct{}{}, &bets)
	fmt.Println(bets, err)
	// Output: [bet-1 bet-2] <nil>
}
