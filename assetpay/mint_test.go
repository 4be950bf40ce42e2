package assetpay_test

import (
	"context"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

const (
	vectorTime    = 1709550000
	vectorHeader  = "eyJhbGciOiJIUzI1NiIsInVzZXJJZCI6Im1lcmNoYW50LXV1aWQifQ"
	vectorPayload = "eyJtZXJjaGFudElkIjoibWVyY2hhbnQtdXVpZCIsImNsaWVudCI6eyJzdGVhbUlEIjoiNzY1NjExOTgwMTIzNDU2NzgiLCJ0cmFkZVVybCI6Imh0dHBzOi8vc3RlYW1jb21tdW5pdHkuY29tL3RyYWRlb2ZmZXIvbmV3Lz9wYXJ0bmVyPTUyMDc5OTUwJnRva2VuPUFiQ2RFZkdoIn0sImlhdCI6MTcwOTU1MDAwMCwiZXhwIjoxNzA5NjM2NDAwfQ"
	vector        = vectorHeader + "." + vectorPayload + ".8KrX3vFwAfRm-kyeXBBtd_mB8m3muDmRoYalcVs20YA"
)

func vectorWithData() assetpay.User {
	req := with(assetpay.ClientData{TotalWager: 5000, KYCLevel: 2, FiatDeposits: true})
	req.ClientID = "user-123"
	return req
}

func TestMintedTokenIsTheDocumentedOneByteForByte(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		testkit.Until(vectorTime + 5) // iat lies 5 s back
		tok, err := c.MintClientToken(t.Context(), user())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "token", tok.Value(), vector)
		testkit.Equal(t, "length", len(tok.Value()), 357)
		testkit.Equal(t, "expires", tok.ExpiresAt.Unix(), vectorTime+86400)
		tok, err = c.MintClientToken(t.Context(), vectorWithData())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "header and signature", tok.Value()[:len(vectorHeader)]+tok.Value()[strings.LastIndex(tok.Value(), "."):],
			vectorHeader+".Q2SC3dIMgnDRUVxsk-mtldkheo_mM6W0J8iCvkcQJAY")
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
		testkit.Equal(t, "entries", c.Stats().Entries, 0)
	})
	bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
		testkit.Until(vectorTime + 5) // iat lies 5 s back
		tok, err := c.MintClientToken(t.Context(), user())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "signature under another secret", tok.Value()[strings.LastIndex(tok.Value(), "."):], ".az5iZ6qTWwzrwMpb_nkcRy1JwpW4kR-lbOtdoosbCQQ")
	}, func(cfg *assetpay.Config) { cfg.APISecret = providerauth.StaticSecret("test_api_secret2") })
}

func TestLocalTokensAreAcceptedAndCostNoExchange(t *testing.T) {
	bubble(t, assetpaytest.Options{RateLimit: 1}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		testkit.Until(vectorTime + 5) // iat lies 5 s back
		testkit.Equal(t, "token", token(t, c.TokenSource(user())).Value(), vector)
		testkit.Crowd(100, func(int) { inventory(t, c) })
		testkit.Equal(t, "exchanges, tokens", []int{srv.Count(exchange), srv.Tokens()}, []int{0, 1})
		for range 48 {
			time.Sleep(time.Hour)
			inventory(t, c)
		}
		testkit.Equal(t, "invalidations", c.Stats().Invalidations, 0)
	}, local)
}

func TestTokenMintedInTheSecondOfARevokedOneIsNotEqualToIt(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		inventory(t, c)
		srv.RevokeTokens()
		inventory(t, c)
		testkit.Equal(t, "tokens, calls", []int{srv.Tokens(), srv.Count("/client/inventory")}, []int{2, 3})
	}, local)
}

func TestAPISecretIsRotatedWithoutALostRequest(t *testing.T) {
	secret := testkit.NewVault("old")
	bubble(t, assetpaytest.Options{APISecret: "old"}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		inventory(t, c)
		secret.Store("new")
		srv.RotateAPISecrets("new", "old")
		inventory(t, c) // with the old token, which is good for now
		testkit.Equal(t, "tokens", srv.Tokens(), 1)
		srv.RotateAPISecrets("new")
		inventory(t, c)
		testkit.Equal(t, "calls", srv.Count("/client/inventory"), 4)
		testkit.Equal(t, "invalidations", c.Stats().Invalidations, 1)
	}, local, func(cfg *assetpay.Config) {
		cfg.APISecret = secret.Get
	})
}

func TestMintingFollowsTheProvidersClock(t *testing.T) {
	for name, call := range map[string]func(*testing.T, *assetpaytest.Server, *assetpay.Client){
		"CallFor": func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) { inventory(t, c) },
		"HTTPClientFor": func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			resp, err := c.HTTPClientFor(user()).Get(srv.URL() + "/client/inventory")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			testkit.Equal(t, "status", resp.StatusCode, 200)
		},
	} {
		for _, offset := range []time.Duration{-48 * time.Hour, 48 * time.Hour} {
			t.Run(name+offset.String(), func(t *testing.T) {
				bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
					srv.SetClockOffset(offset)
					call(t, srv, c)
					left := time.Until(token(t, c.TokenSource(user())).ExpiresAt)
					if left > 24*time.Hour || left < 24*time.Hour-7*time.Second {
						t.Errorf("the token is said to live %v by this machine's clock, want 24h less Backdate", left)
					}
				}, local)
			})
		}
	}
}

