package assetpay_test

import (
	"context"
	"errors"
	"fmt"
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

func TestExchangeSendsTheDocumentedBody(t *testing.T) {
	const ids = `"clientSteamId":"76561198012345678","clientTradeUrl":"https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh"`
	zone := time.FixedZone("", 2*3600)
	for name, tc := range map[string]struct {
		change func(*assetpay.User)
		want   string
	}{
		"least": {func(*assetpay.User) {}, `{` + ids + `}`},
		"a client id": {
			func(r *assetpay.User) { r.ClientID = "user-123" },
			`{` + ids + `,"clientId":"user-123"}`,
		},
		"empty client data": {
			func(r *assetpay.User) { r.ClientData = &assetpay.ClientData{} },
			`{` + ids + `,"clientData":{"totalWager":0,"kycLevel":0,"fiatDeposits":false,"cryptoDeposits":false}}`,
		},
		"all client data": {
			func(r *assetpay.User) {
				r.ClientID = "a<b>&é"
				r.ClientData = &assetpay.ClientData{
					TotalWager: 1234.5, KYCLevel: 3, FiatDeposits: true, CryptoDeposits: true,
					RegistrationDate: time.Date(2026, 9, 25, 14, 0, 0, 123_999_999, zone), KYCHash: "h&h",
				}
			},
			`{` + ids + `,"clientId":"a<b>&é","clientData":{"totalWager":1234.5,"kycLevel":3,"fiatDeposits":true,"cryptoDeposits":true,"registrationDate":"2026-09-25T12:00:00.123Z","kycHash":"h&h"}}`,
		},
		"whole second and minus zero": {
			func(r *assetpay.User) {
				r.ClientData = &assetpay.ClientData{TotalWager: math.Copysign(0, -1), RegistrationDate: time.Unix(0, 0)}
			},
			`{` + ids + `,"clientData":{"totalWager":0,"kycLevel":0,"fiatDeposits":false,"cryptoDeposits":false,"registrationDate":"1970-01-01T00:00:00.000Z"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				req := user()
				tc.change(&req)
				for range 2 { // nothing is cached
					if _, err := c.AuthenticateClient(t.Context(), req); err != nil {
						t.Fatal(err)
					}
					testkit.Equal(t, "body", lastBody(t, srv), tc.want)
				}
				r := srv.Requests()[0]
				testkit.Equal(t, "method, type, key", []string{r.Method, r.Header.Get("Content-Type"), r.Header.Get("Api-Key"), r.Header.Get("Authorization")},
					[]string{"POST", "application/json", "ap_test_0001", ""})
				testkit.Equal(t, "entries", c.Stats().Entries, 0)
			})
		})
	}
}

func TestExchangeReturnsTheTokenAndTheRequestID(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		resp, err := c.AuthenticateClient(t.Context(), user())
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.RequestID) != 36 {
			t.Errorf("request id %q", resp.RequestID)
		}
		testkit.Equal(t, "lives", time.Until(resp.Token.ExpiresAt), 24*time.Hour)
		claims, err := c.VerifyClientToken(t.Context(), resp.Token.Value())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "steam id", claims.SteamID, steamID)
		testkit.Equal(t, "current", c.Invalidate(resp.Token), false)

		answering(srv, 200, http.Header{"X-Request-Id": {"from-header"}}, `{"success":true,"data":{"token":"opaque"}}`)
		resp, err = c.AuthenticateClient(t.Context(), user())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "request id", resp.RequestID, "from-header")
	})
}

// TestHeadersGoOutAsThePagePrintsThem reads the bytes off a socket.
func TestHeadersGoOutAsThePagePrintsThem(t *testing.T) {
	socket := testkit.NewSocket(t, `{"success":true,"requestId":"r","data":{"token":"tok"}}`)
	cfg := assetpay.Config{APIKey: providerauth.StaticSecret("ap_1"), BaseURL: socket.URL}
	bare := cfg
	bare.BareToken = true
	c, b := open(t, cfg), open(t, bare)
	defer c.Close()
	defer b.Close()

	credentials := func() string {
		t.Helper()
		lines := socket.Lines()
		if len(lines) == 0 {
			t.Fatal("no request")
		}
		var found []string
		for _, line := range lines {
			if name, _, _ := strings.Cut(line, ":"); strings.EqualFold(name, "api-key") || strings.EqualFold(name, "authorization") {
				found = append(found, line)
			}
		}
		return strings.Join(found, "|")
	}
	// A request with every credential in every spelling, by each way out.
	send := func(client *http.Client) {
		t.Helper()
		r := testkit.Request(t, http.MethodGet, cfg.BaseURL+"/x", "")
		r.Header["API-KEY"], r.Header["Api-Key"], r.Header["api-key"] = []string{"a"}, []string{"b"}, []string{"c"}
		r.Header["authorization"], r.Header["Authorization"] = []string{"d"}, []string{"e"}
		testkit.Do(t, client, r)
		if len(r.Header) != 5 {
			t.Error("the caller's header was changed")
		}
	}
	if _, err := c.AuthenticateClient(t.Context(), user()); err != nil {
		t.Fatal(err)
	}
	testkit.Equal(t, "AuthenticateClient", credentials(), "api-key: ap_1")
	send(c.HTTPClient())
	testkit.Equal(t, "HTTPClient", credentials(), "api-key: ap_1")
	if err := c.Call(t.Context(), "GET", "/secure/x", nil, nil); err != nil {
		t.Fatal(err)
	}
	testkit.Equal(t, "Call", credentials(), "api-key: ap_1")
	for client, want := range map[*assetpay.Client]string{c: "Authorization: Bearer tok", b: "Authorization: tok"} {
		if _, err := client.Token(t.Context(), user()); err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "Token", credentials(), "api-key: ap_1")
		send(client.HTTPClientFor(user()))
		testkit.Equal(t, "HTTPClientFor", credentials(), want)
		if err := client.CallFor(t.Context(), user(), "GET", "/client/x", nil, nil); err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "CallFor", credentials(), want)
	}
}

func TestExchangeIsRepeatedWhereThatHelps(t *testing.T) {
	for name, tc := range map[string]struct {
		fault func(*assetpaytest.Server)
		want  int
		err   error
	}{
		"gateway failure":           {func(s *assetpaytest.Server) { s.FailNext(2, 502, nil) }, 3, nil},
		"lost answers":              {func(s *assetpaytest.Server) { s.LoseAnswers(2) }, 3, nil},
		"cut answer":                {func(s *assetpaytest.Server) { s.Truncate(1) }, 2, nil},
		"429 that says when":        {func(s *assetpaytest.Server) { s.FailNext(1, 429, http.Header{"Retry-After": {"2"}}) }, 2, nil},
		"429 that does not":         {func(s *assetpaytest.Server) { s.FailNext(1, 429, nil) }, 1, providerauth.ErrRateLimited},
		"429 that says much later":  {func(s *assetpaytest.Server) { s.FailNext(1, 429, http.Header{"Retry-After": {"60"}}) }, 1, providerauth.ErrRateLimited},
		"refusal":                   {func(s *assetpaytest.Server) { s.FailNext(1, 400, nil) }, 1, providerauth.ErrInvalidRequest},
		"redirect":                  {func(s *assetpaytest.Server) { s.FailNext(1, 307, http.Header{"Location": {"https://evil.example/"}}) }, 1, providerauth.ErrBadResponse},
		"more failures than tries":  {func(s *assetpaytest.Server) { s.FailNext(3, 502, nil) }, 3, providerauth.ErrAmbiguous},
		"answers lost on each try":  {func(s *assetpaytest.Server) { s.LoseAnswers(3) }, 3, providerauth.ErrAmbiguous},
		"maintenance with its key":  {func(s *assetpaytest.Server) { s.FailNext(1, 503, nil) }, 2, nil},
		"no answer within the time": {func(s *assetpaytest.Server) { s.Delay(time.Hour) }, 3, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				tc.fault(srv)
				_, err := c.AuthenticateClient(t.Context(), user())
				if !errors.Is(err, tc.err) {
					t.Errorf("got %v, want %v", err, tc.err)
				}
				testkit.Equal(t, "requests", srv.Count(exchange), tc.want)
				if err == nil {
					return
				}
				e := errorIs(t, err)
				testkit.Equal(t, "attempts", e.Attempts, tc.want)
				if _, ok := e.Retryable(); e.Ambiguous() && !ok && e.StatusCode/100 != 2 {
					t.Errorf("an exchange does no harm when it is made twice: %v", e)
				}
			})
		})
	}
}

func TestAPIKeyIsAskedForOncePerExchange(t *testing.T) {
	calls := 0
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		srv.FailNext(2, 502, nil)
		for range 5 {
			inventory(t, c)
		}
		testkit.Equal(t, "calls", calls, 1)
	}, func(cfg *assetpay.Config) {
		cfg.APIKey = func(context.Context) (string, error) { calls++; return "ap_test_0001", nil }
	})
}

func TestUnavailableSecretCostsNoRequest(t *testing.T) {
	for name, f := range testkit.BadSecrets("ap_test_0001") {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				for _, call := range []func() error{
					func() error { _, err := c.Token(t.Context(), user()); return err },
					func() error { _, err := c.AuthenticateClient(t.Context(), user()); return err },
					func() error { _, err := c.MintClientToken(t.Context(), user()); return err },
					func() error { _, err := c.VerifyClientToken(t.Context(), "x"); return err },
					func() error { return c.Call(t.Context(), "GET", "/secure/prices", nil, nil) },
					func() error { return c.CallFor(t.Context(), user(), "GET", "/client/inventory", nil, nil) },
					func() error { _, err := c.HTTPClient().Get(srv.URL() + "/secure/prices"); return err },
				} {
					e := errorIs(t, call(), providerauth.ErrSecretUnavailable)
					if name == "failing" {
						errorIs(t, e, testkit.ErrSealed)
					}
					if _, ok := e.Retryable(); !ok || e.Ambiguous() {
						t.Errorf("not retryable, or ambiguous: %v", e)
					}
				}
				testkit.Equal(t, "requests", len(srv.Requests()), 0)
			}, func(cfg *assetpay.Config) { cfg.APIKey, cfg.APISecret = f, f })
		})
	}
}

// unsigned is a token with the given claims that nobody can verify.
func unsigned(claims string) string { return testkit.JWT(`{"alg":"HS256"}`, claims, "sig") }

func TestExpiryIsTheEarlierOfItsOwnAndADayAfterReceipt(t *testing.T) {
	const day = 24 * time.Hour
	const now = 946684800 // when a bubble starts
	for name, tc := range map[string]struct {
		token   string
		want    time.Duration
		assumed bool
		warned  bool
	}{
		"the page's year":          {unsigned(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now, now+31536000)), day, false, false},
		"a day":                    {unsigned(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now, now+86400)), day, false, false},
		"an hour":                  {unsigned(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now, now+3600)), time.Hour, false, false},
		"no exp":                   {unsigned(`{"iat":946684800}`), day, true, true},
		"exp past, iat before it":  {unsigned(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now-7200, now-3600)), time.Hour, false, true},
		"exp past, nbf before it":  {unsigned(fmt.Sprintf(`{"nbf":%d,"exp":%d}`, now-7200, now-3600)), time.Hour, false, true},
		"exp past, no iat":         {unsigned(fmt.Sprintf(`{"exp":%d}`, now-1)), day, true, true},
		"exp in the year 9999":     {unsigned(`{"exp":253402300799}`), day, true, true},
		"exp beyond all calendars": {unsigned(`{"exp":1e300}`), day, true, true},
		"exp a text":               {unsigned(`{"exp":"tomorrow"}`), day, true, true},
		"an opaque token":          {"opaque-token", day, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			logger, log := testkit.Log()
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				answering(srv, 200, nil, `{"requestId":"r","success":true,"data":{"token":"`+tc.token+`"}}`)
				tok := token(t, c.TokenSource(user()))
				testkit.Equal(t, "value", tok.Value(), tc.token)
				testkit.Equal(t, "lives", time.Until(tok.ExpiresAt), tc.want)
				testkit.Equal(t, "assumed", tok.ExpiryAssumed, tc.assumed)
				testkit.Equal(t, "warned", strings.Contains(log.String(), `level=WARN msg="the token's own expiry`), tc.warned)
				if strings.Contains(log.String(), tc.token) {
					t.Error("the log has the token")
				}
				// It is kept, and replaced in time.
				time.Sleep(tc.want / 2)
				token(t, c.TokenSource(user()))
				testkit.Equal(t, "requests", srv.Count(exchange), 1)
				time.Sleep(tc.want/2 - 5*time.Second)
				token(t, c.TokenSource(user()))
				testkit.Equal(t, "requests", srv.Count(exchange), 2)
			}, func(cfg *assetpay.Config) {
				cfg.Logger = logger
			})
		})
	}
}

