package assetpay_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestThousandCallersOfAnEmptyCacheCostOneRequest(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		srv.Delay(50 * time.Millisecond)
		start := time.Now()
		testkit.Crowd(1000, func(int) { token(t, c.TokenSource(user())) })
		testkit.Equal(t, "requests", srv.Count(exchange), 1)
		testkit.Equal(t, "slowest", time.Since(start), 50*time.Millisecond)
		testkit.Equal(t, "waits", c.Stats().Waits, 1000)
	})
}

func TestFailingProviderCostsOneFlight(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		srv.Delay(10 * time.Millisecond)
		srv.FailNext(math.MaxInt, 502, nil)
		testkit.Crowd(200, func(int) {
			if _, err := c.Token(t.Context(), user()); !errors.Is(err, providerauth.ErrAmbiguous) {
				t.Errorf("got %v", err)
			}
		})
		testkit.Equal(t, "requests", srv.Count(exchange), 1)
		testkit.Equal(t, "failures", c.Stats().Failures, 1)
	}, once)
}

func TestTokenIsRenewedBeforeItExpiresWithoutAWait(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		first := token(t, c.TokenSource(user()))
		time.Sleep(17 * time.Hour)
		testkit.Equal(t, "kept", token(t, c.TokenSource(user())).ID(), first.ID())
		time.Sleep(6 * time.Hour) // the last fifth has begun
		srv.Delay(time.Second)
		start := time.Now()
		testkit.Equal(t, "handed out while it is renewed", token(t, c.TokenSource(user())).ID(), first.ID())
		testkit.Equal(t, "waited", time.Since(start), 0)
		time.Sleep(2 * time.Second)
		if token(t, c.TokenSource(user())).ID() == first.ID() {
			t.Error("not renewed")
		}
		testkit.Equal(t, "requests", srv.Count(exchange), 2)
	})
}

func TestRefreshBeforeAndKeepWarmAreHeeded(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		token(t, c.TokenSource(with(assetpay.ClientData{KYCLevel: 2})))
		time.Sleep(23*time.Hour + 54*time.Minute)
		testkit.Equal(t, "requests", srv.Count(exchange), 1)
		time.Sleep(2 * time.Minute)
		testkit.Equal(t, "requests", srv.Count(exchange), 2)
		testkit.Equal(t, "data", srv.ClientData(steamID), `{"totalWager":0,"kycLevel":2,"fiatDeposits":false,"cryptoDeposits":false}`)
	}, func(cfg *assetpay.Config) { cfg.RefreshBefore, cfg.KeepWarm = 5*time.Minute, true })
}

func TestDifferentClientDataIsANewExchangeAndSoIsGoingBack(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		a := with(assetpay.ClientData{TotalWager: 1000})
		b := with(assetpay.ClientData{TotalWager: 2000})
		for i, req := range []assetpay.User{a, a, b, b, a, a} {
			token(t, c.TokenSource(req))
			testkit.Equal(t, "requests", srv.Count(exchange), i/2+1)
		}
		testkit.Equal(t, "what the server holds", srv.ClientData(steamID), `{"totalWager":1000,"kycLevel":0,"fiatDeposits":false,"cryptoDeposits":false}`)
		testkit.Equal(t, "entries", c.Stats().Entries, 1)
	})
}

