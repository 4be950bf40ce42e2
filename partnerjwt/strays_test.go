package partnerjwt_test

import (
	"net/http"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// subject is a client whose calls are half typed and half by HTTPClient.
var subject = provider.Subject(func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) testkit.Subject {
	h := c.HTTPClient()
	order := map[string]string{"ticker": "AAPL", "orderSide": "BUY"}
	return testkit.Subject{
		Token: func() error { _, err := c.Token(t.Context()); return err },
		Call: func(i int) error {
			if i%2 == 0 {
				return testkit.Get(h, srv.URL()+"/portfolio")
			}
			_, err := c.Portfolio(t.Context())
			return err
		},
		Always:     func(int) error { return c.Call(t.Context(), http.MethodPost, "/trade", order, nil) },
		Half:       func(int) error { return c.Call(t.Context(), http.MethodGet, "/half", nil, nil) },
		IsAlways:   testkit.Path("/trade"),
		IsHalf:     testkit.Path("/half"),
		StrayCalls: srv.StrayCalls,
		Strays:     func() (calls, tokens int) { return srv.Strays(), 0 },
		Creations:  srv.Tokens,
	}
})

func TestClient_Strays(t *testing.T) { testkit.Strays(t, subject) }

func TestClient_BadEndpoints(t *testing.T) { testkit.BadEndpoints(t, subject) }

func TestClient_Transport_opaqueURL(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		req, err := http.NewRequest(http.MethodGet, srv.URL()+"/portfolio", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "//evil.example/portfolio" // a plain proxy would send it there, with the token
		_, err = c.Transport(nil).RoundTrip(req)
		e := errorIs(t, err, providerauth.ErrNotSent, providerauth.ErrInvalidRequest)
		if e.Fields["URL"] == "" {
			t.Errorf("the error names %v, want URL", e.Fields)
		}
		testkit.Equal(t, "tokens that were seen", srv.Tokens(), 0)
	})
}
