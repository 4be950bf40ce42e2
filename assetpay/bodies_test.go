package assetpay_test

import (
	"testing"

	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestClient_HTTPClientFor_bodies(t *testing.T) {
	testkit.Streams(t, func(t *testing.T) testkit.TokenClient {
		srv := assetpaytest.NewServer(assetpaytest.Options{InMemory: true})
		c := open(t, srv.Config())
		inventory(t, c)
		return testkit.TokenClient{Simulator: srv, Client: c.HTTPClientFor(user()), Path: "/client/inventory", Done: func() { c.Close() }}
	})
}
