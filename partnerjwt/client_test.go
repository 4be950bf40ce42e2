package partnerjwt_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func TestTokenIsTheDocumentedOneByteForByte(t *testing.T) {
	for _, tc := range []struct{ clientID, secret, token string }{
		{"client-1", "secret-1", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjbGllbnRJZCI6ImNsaWVudC0xIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDA5MDB9.FGZUuWNqk9WzKftxdkKhE3xIW8fP5yywxdm41ayT7_g"},
		{"a&b<c>é", "sécret", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjbGllbnRJZCI6ImEmYjxjPsOpIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDA5MDB9.hfNPF2y3BGuxRkqJct1iXepk7RQ9N0QwK_WlSIn3fLA"},
	} {
		bubble(t, func(t *testing.T, _ *partnerjwttest.Server, c *partnerjwt.Client) {
			testkit.Until(1700000005) // iat lies 5 s back
			tok, err := c.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			testkit.Equal(t, "token", tok.Value(), tc.token)
			testkit.Equal(t, "expires", tok.ExpiresAt.Unix(), 1700000900)
		}, func(cfg *partnerjwt.Config) {
			cfg.ClientID, cfg.Secret = tc.clientID, providerauth.StaticSecret(tc.secret)
		})
	}
}

func TestOneTokenServesAllCallsUntilItIsRenewedBeforeItExpires(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		testkit.Crowd(100, func(int) { portfolio(t, c) })
		testkit.Equal(t, "tokens", srv.Tokens(), 1)
		first, _ := c.Token(t.Context())
		time.Sleep(14 * time.Minute) // it lives 15
		portfolio(t, c)
		synctest.Wait()
		second, _ := c.Token(t.Context())
		if first.Value() == second.Value() {
			t.Error("not renewed before it expired")
		}
		time.Sleep(5 * time.Minute)
		portfolio(t, c)
		testkit.Equal(t, "requests", srv.Count("/portfolio"), 102)
		testkit.Equal(t, "refused", c.Stats().Invalidations, 0)
	})
}

