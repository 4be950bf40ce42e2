package assetpay_test

import (
	"context"
	"math"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestConfigIsCheckedAsAWholeBeforeAnythingIsSent(t *testing.T) {
	jar, _ := cookiejar.New(nil)
	key := providerauth.StaticSecret("ap_1")
	for name, tc := range map[string]struct {
		cfg    assetpay.Config
		fields []string
	}{
		"nothing":             {assetpay.Config{}, []string{"APIKey"}},
		"local, nothing":      {assetpay.Config{Mint: assetpay.MintLocal}, []string{"APISecret", "MerchantID"}},
		"blank key":           {assetpay.Config{APIKey: providerauth.StaticSecret(" \n")}, []string{"APIKey"}},
		"unknown mode":        {assetpay.Config{APIKey: key, Mint: 7}, []string{"Mint"}},
		"merchant id newline": {assetpay.Config{APIKey: key, MerchantID: "m\n"}, []string{"MerchantID"}},
		"merchant id bytes":   {assetpay.Config{APIKey: key, MerchantID: "m\xff"}, []string{"MerchantID"}},
		"http":                {assetpay.Config{APIKey: key, BaseURL: "http://api.assetpay.gg"}, []string{"BaseURL"}},
		"userinfo":            {assetpay.Config{APIKey: key, BaseURL: "https://u:hunter2@api.assetpay.gg"}, []string{"BaseURL"}},
		"query":               {assetpay.Config{APIKey: key, BaseURL: "https://api.assetpay.gg?x=1"}, []string{"BaseURL"}},
		"white space":         {assetpay.Config{APIKey: key, BaseURL: " https://api.assetpay.gg"}, []string{"BaseURL"}},
		"jar":                 {assetpay.Config{APIKey: key, HTTPClient: &http.Client{Jar: jar}}, []string{"HTTPClient.Jar"}},
		"everything": {
			assetpay.Config{
				Mint: assetpay.MintLocal, BaseURL: "ftp://x", HTTPClient: &http.Client{Timeout: -1},
				AttemptTimeout: -1, MaxAttempts: -1, RefreshBefore: -1, MaxEntries: -1,
			},
			[]string{
				"APISecret", "AttemptTimeout", "BaseURL", "HTTPClient.Timeout", "MaxAttempts",
				"MaxEntries", "MerchantID", "RefreshBefore",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			provider.CheckConfig(t, tc.cfg, tc.fields...)
		})
	}
}

func TestEachModeNeedsItsOwnCredentialsOnly(t *testing.T) {
	secret := providerauth.StaticSecret("x")
	for name, cfg := range map[string]assetpay.Config{
		"remote": {APIKey: secret},
		"local":  {Mint: assetpay.MintLocal, APISecret: secret, MerchantID: "m"},
	} {
		t.Run(name, func(t *testing.T) { open(t, cfg).Close() })
	}
}

func TestCallsNameTheCredentialThatTheyNeed(t *testing.T) {
	ctx := t.Context()
	keyless := func(cfg *assetpay.Config) { local(cfg); cfg.APIKey = nil }
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		_, err := c.AuthenticateClient(ctx, user())
		want := map[string]string{"APIKey": "is not set in the Config, and this call needs it (a static secret that is empty, " +
			"begins or ends with white space, or holds control characters counts as missing)"}
		testkit.Equal(t, "AuthenticateClient", errorIs(t, err, providerauth.ErrInvalidRequest).Fields, want)
		err = c.Call(ctx, http.MethodGet, "/secure/prices", nil, nil)
		testkit.Equal(t, "Call", errorIs(t, err, providerauth.ErrInvalidRequest).Fields, want)
		_, err = c.HTTPClient().Get(srv.URL() + "/secure/prices")
		e := errorIs(t, err, providerauth.ErrInvalidRequest, providerauth.ErrNotSent)
		if _, ok := e.Retryable(); ok || !strings.Contains(e.Error(), "APIKey") {
			t.Errorf("retryable, or does not name the field: %v", e)
		}
		inventory(t, c) // which takes no key
		testkit.Equal(t, "requests", len(srv.Requests()), 1)
	}, keyless)
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		_, err := c.MintClientToken(ctx, user())
		testkit.Equal(t, "MintClientToken", len(errorIs(t, err, providerauth.ErrInvalidRequest).Fields), 2)
		_, err = c.VerifyClientToken(ctx, "x")
		testkit.Equal(t, "VerifyClientToken", len(errorIs(t, err, providerauth.ErrInvalidRequest).Fields), 2)
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
	}, func(cfg *assetpay.Config) { cfg.APISecret, cfg.MerchantID = nil, "" })
}