func TestClientDataIsComparedByWhatIsSent(t *testing.T) {
	date := time.Date(2024, 2, 1, 10, 0, 0, 5_000_000, time.UTC)
	base := assetpay.ClientData{TotalWager: 1, RegistrationDate: date, KYCHash: "h"}
	change := func(f func(*assetpay.ClientData)) assetpay.User {
		d := base
		f(&d)
		return with(d)
	}
	other := user()
	other.ClientData, other.TradeURL = &base, strings.Replace(tradeURL, "AbCdEfGh", "AbCdEfGx", 1)
	for name, tc := range map[string]struct {
		first, second assetpay.User
		same          bool
	}{
		"another pointer":     {with(base), with(base), true},
		"another zone":        {with(base), change(func(d *assetpay.ClientData) { d.RegistrationDate = date.In(time.FixedZone("x", 3600)) }), true},
		"another nanosecond":  {with(base), change(func(d *assetpay.ClientData) { d.RegistrationDate = date.Add(999_999) }), true},
		"another millisecond": {with(base), change(func(d *assetpay.ClientData) { d.RegistrationDate = date.Add(time.Millisecond) }), false},
		"minus zero":          {with(assetpay.ClientData{}), with(assetpay.ClientData{TotalWager: math.Copysign(0, -1)}), true},
		"nil and empty":       {user(), with(assetpay.ClientData{}), false},
		"wager":               {with(base), change(func(d *assetpay.ClientData) { d.TotalWager = 2 }), false},
		"level":               {with(base), change(func(d *assetpay.ClientData) { d.KYCLevel = 1 }), false},
		"fiat":                {with(base), change(func(d *assetpay.ClientData) { d.FiatDeposits = true }), false},
		"crypto":              {with(base), change(func(d *assetpay.ClientData) { d.CryptoDeposits = true }), false},
		"no date":             {with(base), change(func(d *assetpay.ClientData) { d.RegistrationDate = time.Time{} }), false},
		"hash":                {with(base), change(func(d *assetpay.ClientData) { d.KYCHash = "" }), false},
		"trade URL":           {with(base), other, false},
		"a monotonic reading": {with(assetpay.ClientData{}), with(assetpay.ClientData{}), true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				if name == "a monotonic reading" {
					now := time.Now()
					tc.first.ClientData.RegistrationDate, tc.second.ClientData.RegistrationDate = now, now.Round(0)
				}
				token(t, c.TokenSource(tc.first))
				token(t, c.TokenSource(tc.second))
				want := 2
				if tc.same {
					want = 1
				}
				testkit.Equal(t, "requests", srv.Count(exchange), want)
			})
		})
	}
}

func TestUsersAndClientIDsHaveTokensOfTheirOwn(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		a, b, second := user(), user(), user()
		b.SteamID, second.ClientID = "76561198012345679", "second"
		seen := map[string]bool{}
		for range 3 {
			for _, req := range []assetpay.User{a, b, second} {
				seen[token(t, c.TokenSource(req)).ID()] = true
			}
		}
		testkit.Equal(t, "tokens", len(seen), 3)
		testkit.Equal(t, "requests", srv.Count(exchange), 3)
		testkit.Equal(t, "entries", c.Stats().Entries, 3)
	})
}

func TestTokenSourceKeepsACopyOfItsRequest(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		req := with(assetpay.ClientData{KYCLevel: 1})
		s := c.TokenSource(req)
		token(t, s)
		req.ClientData.KYCLevel = 2
		token(t, s)
		testkit.Equal(t, "requests", srv.Count(exchange), 1)
		token(t, c.TokenSource(req))
		testkit.Equal(t, "requests", srv.Count(exchange), 2)
	})
}

func TestTokenSourceFuncAsksForTheRequestEachTime(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		data := assetpay.ClientData{}
		s := c.TokenSourceFunc(func(context.Context) (assetpay.User, error) { return with(data), nil })
		token(t, s)
		token(t, s)
		testkit.Equal(t, "requests", srv.Count(exchange), 1)
		data.FiatDeposits = true
		token(t, s)
		testkit.Equal(t, "requests", srv.Count(exchange), 2)
		testkit.Equal(t, "data", srv.ClientData(steamID), `{"totalWager":0,"kycLevel":0,"fiatDeposits":true,"cryptoDeposits":false}`)
	})
}