func TestRevokedTokenIsReplacedOnceAndTheCallSucceeds(t *testing.T) {
	for name, call := range map[string]func(*testing.T, *partnerjwt.Client) error{
		"Call":      func(t *testing.T, c *partnerjwt.Client) error { return trade(t.Context(), c) },
		"Portfolio": func(t *testing.T, c *partnerjwt.Client) error { _, err := c.Portfolio(t.Context()); return err },
		"HTTPClient": func(t *testing.T, c *partnerjwt.Client) error {
			return testkit.Post(c.HTTPClient(), "http://127.0.0.1:1/base/trade", `{"ticker":"A","orderSide":"BUY"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
				portfolio(t, c)
				srv.RevokeTokens() // in the second it was minted: the next one is not equal to it
				testkit.Crowd(20, func(int) {
					if err := call(t, c); err != nil {
						t.Error(err)
					}
				})
				testkit.Equal(t, "invalidations", c.Stats().Invalidations, 1)
				testkit.Equal(t, "tokens", srv.Tokens(), 2)
			})
		})
	}
}

func TestWrongSecretCostsOneReplayAndIsReported(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		err := trade(t.Context(), c)
		e := errorIs(t, err, providerauth.ErrUnauthorized)
		if _, ok := e.Retryable(); ok || e.Ambiguous() {
			t.Errorf("a refusal is neither retryable nor ambiguous: %v", e)
		}
		testkit.Equal(t, "attempts", e.Attempts, 2)
		testkit.Equal(t, "message", e.Message, "Unauthorized")
		testkit.Equal(t, "requests", srv.Count("/trade"), 2)
		testkit.Equal(t, "trades", srv.Trades(), 0)
	}, func(cfg *partnerjwt.Config) { cfg.Secret = providerauth.StaticSecret("wrong") })
}

func TestSkewedClockIsCorrectedByTheDateOfTheRejection(t *testing.T) {
	for _, offset := range []time.Duration{-time.Hour, time.Hour} {
		bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
			srv.SetClockOffset(offset)
			portfolio(t, c)
			testkit.Equal(t, "requests", srv.Count("/portfolio"), 2)
			tok, _ := c.Token(t.Context())
			if left := time.Until(tok.ExpiresAt); left < 14*time.Minute || left > 16*time.Minute {
				t.Errorf("the token is said to live %v by this machine's clock, want 15 minutes", left)
			}
			for range 50 { // and the correction lasts
				time.Sleep(3 * time.Minute)
				portfolio(t, c)
			}
			testkit.Equal(t, "invalidations", c.Stats().Invalidations, 1)
		})
	}
}

func TestLostTradeIsAmbiguousAndNotSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		srv.LoseAnswers(1)
		e := errorIs(t, trade(t.Context(), c), providerauth.ErrAmbiguous)
		if _, ok := e.Retryable(); ok || !e.Ambiguous() {
			t.Errorf("retryable or not ambiguous: %v", e)
		}
		testkit.Equal(t, "trades", srv.Trades(), 1)
		testkit.Equal(t, "requests", srv.Count("/trade"), 1)
	})
}

func TestFailureOfTheServerSaysNothingOfTheToken(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		portfolio(t, c)
		time.Sleep(time.Second) // the next token is another one
		srv.FailNext(2, http.StatusUnauthorized, nil)
		testkit.Equal(t, "attempts", errorIs(t, trade(t.Context(), c), providerauth.ErrUnauthorized).Attempts, 2)
		srv.FailNext(1, http.StatusInternalServerError, nil)
		testkit.Equal(t, "status", errorIs(t, trade(t.Context(), c)).StatusCode, 500)
		srv.FailNext(1, http.StatusUnauthorized, nil)
		// It was not the token, so another such answer replaces nothing.
		testkit.Equal(t, "attempts", errorIs(t, trade(t.Context(), c), providerauth.ErrUnauthorized).Attempts, 1)
		testkit.Equal(t, "invalidations", c.Stats().Invalidations, 1)
	})
}

func TestPortfolioIsAskedForAgainAfterAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		srv.FailNext(2, http.StatusBadGateway, nil)
		portfolio(t, c)
		testkit.Equal(t, "requests", srv.Count("/portfolio"), 3)
		srv.FailNext(3, http.StatusServiceUnavailable, http.Header{"Retry-After": {"7"}})
		_, err := c.Portfolio(t.Context())
		var e *partnerjwt.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		after, ok := e.Retryable()
		testkit.Equal(t, "status, retry", fmt.Sprint(e.StatusCode, after, ok, e.Ambiguous()), "503 7s true false")
	})
}

func TestPortfolioIsReadExactly(t *testing.T) {
	for body, want := range map[string]string{
		`[{"ticker":"A","quantity":0.1,"averagePurchasePrice":1.5e2,"new":{}}]`:                           "A 0.1 150",
		`[{"ticker":"A","quantity":123456789.123456789,"averagePurchasePrice":0}]`:                        "A 123456789.123456789 0",
		`[{"ticker":"A","quantity":33.333333333333333333,"averagePurchasePrice":1.4210854715202004e-14}]`: "A 33.333333333333333333 0.000000000000014210854715202004",
		`[]`:   "",
		`null`: "",
		`[{"ticker":"A","quantity":"1","averagePurchasePrice":1}]`:   "error",
		`[{"ticker":"A","quantity":1}]`:                              "error",
		`[{"quantity":1,"averagePurchasePrice":1}]`:                  "error",
		`[{"ticker":"A","quantity":null,"averagePurchasePrice":1}]`:  "error",
		`[{"ticker":"A","quantity":1e-41,"averagePurchasePrice":1}]`: "error",
		`{"data":[]}`: "error",
		``:            "error",
		`[`:           "error",
		`[] []`:       "error",
		`<html>`:      "error",
	} {
		bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
			srv.Intercept(testkit.Always(http.StatusOK, nil, body))
			holdings, err := c.Portfolio(t.Context())
			if want == "error" {
				errorIs(t, err, providerauth.ErrBadResponse)
				if holdings != nil {
					t.Errorf("%s: holdings beside an error", body)
				}
				return
			}
			if err != nil || holdings == nil {
				t.Fatalf("%s: %v, %v", body, holdings, err)
			}
			var got []string
			for _, h := range holdings {
				got = append(got, fmt.Sprint(h.Ticker, " ", h.Quantity, " ", h.AveragePurchasePrice))
			}
			testkit.Equal(t, body, strings.Join(got, ","), want)
		})
	}
}

func TestNewReportsEveryProblemAtOnce(t *testing.T) {
	good := partnerjwt.Config{ClientID: "c", Secret: providerauth.StaticSecret("s"), BaseURL: "https://api.example.com/v1"}
	for name, tc := range map[string]struct {
		change func(*partnerjwt.Config)
		fields []string
	}{
		"nothing":             {func(*partnerjwt.Config) {}, nil},
		"all missing":         {func(c *partnerjwt.Config) { *c = partnerjwt.Config{} }, []string{"ClientID", "Secret", "BaseURL"}},
		"blank secret":        {func(c *partnerjwt.Config) { c.Secret = providerauth.StaticSecret(" \n") }, []string{"Secret"}},
		"secret of two lines": {func(c *partnerjwt.Config) { c.Secret = providerauth.StaticSecret("a\nb") }, []string{"Secret"}},
		"secret with newline": {func(c *partnerjwt.Config) { c.Secret = providerauth.StaticSecret("a\n") }, []string{"Secret"}},
		"client id newline":   {func(c *partnerjwt.Config) { c.ClientID = "c\n" }, []string{"ClientID"}},
		"client id not UTF-8": {func(c *partnerjwt.Config) { c.ClientID = "a\xff" }, []string{"ClientID"}},
		"http":                {func(c *partnerjwt.Config) { c.BaseURL = "http://api.example.com" }, []string{"BaseURL"}},
		"http on loopback":    {func(c *partnerjwt.Config) { c.BaseURL = "http://localhost:8080" }, nil},
		"userinfo":            {func(c *partnerjwt.Config) { c.BaseURL = "https://u:hunter2@api.example.com" }, []string{"BaseURL"}},
		"query":               {func(c *partnerjwt.Config) { c.BaseURL = "https://api.example.com?key=hunter2" }, []string{"BaseURL"}},
		"jar":                 {func(c *partnerjwt.Config) { c.HTTPClient = &http.Client{Jar: jar{}} }, []string{"HTTPClient.Jar"}},
		"half a second":       {func(c *partnerjwt.Config) { c.Lifetime = 500 * time.Millisecond }, []string{"Lifetime"}},
		"a second and a half": {func(c *partnerjwt.Config) { c.Lifetime = 1500 * time.Millisecond }, []string{"Lifetime"}},
		"three centuries":     {func(c *partnerjwt.Config) { c.Lifetime = 290 * 365 * 24 * time.Hour }, []string{"Lifetime"}},
		"negative": {func(c *partnerjwt.Config) {
			c.Lifetime, c.AttemptTimeout, c.MaxAttempts, c.RefreshBefore = -1, -1, -1, -1
		}, []string{"Lifetime", "AttemptTimeout", "MaxAttempts", "RefreshBefore"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			tc.change(&cfg)
			provider.CheckConfig(t, cfg, tc.fields...)
		})
	}
}

type jar struct{ http.CookieJar }

func TestNilArgumentsAreErrorsAndNeverPanics(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		var none context.Context
		_, err := c.Token(none)
		testkit.Equal(t, "field", errorIs(t, err, providerauth.ErrInvalidRequest).Fields["ctx"], "must not be nil")
		_, err = c.Portfolio(none)
		errorIs(t, err, providerauth.ErrInvalidRequest)
		errorIs(t, c.Call(none, "GET", "/portfolio", nil, nil), providerauth.ErrInvalidRequest)
		_, err = partnerjwt.Verify(none, "x", providerauth.StaticSecret("s"), partnerjwt.VerifyOptions{})
		errorIs(t, err, providerauth.ErrInvalidRequest)
		_, err = c.Transport(nil).RoundTrip(&http.Request{})
		errorIs(t, err, providerauth.ErrInvalidRequest, providerauth.ErrNotSent)
		for _, path := range []string{"https://evil.example.com/x", "//evil.example.com", "/../x", "portfolio\n"} {
			errorIs(t, c.Call(t.Context(), "GET", path, nil, nil), providerauth.ErrInvalidRequest)
		}
		testkit.Equal(t, "field", errorIs(t, c.Call(t.Context(), "POST", "/trade", nil, struct{}{}), providerauth.ErrInvalidRequest).Fields["out"],
			"must be nil or a pointer that is not nil")
		errorIs(t, c.Call(t.Context(), "GET POST", "/portfolio", nil, nil), providerauth.ErrInvalidRequest)
		errorIs(t, c.Call(t.Context(), "POST", "/trade", make(chan int), nil), providerauth.ErrInvalidRequest)
		errorIs(t, c.Call(t.Context(), "POST", "/trade", providerauth.Number{}, nil), providerauth.ErrInvalidRequest)
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
		(partnerjwt.Token{}).SetAuthHeader(nil)
		r := &http.Request{}
		(partnerjwt.Token{}).SetAuthHeader(r)
		testkit.Equal(t, "headers of a zero token", len(r.Header), 0)
		testkit.Equal(t, "zero token invalidated", c.Invalidate(partnerjwt.Token{}), false)
		partnerjwt.NewToken("abc", time.Time{}).SetAuthHeader(r)
		testkit.Equal(t, "header", r.Header.Get("Authorization"), "Bearer abc")
	})
}

func TestClosedClientServesItsFreshTokenAndMintsNoOther(t *testing.T) {
	bubble(t, func(t *testing.T, _ *partnerjwttest.Server, c *partnerjwt.Client) {
		portfolio(t, c)
		testkit.Must(t, c.Close())
		testkit.Must(t, c.Close())
		portfolio(t, c)
		time.Sleep(time.Hour)
		_, err := c.Token(t.Context())
		errorIs(t, err, providerauth.ErrClosed)
		errorIs(t, trade(t.Context(), c), providerauth.ErrClosed, providerauth.ErrNotSent)
		_, err = c.HTTPClient().Get("http://127.0.0.1:1/base/portfolio")
		errorIs(t, err, providerauth.ErrClosed)
	})
}

func TestContextOfTheCallerEndsItsCallOnly(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		srv.Delay(30 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		e := errorIs(t, trade(ctx, c), context.DeadlineExceeded, providerauth.ErrAmbiguous)
		testkit.Equal(t, "left after", time.Since(start), time.Second)
		testkit.Equal(t, "status", e.StatusCode, 0)
	})
}

func TestKeepWarmMintsWithoutACaller(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		portfolio(t, c)
		time.Sleep(time.Hour)
		if n := c.Stats().Refreshes; n < 5 || n > 7 {
			t.Errorf("%d mints in an hour, want 5 to 7", n)
		}
	}, func(cfg *partnerjwt.Config) { cfg.KeepWarm = true })
}

func TestRedirectIsNotFollowed(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		srv.FailNext(1, http.StatusTemporaryRedirect, http.Header{"Location": {"/base/elsewhere"}})
		e := errorIs(t, trade(t.Context(), c))
		testkit.Equal(t, "status", e.StatusCode, 307)
		srv.FailNext(1, http.StatusFound, http.Header{"Location": {"/base/elsewhere"}})
		resp, _ := testkit.Do(t, c.HTTPClient(), testkit.Request(t, http.MethodGet, srv.URL()+"/portfolio", ""))
		testkit.Equal(t, "status for HTTPClient", resp.StatusCode, 302)
		testkit.Equal(t, "requests elsewhere", srv.Count("/elsewhere"), 0)
	})
}

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