func TestNilContextIsAnErrorAndNotAPanic(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		var none context.Context
		for name, call := range map[string]func() error{
			"Token":              func() error { _, err := c.Token(none, user()); return err },
			"TokenSource":        func() error { _, err := c.TokenSource(user()).Token(none); return err },
			"TokenSourceFunc":    func() error { _, err := c.TokenSourceFunc(nil).Token(none); return err },
			"AuthenticateClient": func() error { _, err := c.AuthenticateClient(none, user()); return err },
			"MintClientToken":    func() error { _, err := c.MintClientToken(none, user()); return err },
			"VerifyClientToken":  func() error { _, err := c.VerifyClientToken(none, ""); return err },
			"Call":               func() error { return c.Call(none, "GET", "/x", nil, nil) },
			"CallFor":            func() error { return c.CallFor(none, user(), "GET", "/x", nil, nil) },
		} {
			e := errorIs(t, call(), providerauth.ErrInvalidRequest)
			testkit.Equal(t, name, e.Fields, map[string]string{"ctx": "must not be nil"})
		}
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
	})
}

// badRequests are wrong in one field each.
func badRequests() map[string]assetpay.User {
	changed := func(change func(*assetpay.User)) assetpay.User {
		req := user()
		change(&req)
		return req
	}
	reqs := map[string]assetpay.User{}
	for i, id := range []string{
		"", "7656119801234567", "765611980123456789", "76561x98012345678", "12345678901234567",
		" 6561198012345678", steamID + "\n", "7656119801234567٨", "76561-98012345678",
	} {
		reqs["SteamID "+string(rune('a'+i))] = changed(func(r *assetpay.User) { r.SteamID = id })
	}
	for i, u := range []string{
		"", "x", "http://steamcommunity.com/tradeoffer/new/?partner=1&token=AbCdEfGh",
		"https://evil.example/tradeoffer/new/?partner=1&token=AbCdEfGh",
		"https://www.steamcommunity.com/tradeoffer/new/?partner=1&token=AbCdEfGh",
		"https://steamcommunity.com/tradeoffer/new?partner=1&token=AbCdEfGh",
		"https://steamcommunity.com/tradeoffer/new/?token=AbCdEfGh&partner=1",
		"https://steamcommunity.com/tradeoffer/new/?partner=1&token=AbCdEfGh&x=1",
		"https://steamcommunity.com/tradeoffer/new/?partner=1&token=AbCdEfG",
		"https://steamcommunity.com/tradeoffer/new/?partner=1&token=AbCdEfG/",
		"https://steamcommunity.com/tradeoffer/new/?partner=&token=AbCdEfGh",
		"https://steamcommunity.com/tradeoffer/new/?partner=12345678901&token=AbCdEfGh",
		"https://steamcommunity.com/tradeoffer/new/?partner=1a&token=AbCdEfGh",
		tradeURL + " ", tradeURL + "\n",
	} {
		reqs["TradeURL "+string(rune('a'+i))] = changed(func(r *assetpay.User) { r.TradeURL = u })
	}
	for i, id := range []string{strings.Repeat("é", 129), "a\xffb", "a\nb", " a", "a\x00"} {
		reqs["ClientID "+string(rune('a'+i))] = changed(func(r *assetpay.User) { r.ClientID = id })
	}
	for i, w := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -0.01} {
		reqs["ClientData.TotalWager "+string(rune('a'+i))] = with(assetpay.ClientData{TotalWager: w})
	}
	reqs["ClientData.KYCLevel "] = with(assetpay.ClientData{KYCLevel: -1})
	reqs["ClientData.RegistrationDate "] = with(assetpay.ClientData{RegistrationDate: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})
	reqs["ClientData.RegistrationDate b"] = with(assetpay.ClientData{RegistrationDate: time.Date(0, 12, 31, 23, 0, 0, 0, time.UTC)})
	reqs["ClientData.RegistrationDate c"] = with(assetpay.ClientData{RegistrationDate: time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200))})
	reqs["ClientData.KYCHash "] = with(assetpay.ClientData{KYCHash: "\xff"})
	return reqs
}

