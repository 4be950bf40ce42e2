package assetpay_test

import (
	"net/http"
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
