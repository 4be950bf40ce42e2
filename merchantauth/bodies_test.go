package merchantauth_test

import (
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestClient_HTTPClient_bodies(t *testing.T) {
	testkit.Streams(t, func(t *testing.T) testkit.TokenClient {
		srv := merchantauthtest.NewServer(merchantauthtest.Options{InMemory: true})
		c := open(t, srv.Config())
		token(t, c)
		return testkit.TokenClient{Simulator: srv, Client: c.HTTPClient(), Path: "/v2/rates", Done: func() { c.Close() }}
	})
}
