package partnerjwttest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
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

	srv := partnerjwttest.Start(t, partnerjwttest.Options{})
	client, err := partnerjwt.New(srv.Config())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	srv.FailNext(1, http.StatusServiceUnavailable, nil) // the client repeats a read
	holdings, err := client.Portfolio(context.Background())
	fmt.Println(len(holdings), err, srv.Count("/portfolio"))
	// Output: 2 <nil> 2
}

// An endpoint of your own gets the requests with a valid token.
func ExampleServer_Handle() {
	srv := partnerjwttest.NewServer(partnerjwttest.Options{})
	defer srv.Close()
	srv.Handle("GET /orders/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"id":"`+r.PathValue("id")+`","state":"filled"}`)
	}))

	client, err := partnerjwt.New(srv.Config())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	var order struct{ ID, State string }
	err = client.Call(context.Background(), http.MethodGet, "/orders/7", nil, &order)
	fmt.Println(order.ID, order.State, err)
	// Output: 7 filled <nil>
}
