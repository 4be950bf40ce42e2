package partnerjwt_test

import (
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func TestClient_HTTPClient_bodies(t *testing.T) {
	testkit.Streams(t, func(t *testing.T) testkit.TokenClient {
		srv := partnerjwttest.NewServer(partnerjwttest.Options{InMemory: true})
		c := open(t, srv.Config())
		portfolio(t, c)
		return testkit.TokenClient{Simulator: srv, Client: c.HTTPClient(), Path: "/portfolio", Done: func() { c.Close() }}
	})
}
