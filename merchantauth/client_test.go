package merchantauth_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func counting(n *int, secret string) providerauth.SecretFunc {
	return func(context.Context) (string, error) { *n++; return secret, nil }
}

func TestNewReportsEveryProblemAtOnce(t *testing.T) {
	session := merchantauth.Config{BaseURL: "https://api.example.com/core", MerchantID: "m", Email: "a@b.c", Password: providerauth.StaticSecret("p")}
	key := merchantauth.Config{BaseURL: "https://api.example.com", APIKey: providerauth.StaticSecret("k")}
	type config = merchantauth.Config
	for name, tc := range map[string]struct {
		from   config
		change func(*config)
		fields []string
	}{
		"session":              {session, func(*config) {}, nil},
		"key":                  {key, func(*config) {}, nil},
		"neither":              {session, func(c *config) { *c = config{} }, []string{"APIKey", "BaseURL"}},
		"neither, blank":       {session, func(c *config) { *c = key; c.APIKey = providerauth.StaticSecret(" \n") }, []string{"APIKey"}},
		"both":                 {session, func(c *config) { c.APIKey = key.APIKey }, []string{"APIKey", "Email", "MerchantID", "Password"}},
		"key and an e-mail":    {key, func(c *config) { c.Email = "a@b.c" }, []string{"APIKey", "Email"}},
		"key and a password":   {key, func(c *config) { c.Password = session.Password }, []string{"APIKey", "Password"}},
		"key and a merchant":   {key, func(c *config) { c.MerchantID = "m" }, []string{"APIKey", "MerchantID"}},
		"no password":          {session, func(c *config) { c.Password = providerauth.StaticSecret("") }, []string{"Password"}},
		"only a password":      {session, func(c *config) { c.Email, c.MerchantID = "", "" }, []string{"Email", "MerchantID"}},
		"newline in ids":       {session, func(c *config) { c.Email, c.MerchantID = "a@b.c\n", "m\n" }, []string{"Email", "MerchantID"}},
		"ids are not UTF-8":    {session, func(c *config) { c.Email, c.MerchantID = "a\xff", "m\xff" }, []string{"Email", "MerchantID"}},
		"http":                 {session, func(c *config) { c.BaseURL = "http://api.example.com" }, []string{"BaseURL"}},
		"http on loopback":     {session, func(c *config) { c.BaseURL = "http://localhost:8080" }, nil},
		"userinfo and a query": {key, func(c *config) { c.BaseURL = "https://u:hunter2@api.example.com?k=hunter2" }, []string{"BaseURL"}},
		"jar":                  {session, func(c *config) { c.HTTPClient = &http.Client{Jar: jar{}} }, []string{"HTTPClient.Jar"}},
		"negative": {
			session, func(c *config) { c.AttemptTimeout, c.MaxAttempts, c.RefreshBefore = -1, -1, -1 },
			[]string{"AttemptTimeout", "MaxAttempts", "RefreshBefore"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := tc.from
			tc.change(&cfg)
			provider.CheckConfig(t, cfg, tc.fields...)
		})
	}
}

type jar struct{ http.CookieJar }

func TestNilArgumentsAreErrorsAndNeverPanics(t *testing.T) {
	for mode, change := range modes {
		t.Run(mode, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				for name, err := range map[string]error{
					"Token":           func() error { _, err := c.Token(none); return err }(),
					"Login":           func() error { _, err := c.Login(none); return err }(),
					"Refresh":         func() error { _, err := c.Refresh(none, merchantauth.Token{}); return err }(),
					"Call":            c.Call(none, "GET", "/v2/x", nil, nil),
					"CreateCustomer":  func() error { _, err := c.CreateCustomer(none, alex()); return err }(),
					"CustomerDetails": func() error { _, err := c.CustomerDetails(none, "1"); return err }(),
					"FindCustomers": func() error {
						_, err := c.FindCustomers(none, merchantauth.CustomerQuery{Email: "a@b.c"})
						return err
					}(),
				} {
					e := errorIs(t, err, providerauth.ErrInvalidRequest)
					testkit.Equal(t, name, fmt.Sprint(e.Op, e.Fields), name+"map[ctx:must not be nil]")
				}
				_, err := c.Transport(nil).RoundTrip(&http.Request{})
				errorIs(t, err, providerauth.ErrInvalidRequest, providerauth.ErrNotSent)
				_, err = c.Transport(nil).RoundTrip(nil)
				errorIs(t, err, providerauth.ErrInvalidRequest, providerauth.ErrNotSent)
				errorIs(t, c.Call(t.Context(), "GET POST", "/v2/x", nil, nil), providerauth.ErrInvalidRequest)
				errorIs(t, c.Call(t.Context(), "POST", "/v2/x", make(chan int), nil), providerauth.ErrInvalidRequest)
				testkit.Equal(t, "private requests", srv.Count("/v2/x"), 0)
				testkit.Equal(t, "zero token invalidated", c.Invalidate(merchantauth.Token{}), false)
			}, change...)
		})
	}
}