func TestExpiryIsJudgedByTheProvidersClock(t *testing.T) {
	for _, offset := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		bubble(t, assetpaytest.Options{TokenLifetime: 2 * time.Hour}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			srv.SetClockOffset(offset)
			tok := token(t, c.TokenSource(user()))
			if left := time.Until(tok.ExpiresAt); (left - 2*time.Hour).Abs() > 2*time.Second {
				t.Errorf("offset %v: the token is said to live %v, want 2h", offset, left)
			}
			for range 20 {
				time.Sleep(20 * time.Minute)
				inventory(t, c)
			}
			testkit.Equal(t, "invalidations", c.Stats().Invalidations, 0)
		})
	}
}

func TestAYearLongTokenIsReplacedWithinADay(t *testing.T) {
	bubble(t, assetpaytest.Options{TokenLifetime: 365 * 24 * time.Hour}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		for range 24 * 10 {
			inventory(t, c)
			time.Sleep(time.Hour)
		}
		if n := srv.Count(exchange); n < 10 || n > 15 {
			t.Errorf("%d exchanges in ten days", n)
		}
		testkit.Equal(t, "calls", srv.Count("/client/inventory"), 240)
	})
}

func TestUnusableAnswerIsNoToken(t *testing.T) {
	ok := func(data string) string { return `{"requestId":"r","success":true,"data":` + data + `}` }
	for name, tc := range map[string]struct {
		status int
		body   string
	}{
		"no data":                 {200, `{"requestId":"r","success":true}`},
		"data null":               {200, ok(`null`)},
		"data an array":           {200, ok(`[]`)},
		"no token":                {200, ok(`{}`)},
		"token null":              {200, ok(`{"token":null}`)},
		"token empty":             {200, ok(`{"token":""}`)},
		"token a number":          {200, ok(`{"token":7}`)},
		"token with a newline":    {200, ok(`{"token":"abc\n"}`)},
		"token with white space":  {200, ok(`{"token":"abc def"}`)},
		"token beyond ASCII":      {200, ok(`{"token":"é"}`)},
		"token of 16385":          {200, ok(`{"token":"` + strings.Repeat("a", 16385) + `"}`)},
		"no success":              {200, `{"data":{"token":"abc"}}`},
		"success a text":          {200, `{"success":"true","data":{"token":"abc"}}`},
		"success false, no error": {200, `{"success":false,"data":{"token":"abc"}}`},
		"another provider's":      {200, `{"token":"abc"}`},
		"HTML":                    {200, `<html>`},
		"empty":                   {200, ``},
		"204":                     {204, ``},
		"cut":                     {200, `{"success":true,"data":{"token":"ab`},
		"two documents":           {200, ok(`{"token":"abc"}`) + `{}`},
		"an array":                {200, `[]`},
		"too large":               {200, ok(`{"token":"` + strings.Repeat("a", 1<<20) + `"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				answering(srv, tc.status, nil, tc.body)
				resp, err := c.AuthenticateClient(t.Context(), user())
				errorIs(t, err, providerauth.ErrBadResponse, providerauth.ErrAmbiguous)
				testkit.Equal(t, "token", resp.Token.Value(), "")
				tok, err := c.Token(t.Context(), user())
				errorIs(t, err, providerauth.ErrBadResponse)
				testkit.Equal(t, "token", tok.Value(), "")
				testkit.Equal(t, "requests", srv.Count(exchange), 2)
			})
		})
	}
	t.Run("16384 characters are a token", func(t *testing.T) {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			answering(srv, http.StatusCreated, nil, ok(`{"token":"`+strings.Repeat("a", 16384)+`"}`))
			testkit.Equal(t, "length", len(token(t, c.TokenSource(user())).Value()), 16384)
		})
	})
}
