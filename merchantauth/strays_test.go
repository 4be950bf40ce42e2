package merchantauth_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// subject is a client whose calls are half typed and half by HTTPClient.
func subject(t *testing.T) (testkit.Subject, func()) {
	srv := merchantauthtest.NewServer(merchantauthtest.Options{InMemory: true})
	srv.Delay(20 * time.Millisecond)
	srv.Handle("POST /v2/half", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		merchantauthtest.WriteData(w, http.StatusOK, true)
	}))
	c := open(t, srv.Config())
	h := c.HTTPClient()
	return testkit.Subject{
		Token: func() error { _, err := c.Token(t.Context()); return err },
		Call: func(i int) error {
			if i%2 == 0 {
				return testkit.Get(h, srv.URL()+"/v2/rate/equivalent")
			}
			_, err := c.FindCustomers(t.Context(), merchantauth.CustomerQuery{ExternalID: "x"})
			return err
		},
		Always:      func(int) error { _, err := c.CreateCustomer(t.Context(), alex()); return err },
		Half:        func(int) error { return c.Call(t.Context(), http.MethodPost, "/v2/half", nil, nil) },
		IsAlways:    testkit.Path(createPath),
		IsHalf:      testkit.Path("/v2/half"),
		StrayCalls:  srv.StrayCalls,
		StrayTokens: srv.StrayTokens,
		Strays:      srv.Strays,
		FailTokens:  testkit.FailTokens(srv, func(r *http.Request) bool { return r.URL.Path == loginPath || r.URL.Path == refreshPath }),
		Patience:    4*time.Second + 100*time.Millisecond,
		Creations:   func() int { return srv.Logins() + srv.Refreshes() },
	}, func() { _ = c.Close(); srv.Close() }
}

func TestClient_Strays(t *testing.T) { testkit.Strays(t, subject) }

func TestClient_Outage(t *testing.T) { testkit.Outage(t, subject) }

func TestClient_BadEndpoints(t *testing.T) { testkit.BadEndpoints(t, subject) }

func TestClient_RepeatedToken(t *testing.T) {
	bubble(t, merchantauthtest.Options{Refresh: merchantauthtest.RefreshOmits}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.RepeatTokens(1, 0, testkit.Path(refreshPath))
		token(t, c)
		srv.StrayCalls(1000, 0)
		for range 3600 { // an hour
			rates(t, c)
			time.Sleep(time.Second)
		}
		calls, _ := srv.Strays()
		testkit.Equal(t, "strays, tokens lost", fmt.Sprint(calls, ", ", c.Stats().Contested), "3, 0")
	})
}