func TestFailureOfTheFunctionIsSeenAndCostsNoRequest(t *testing.T) {
	gone := errors.New("user is gone")
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		failing := func(err error) assetpay.TokenSource {
			return c.TokenSourceFunc(func(context.Context) (assetpay.User, error) {
				return assetpay.User{}, err
			})
		}
		_, err := failing(gone).Token(t.Context())
		e := errorIs(t, err, gone)
		testkit.Equal(t, "text", e.Error(), "assetpay: Token: the function that supplies the request failed")
		if _, ok := e.Retryable(); !ok || e.Ambiguous() {
			t.Errorf("not retryable, or ambiguous: %v", e)
		}
		_, err = failing(providerauth.ErrAmbiguous).Token(t.Context())
		testkit.Equal(t, "another call's ambiguity", errorIs(t, err).Ambiguous(), false)
		_, err = failing(context.Canceled).Token(t.Context())
		if _, ok := errorIs(t, err, context.Canceled).Retryable(); ok {
			t.Error("a cancelled call is retryable")
		}
		_, err = failing(&net404{}).Token(t.Context())
		var own *net404
		if !errors.As(err, &own) {
			t.Error("errors.As does not see the function's error")
		}
		_, err = failing(nil).Token(t.Context()) // and a zero request
		testkit.Equal(t, "fields", len(errorIs(t, err, providerauth.ErrInvalidRequest).Fields), 2)
		_, err = c.TokenSourceFunc(nil).Token(t.Context())
		testkit.Equal(t, "fields", errorIs(t, err, providerauth.ErrInvalidRequest).Fields, map[string]string{"f": "must not be nil"})
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
	})
}

type net404 struct{}

func (*net404) Error() string { return "404" }

func TestInvalidateDropsTheUsersCurrentTokenOnly(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		old := token(t, c.TokenSource(user()))
		time.Sleep(time.Second) // two tokens of one second are equal
		current := token(t, c.TokenSource(with(assetpay.ClientData{})))
		stranger := open(t, srv.Config())
		defer stranger.Close()
		time.Sleep(time.Second)
		foreign := token(t, stranger.TokenSource(user()))
		raw, err := c.AuthenticateClient(t.Context(), with(assetpay.ClientData{}))
		if err != nil {
			t.Fatal(err)
		}
		for name, tok := range map[string]assetpay.Token{
			"an older one": old, "that of another client": foreign, "that of a raw call": raw.Token,
			"one made up": assetpay.NewToken(current.Value(), current.ExpiresAt), "none": {},
		} {
			if c.Invalidate(tok) {
				t.Errorf("%s is current", name)
			}
		}
		testkit.Equal(t, "the current one", c.Invalidate(current), true)
		testkit.Equal(t, "again", c.Invalidate(current), false)
		if token(t, c.TokenSource(with(assetpay.ClientData{}))).ID() == current.ID() {
			t.Error("not replaced")
		}
		testkit.Equal(t, "invalidations", c.Stats().Invalidations, 1)
	})
}

func TestWaiterLeavesOnItsOwnContextAndTheFlightGoesOn(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		srv.Delay(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := c.Token(ctx, user())
		errorIs(t, err, context.DeadlineExceeded)
		testkit.Equal(t, "left after", time.Since(start), 10*time.Millisecond)
		token(t, c.TokenSource(user()))
		testkit.Equal(t, "requests", srv.Count(exchange), 1)
	})
}

func TestFailureIsAnsweredWithinTheBackOffWithoutARequest(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		srv.RotateAPIKeys("ap_other")
		for range 20 {
			_, err := c.Token(t.Context(), user())
			errorIs(t, err, providerauth.ErrUnauthorized)
		}
		testkit.Equal(t, "requests", srv.Count(exchange), 1)
		if c.Stats().BackoffUntil.IsZero() || c.Stats().LastFailure.IsZero() {
			t.Error("Stats shows no back-off")
		}
	})
}

func TestChangedAPIKeyEndsTheBackOff(t *testing.T) {
	key := testkit.NewVault("ap_old")
	bubble(t, assetpaytest.Options{APIKey: "ap_new"}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		_, err := c.Token(t.Context(), user())
		errorIs(t, err, providerauth.ErrUnauthorized)
		key.Change("ap_new", func() error { _, err := c.Token(t.Context(), user()); return err })
		token(t, c.TokenSource(user()))
	}, func(cfg *assetpay.Config) {
		cfg.APIKey = key.Get
	})
}

