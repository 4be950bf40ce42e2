package assetpay_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestClient_WrongClocks(t *testing.T) {
	testkit.WrongClocks(t, func(t *testing.T) (testkit.ClockSubject, func()) {
		srv := assetpaytest.NewServer(assetpaytest.Options{InMemory: true})
		c := open(t, srv.Config(), local)
		return testkit.ClockSubject{
			Server: srv, HTTP: c.HTTPClientFor(user()), URL: srv.URL() + "/client/inventory",
			Call: func(int) error {
				return c.CallFor(t.Context(), user(), http.MethodGet, "/client/inventory", nil, nil)
			},
		}, func() { _ = c.Close(); srv.Close() }
	})
}

func TestConfig_Backdate(t *testing.T) {
	for name, tc := range map[string]struct{ backdate, want time.Duration }{
		"5 seconds by default":      {0, 5 * time.Second},
		"as it is set":              {time.Minute, time.Minute},
		"nothing if it is negative": {-1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
				time.Sleep(1700 * time.Millisecond)
				minted, err := c.MintClientToken(t.Context(), user())
				if err != nil {
					t.Fatal(err)
				}
				for _, tok := range []assetpay.Token{minted, token(t, c.TokenSource(user()))} {
					claims, err := c.VerifyClientToken(t.Context(), tok.Value())
					if err != nil {
						t.Fatal(err)
					}
					testkit.Equal(t, "iat", claims.IssuedAt.Unix(), time.Now().Add(-tc.want).Unix())
					testkit.Equal(t, "exp - iat", claims.ExpiresAt.Sub(claims.IssuedAt), 24*time.Hour)
					testkit.Equal(t, "ExpiresAt", tok.ExpiresAt.Unix(), claims.ExpiresAt.Unix())
				}
			}, local, func(cfg *assetpay.Config) { cfg.Backdate = tc.backdate })
		})
	}
}

// The merchant's own tokens, and those that AssetPay has issued, are verified
// whatever the Date of an edge cache says.
func TestClient_VerifyClientToken_wrongDate(t *testing.T) {
	for _, offset := range []time.Duration{-time.Hour, time.Hour} {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			srv.SetDateOffset(offset)
			for range 3 {
				tok := token(t, c.TokenSource(user()))
				if _, err := c.VerifyClientToken(t.Context(), tok.Value()); err != nil {
					t.Errorf("Date off by %v: %v", offset, err)
				}
				inventory(t, c)
				time.Sleep(2 * time.Second)
			}
		}, local)
	}
}

// After a correction, other users' tokens are replaced before they are sent, so
// that no request fails that cannot be sent again.
func TestClient_tokensBeforeACorrection(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		other := user()
		other.ClientID = "another"
		first, _ := c.Token(t.Context(), other)
		srv.SetClockOffset(-time.Hour)
		inventory(t, c) // rejected once
		req := testkit.MustRequest(srv.URL() + "/client/inventory")
		req.Body = io.NopCloser(strings.NewReader("{}"))
		resp, err := c.HTTPClientFor(other).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		testkit.Equal(t, "status", resp.StatusCode, http.StatusOK)
		testkit.Equal(t, "requests", srv.Count("/client/inventory"), 3)
		if tok, _ := c.Token(t.Context(), other); tok.ID() == first.ID() {
			t.Error("the token from before the correction is still used")
		}
	}, local)
}