func TestCallWithNowhereToPutTheAnswerIsNotMade(t *testing.T) {
	for mode, change := range modes {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			for _, out := range []any{struct{ ID string }{}, map[string]string{}, "x", (*struct{ ID string })(nil)} {
				e := errorIs(t, c.Call(t.Context(), http.MethodPost, "/v2/balance", nil, out), providerauth.ErrInvalidRequest)
				testkit.Equal(t, fmt.Sprintf("%s, %T", mode, out), fmt.Sprint(e.Op, e.Fields, e.Attempts), "Callmap[out:must be nil or a pointer that is not nil] 0")
			}
			testkit.Equal(t, "requests", len(srv.Requests()), 0)
		}, change...)
	}
}

func TestRefreshOfATokenWithoutARefreshTokenCostsNoRequest(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		for _, tok := range []merchantauth.Token{{}, merchantauth.NewToken("a", "", time.Now().Add(time.Hour), time.Time{})} {
			_, err := c.Refresh(t.Context(), tok)
			testkit.Equal(t, "rule", errorIs(t, err, providerauth.ErrInvalidRequest).Fields["t"], "has no refresh token")
		}
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
	})
}

func TestTokenSetsItsHeader(t *testing.T) {
	(merchantauth.Token{}).SetAuthHeader(nil)
	r := &http.Request{}
	(merchantauth.Token{}).SetAuthHeader(r)
	testkit.Equal(t, "headers of a zero token", len(r.Header), 0)
	tok := merchantauth.NewToken("abc", "def", time.Unix(1, 0), time.Unix(2, 0))
	tok.SetAuthHeader(r)
	testkit.Equal(t, "header", r.Header.Get("Authorization"), "Bearer abc")
	testkit.Equal(t, "values", tok.Value()+tok.RefreshToken(), "abcdef")
	testkit.Equal(t, "ID", tok.ID(), "ba7816bf8f01")
	testkit.Equal(t, "text", tok.String(), "merchantauth.Token(id ba7816bf8f01, expires 1970-01-01T00:00:01Z)")
}

func TestTokenNeverMarshals(t *testing.T) {
	tok := merchantauth.NewToken("abc", "def", time.Unix(1, 0), time.Unix(2, 0))
	for name, v := range map[string]any{
		"a token": tok, "a pointer": &tok, "the zero token": merchantauth.Token{}, "inside another": map[string]any{"t": []merchantauth.Token{tok}},
	} {
		testkit.Equal(t, name, testkit.Marshalled(v), testkit.Refused)
	}
}

func TestUnavailableSecretCostsNoRequest(t *testing.T) {
	for name, f := range testkit.BadSecrets("secret-1") {
		for mode, change := range modes {
			t.Run(name+", "+mode, func(t *testing.T) {
				bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					err := c.Call(t.Context(), "POST", "/v2/x", nil, nil)
					e := errorIs(t, err, providerauth.ErrNotSent, providerauth.ErrSecretUnavailable)
					testkit.Equal(t, "ambiguous", e.Ambiguous(), false)
					if name == "failing" {
						errorIs(t, err, testkit.ErrSealed)
					}
					if _, ok := e.Retryable(); !ok {
						t.Error("not retryable, though the vault may be opened")
					}
					_, err = c.CreateCustomer(t.Context(), alex())
					errorIs(t, err, providerauth.ErrNotSent, providerauth.ErrSecretUnavailable)
					_, err = c.HTTPClient().Get(srv.URL() + "/v2/x")
					testkit.Equal(t, "Op of the transport's error", errorIs(t, err, providerauth.ErrNotSent, providerauth.ErrSecretUnavailable).Op, "Transport")
					if mode == "session" {
						_, err = c.Login(t.Context())
						errorIs(t, err, providerauth.ErrSecretUnavailable)
					}
					testkit.Equal(t, "requests", len(srv.Requests()), 0)
				}, append(change, func(cfg *merchantauth.Config) {
					if cfg.APIKey != nil {
						cfg.APIKey = f
					} else {
						cfg.Password = f
					}
				})...)
			})
		}
	}
}

func TestClosedClientServesItsTokenAndGetsNoOther(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		testkit.Must(t, c.Close())
		testkit.Must(t, c.Close())
		rates(t, c)
		past(tok)
		_, err := c.Token(t.Context())
		errorIs(t, err, providerauth.ErrClosed)
		_, err = c.Login(t.Context())
		errorIs(t, err, providerauth.ErrClosed)
		_, err = c.Refresh(t.Context(), tok)
		errorIs(t, err, providerauth.ErrClosed)
		errorIs(t, c.Call(t.Context(), "POST", "/v2/x", nil, nil), providerauth.ErrClosed, providerauth.ErrNotSent)
		costs(t, srv, 1, 0)
	})
}

func TestTimeoutOfTheHTTPClientIsKept(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		token(t, c)
		srv.Delay(time.Minute)
		start := time.Now()
		_, err := c.HTTPClient().Get(srv.URL() + "/v2/rate/equivalent")
		if err == nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v, want a timeout after 3 s", err, time.Since(start))
		}
		start = time.Now()
		err = c.Call(t.Context(), "POST", "/v2/rate/equivalent", nil, nil)
		errorIs(t, err, providerauth.ErrAmbiguous)
		testkit.Equal(t, "Call took", time.Since(start), 3*time.Second)
	}, func(cfg *merchantauth.Config) {
		cfg.HTTPClient = &http.Client{Transport: cfg.HTTPClient.Transport, Timeout: 3 * time.Second}
	})
}