func TestBadRequestNamesItsFieldAndCostsNoRequest(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		for name, req := range badRequests() {
			field, _, _ := strings.Cut(name, " ")
			for op, call := range map[string]func() error{
				"Token":              func() error { _, err := c.Token(t.Context(), req); return err },
				"AuthenticateClient": func() error { _, err := c.AuthenticateClient(t.Context(), req); return err },
				"MintClientToken":    func() error { _, err := c.MintClientToken(t.Context(), req); return err },
				"CallFor":            func() error { return c.CallFor(t.Context(), req, "GET", "/client/inventory", nil, nil) },
			} {
				e := errorIs(t, call(), providerauth.ErrInvalidRequest)
				if len(e.Fields) != 1 || e.Fields[field] == "" {
					t.Errorf("%s, %s: fields %v, want %s only", op, name, e.Fields, field)
				}
				testkit.Equal(t, name, []any{e.Op, e.StatusCode, e.Attempts, e.Ambiguous()}, []any{op, 0, 0, false})
			}
			_, err := c.TokenSource(req).Token(t.Context())
			testkit.Equal(t, name, len(errorIs(t, err, providerauth.ErrInvalidRequest).Fields), 1)
			_, err = c.HTTPClientFor(req).Get(srv.URL() + "/client/inventory")
			if e := errorIs(t, err, providerauth.ErrInvalidRequest, providerauth.ErrNotSent); !strings.Contains(e.Error(), field) {
				t.Errorf("%v does not name %s", e, field)
			}
		}
		_, err := c.Token(t.Context(), assetpay.User{})
		testkit.Equal(t, "fields of a zero request", len(errorIs(t, err, providerauth.ErrInvalidRequest).Fields), 2)
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
		testkit.Equal(t, "entries", c.Stats().Entries, 0)
	})
}

func TestGoodRequestsAreAccepted(t *testing.T) {
	reqs := map[string]assetpay.User{
		"partner of another account":   {SteamID: steamID, TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=12345678&token=AbCdEfGh"},
		"all characters of a token":    {SteamID: steamID, TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=0&token=aZ09_-zA"},
		"128 code points of client id": {SteamID: steamID, TradeURL: tradeURL, ClientID: strings.Repeat("😀", 128)},
		"a KYC level beyond the page":  with(assetpay.ClientData{KYCLevel: 4}),
		"the largest wager":            with(assetpay.ClientData{TotalWager: math.MaxFloat64}),
		"the smallest wager":           with(assetpay.ClientData{TotalWager: math.SmallestNonzeroFloat64}),
		"the first date":               with(assetpay.ClientData{RegistrationDate: time.Date(1, 1, 1, 0, 0, 0, 1e6, time.UTC)}),
		"the last date":                with(assetpay.ClientData{RegistrationDate: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}),
	}
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		for name, req := range reqs {
			if _, err := c.AuthenticateClient(t.Context(), req); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		testkit.Equal(t, "requests", srv.Count(exchange), len(reqs))
	})
}

func TestLooseTradeURLAcceptsAnyOfSteamsHost(t *testing.T) {
	good := []string{
		tradeURL, "https://steamcommunity.com/tradeoffer/new?token=AbCdEfGh&partner=1", "https://steamcommunity.com/x",
		"https://SteamCommunity.com/tradeoffer/new/?partner=1&token=AbCdEfGh&extra=1",
	}
	bad := []string{
		"", "x", "http://steamcommunity.com/tradeoffer/new/?partner=1&token=AbCdEfGh",
		"https://steamcommunity.com.evil.example/", "https://steamcommunity.com@evil.example/", "https://u@steamcommunity.com/",
		"https://steamcommunity.com:8443/", "https://evil.example/steamcommunity.com", tradeURL + "\n", tradeURL + " ",
		"https://steamcommunity.com/\xff", "https://steamcommunity.com/%zz",
	}
	bubble(t, assetpaytest.Options{}, func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
		for _, u := range good {
			if _, err := c.MintClientToken(t.Context(), assetpay.User{SteamID: steamID, TradeURL: u}); err != nil {
				t.Errorf("%s: %v", u, err)
			}
		}
		for _, u := range bad {
			_, err := c.MintClientToken(t.Context(), assetpay.User{SteamID: steamID, TradeURL: u})
			if e := errorIs(t, err, providerauth.ErrInvalidRequest); e.Fields["TradeURL"] == "" {
				t.Errorf("%q: %v", u, err)
			}
		}
	}, func(cfg *assetpay.Config) { cfg.LooseTradeURL = true })
}

func TestMintModeIsNamed(t *testing.T) {
	testkit.Equal(t, "names", []string{assetpay.MintRemote.String(), assetpay.MintLocal.String(), assetpay.MintMode(7).String()},
		[]string{"remote", "local", "MintMode(7)"})
}

func TestProductionIsTheDefaultHost(t *testing.T) {
	var host string
	c := open(t, assetpay.Config{
		APIKey: providerauth.StaticSecret("ap_1"), MaxAttempts: 1,
		HTTPClient: &http.Client{Transport: testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
			host = r.URL.String()
			return nil, context.DeadlineExceeded
		})},
	})
	defer c.Close()
	if _, err := c.Token(t.Context(), user()); err == nil {
		t.Fatal("no error")
	}
	testkit.Equal(t, "URL", host, "https://api.assetpay.gg/auth/authenticate-client")
}
