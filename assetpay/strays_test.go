package assetpay_test

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// subject is a client whose calls are half typed and half by HTTPClientFor.
var subject = provider.Subject(func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) testkit.Subject {
	for _, path := range []string{"/client/always", "/client/half"} {
		srv.Handle("POST "+path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			assetpaytest.WriteData(w, true)
		}))
	}
	h := c.HTTPClientFor(user())
	post := func(path string) func(int) error {
		return func(int) error { return c.CallFor(t.Context(), user(), http.MethodPost, path, nil, nil) }
	}
	return testkit.Subject{
		Token: func() error { _, err := c.Token(t.Context(), user()); return err },
		Call: func(i int) error {
			if i%2 == 0 {
				return testkit.Get(h, srv.URL()+"/client/inventory")
			}
			return c.CallFor(t.Context(), user(), http.MethodGet, "/client/inventory", nil, nil)
		},
		Always:      post("/client/always"),
		Half:        post("/client/half"),
		IsAlways:    testkit.Path("/client/always"),
		IsHalf:      testkit.Path("/client/half"),
		StrayCalls:  srv.StrayCalls,
		StrayTokens: srv.StrayTokens,
		Strays:      srv.Strays,
		FailTokens:  testkit.FailTokens(srv, testkit.Path(exchange)),
		Patience:    4*time.Second + 100*time.Millisecond,
		Creations:   func() int { return srv.Count(exchange) },
	}
})

func TestClient_Strays(t *testing.T) { testkit.Strays(t, subject) }

func TestClient_Outage(t *testing.T) { testkit.Outage(t, subject) }

func TestClient_BadEndpoints(t *testing.T) { testkit.BadEndpoints(t, subject) }

func TestClient_QuotaOfAMerchant(t *testing.T) {
	duration := 10 * time.Minute
	if !testkit.Long() {
		duration = time.Minute
	}
	bubble(t, assetpaytest.Options{RateLimit: 100}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		srv.Delay(20 * time.Millisecond)
		var users []assetpay.User
		for i := range 20 {
			u := user()
			u.ClientID = fmt.Sprint("user ", i)
			users = append(users, u)
			if _, err := c.Token(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		srv.StrayCalls(100, 1)
		y := testkit.Traffic(duration, 10*time.Millisecond, func(i int) error {
			return c.CallFor(t.Context(), users[i%len(users)], http.MethodGet, "/client/inventory", nil, nil)
		})
		calls, _ := srv.Strays()
		t.Logf("%v; %d strays, %d exchanges", y, calls, srv.Count(exchange))
		if y.Failed() > calls {
			t.Errorf("%d calls failed, want at most the %d that were rejected by chance", y.Failed(), calls)
		}
		// The first exchange of each user, ten at once, one a minute.
		if n, most := srv.Count(exchange), 20+10+int(duration/time.Minute); n > most {
			t.Errorf("%d exchanges, want at most %d", n, most)
		}
	})
}

func TestClient_refusedScopes(t *testing.T) {
	for name, tc := range map[string]struct {
		status, most int
	}{
		"the API key is refused": {http.StatusUnauthorized, 1 + 4},     // one per back-off
		"the request is refused": {http.StatusUnprocessableEntity, 18}, // first, five, one per five seconds
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				srv.FailNext(math.MaxInt, tc.status, nil)
				for i := range 600 { // a minute
					if _, err := c.Token(t.Context(), with(assetpay.ClientData{TotalWager: float64(i % 2)})); err == nil {
						t.Error("no error")
					}
					time.Sleep(100 * time.Millisecond)
				}
				if n := srv.Count(exchange); n > tc.most {
					t.Errorf("%d exchanges in a minute, want at most %d", n, tc.most)
				}
			})
		})
	}
}