func TestAfterCloseAGoodTokenIsReturnedAndNothingIsExchanged(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		token(t, c.TokenSource(user()))
		c.Close()
		c.Close()
		token(t, c.TokenSource(user()))
		_, err := c.Token(t.Context(), with(assetpay.ClientData{}))
		errorIs(t, err, providerauth.ErrClosed)
		_, err = c.HTTPClientFor(with(assetpay.ClientData{})).Get(srv.URL() + "/client/inventory")
		errorIs(t, err, providerauth.ErrClosed, providerauth.ErrNotSent)
		err = c.CallFor(t.Context(), with(assetpay.ClientData{}), "GET", "/client/inventory", nil, nil)
		errorIs(t, err, providerauth.ErrClosed, providerauth.ErrNotSent)
		testkit.Equal(t, "requests", len(srv.Requests()), 1)
	})
}

func TestMoreUsersThanEntriesAreServed(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		req := user()
		for i := range 300 {
			req.ClientID = strings.Repeat("x", i%100+1)
			token(t, c.TokenSource(req))
		}
		if n := c.Stats().Entries; n > 64 {
			t.Errorf("%d entries, want at most 64", n)
		}
		if srv.Count(exchange) < 200 || c.Stats().Evictions == 0 {
			t.Errorf("%d requests, %d evictions", srv.Count(exchange), c.Stats().Evictions)
		}
	}, func(cfg *assetpay.Config) { cfg.MaxEntries = 64 })
}

func TestFreshTokenCostsNoAllocation(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
		req := with(assetpay.ClientData{TotalWager: 5000, RegistrationDate: time.Unix(1, 0), KYCHash: "h"})
		req.ClientID = "user-123"
		s := c.TokenSource(req)
		token(t, s)
		ctx := t.Context()
		for name, f := range map[string]func() error{
			"Token":       func() error { _, err := c.Token(ctx, req); return err },
			"TokenSource": func() error { _, err := s.Token(ctx); return err },
		} {
			n := testing.AllocsPerRun(100, func() {
				if err := f(); err != nil {
					t.Fatal(err)
				}
			})
			testkit.Equal(t, name, n, 0.0)
		}
	})
}

func TestNewTokenServesAFakeSource(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tok := assetpay.NewToken("abc", at)
	testkit.Equal(t, "value", tok.Value(), "abc")
	testkit.Equal(t, "text", tok.String(), "assetpay.Token(id ba7816bf8f01, expires 2026-01-02T03:04:05Z)")
	r := &http.Request{}
	tok.SetAuthHeader(r)
	tok.SetAuthHeader(nil)
	testkit.Equal(t, "header", r.Header.Get("Authorization"), "Bearer abc")
	var none assetpay.Token
	r = &http.Request{Header: http.Header{}}
	none.SetAuthHeader(r)
	testkit.Equal(t, "the zero Token", []any{none.Value(), none.ID(), len(r.Header)}, []any{"", "", 0})
}

func TestSetAuthHeaderKnowsTheBareForm(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
		tok := token(t, c.TokenSource(user()))
		r := &http.Request{}
		tok.SetAuthHeader(r)
		testkit.Equal(t, "header", r.Header.Get("Authorization"), tok.Value())
		inventory(t, c)
	}, func(cfg *assetpay.Config) { cfg.BareToken = true })
}

func TestClient_Token_changedAPIKey(t *testing.T) {
	secret := testkit.NewVault("right")
	bubble(t, assetpaytest.Options{APIKey: "right"}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		time.Sleep(time.Until(token(t, c.TokenSource(user())).ExpiresAt) + time.Second)
		testkit.ChangedSecret(t, secret, func() error { _, err := c.Token(t.Context(), user()); return err }, func() int { return srv.Count(exchange) })
	}, func(cfg *assetpay.Config) { cfg.APIKey = secret.Get })
}
