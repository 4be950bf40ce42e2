package partnerjwt_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// claimsOf returns the claims of a token.
func claimsOf(t *testing.T, tok partnerjwt.Token) map[string]any {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(tok.Value(), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestConfig_Backdate(t *testing.T) {
	for name, tc := range map[string]struct {
		lifetime, backdate, want time.Duration
	}{
		"5 seconds by default":         {0, 0, 5 * time.Second},
		"less of a short life":         {30 * time.Second, 0, 2 * time.Second},
		"nothing of a life below 12 s": {11 * time.Second, 0, 0},
		"as it is set":                 {time.Minute, 30 * time.Second, 30 * time.Second},
		"nothing if it is negative":    {0, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, _ *partnerjwttest.Server, c *partnerjwt.Client) {
				time.Sleep(1700 * time.Millisecond) // the claims have whole seconds
				tok, err := c.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				claims := claimsOf(t, tok)
				iat, exp := claims["iat"].(float64), claims["exp"].(float64)
				testkit.Equal(t, "iat", int64(iat), time.Now().Add(-tc.want).Unix())
				life := tc.lifetime
				if life == 0 {
					life = partnerjwt.DefaultLifetime
				}
				testkit.Equal(t, "exp - iat", time.Duration(exp-iat)*time.Second, life)
				testkit.Equal(t, "ExpiresAt", tok.ExpiresAt.Unix(), int64(exp))
				testkit.Equal(t, "claims", len(claims), 3) // no nbf
			}, func(cfg *partnerjwt.Config) { cfg.Lifetime, cfg.Backdate = tc.lifetime, tc.backdate })
		})
	}
	t.Run("what cannot be is an error of New", func(t *testing.T) {
		for _, backdate := range []time.Duration{time.Minute, 1500 * time.Millisecond} {
			_, err := partnerjwt.New(partnerjwt.Config{
				ClientID: "c", Secret: providerauth.StaticSecret("s"), BaseURL: "https://x.example", Lifetime: time.Minute, Backdate: backdate,
			})
			if e := errorIs(t, err, providerauth.ErrInvalidRequest); e.Fields["Backdate"] == "" {
				t.Errorf("%v: the fields are %v", backdate, e.Fields)
			}
		}
	})
}

// A replay with a token of the next second must not meet a clock that is a moment
// behind, and for which that second has not begun.
func TestClient_replayWithoutBackdate(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		time.Sleep(500 * time.Millisecond)
		portfolio(t, c)
		srv.SetClockOffset(-100 * time.Millisecond)
		srv.RevokeTokens()
		resp, err := c.HTTPClient().Get(srv.URL() + "/portfolio")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		testkit.Equal(t, "status of the replay", resp.StatusCode, http.StatusOK)
	}, func(cfg *partnerjwt.Config) { cfg.Backdate = -1 })
}
