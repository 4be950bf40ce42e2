package merchantauthtest_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
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

	srv := merchantauthtest.Start(t, merchantauthtest.Options{})
	client, err := merchantauth.New(srv.Config())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	for range 2 {
		if _, err := client.FindCustomers(context.Background(), merchantauth.CustomerQuery{ExternalID: "u-1"}); err != nil {
			log.Fatal(err)
		}
		srv.ExpireTokens()
	}
	fmt.Println(srv.Logins(), srv.Refreshes())
	// Output: 1 1
}
