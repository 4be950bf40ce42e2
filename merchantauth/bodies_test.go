package merchantauth_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
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

// A token that Kuna rejects inside a stream is replaced for the next request.
func TestClient_HTTPClient_streamedRejection(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		first := token(t, c)
		time.Sleep(2 * time.Second)
		events := make(chan string, 1)
		events <- `{"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError"}}]}`
		close(events)
		srv.Stream(1, events, http.Header{"Content-Type": {"application/json"}})
		resp, err := c.HTTPClient().Get(srv.URL() + "/v2/rates")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if !strings.Contains(string(body), "TokenExpiredError") || err != nil {
			t.Errorf("read %q, %v", body, err)
		}
		testkit.Equal(t, "replaced", token(t, c).ID() != first.ID(), true)
	})
}