func TestSecretThatComesBackEndsTheBackOff(t *testing.T) {
	secret := testkit.NewVault("")
	bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
		for range 8 { // the wait grows to a minute
			_, err := c.Token(t.Context(), user())
			errorIs(t, err, providerauth.ErrSecretUnavailable)
			time.Sleep(time.Minute)
		}
		_, _ = c.Token(t.Context(), user())
		secret.Change("test_api_secret", func() error { _, err := c.Token(t.Context(), user()); return err })
		token(t, c.TokenSource(user()))
	}, local, func(cfg *assetpay.Config) {
		cfg.APIKey = nil
		cfg.APISecret = secret.Get
	})
}

func TestTokenThatNoHeaderCanCarryIsNotMinted(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
		req := with(assetpay.ClientData{KYCHash: strings.Repeat("h", 512)})
		_, err := c.MintClientToken(t.Context(), req)
		if e := errorIs(t, err, providerauth.ErrInvalidRequest); e.Fields["ClientData"] == "" {
			t.Errorf("fields %v", e.Fields)
		}
		_, err = c.Token(t.Context(), req)
		errorIs(t, err, providerauth.ErrInvalidRequest)
	}, local, func(cfg *assetpay.Config) { cfg.MerchantID = strings.Repeat("m", 3000) })
}

func TestMintEndsWithItsDeadline(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
		_, err := c.Token(t.Context(), user())
		errorIs(t, err, providerauth.ErrSecretUnavailable, context.DeadlineExceeded)
	}, local, func(cfg *assetpay.Config) {
		cfg.APISecret = func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	})
}

func TestClient_fipsOnly(t *testing.T) {
	if !testkit.InFIPSOnly(t) {
		return
	}
	withSecret := func(f providerauth.SecretFunc, change ...func(*assetpay.Config)) assetpay.Config {
		cfg := assetpay.Config{APIKey: providerauth.StaticSecret("ap_1"), APISecret: f, MerchantID: "merchant-uuid"}
		for _, ch := range change {
			ch(&cfg)
		}
		return cfg
	}
	supplies := func(secret string) providerauth.SecretFunc {
		return func(context.Context) (string, error) { return secret, nil }
	}
	unavailable := func(t *testing.T, err error) {
		t.Helper()
		errorIs(t, err, providerauth.ErrSecretUnavailable)
		testkit.SecretTooShort(t, err)
	}
	t.Run("New reports a static secret that is too short", func(t *testing.T) {
		for _, mint := range []assetpay.MintMode{assetpay.MintLocal, assetpay.MintRemote} {
			_, err := assetpay.New(withSecret(providerauth.StaticSecret(testkit.ShortSecret), func(cfg *assetpay.Config) { cfg.Mint = mint }))
			testkit.Equal(t, mint.String(), errorIs(t, err, providerauth.ErrInvalidRequest).Fields, map[string]string{"APISecret": testkit.FIPSRule})
		}
	})
	t.Run("New does not call a function", func(t *testing.T) {
		f := func(context.Context) (string, error) { panic("called") }
		open(t, withSecret(f, func(cfg *assetpay.Config) { cfg.APIKey = f }))
	})
	t.Run("MintClientToken reports a secret that is too short", func(t *testing.T) {
		_, err := open(t, withSecret(supplies(testkit.ShortSecret))).MintClientToken(t.Context(), user())
		unavailable(t, err)
	})
	t.Run("VerifyClientToken reports a secret that is too short", func(t *testing.T) {
		_, err := open(t, withSecret(supplies(testkit.ShortSecret))).VerifyClientToken(t.Context(), vector)
		unavailable(t, err)
	})
	t.Run("with MintLocal a short secret that comes later is unavailable", func(t *testing.T) {
		secret := testkit.NewVault(testkit.LongSecret)
		bubble(t, assetpaytest.Options{APISecret: testkit.LongSecret}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
			inventory(t, c)
			secret.Store(testkit.ShortSecret)
			time.Sleep(25 * time.Hour)
			_, err := c.Token(t.Context(), user())
			unavailable(t, err)
			time.Sleep(time.Minute)
			secret.Change(testkit.LongSecret, func() error { _, err := c.Token(t.Context(), user()); return err })
			inventory(t, c)
		}, local, func(cfg *assetpay.Config) {
			cfg.APISecret = secret.Get
		})
	})
	t.Run("an API key may be short", func(t *testing.T) {
		bubble(t, assetpaytest.Options{APIKey: "short"}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
			inventory(t, c)
		})
	})
	t.Run("a secret of 14 bytes works", func(t *testing.T) {
		c := open(t, withSecret(providerauth.StaticSecret(testkit.LongSecret), local))
		defer c.Close()
		claims, err := c.VerifyClientToken(t.Context(), token(t, c.TokenSource(user())).Value())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "Steam ID", claims.SteamID, steamID)
	})
}
