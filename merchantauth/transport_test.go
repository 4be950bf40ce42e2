package merchantauth_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestHeaderNamesGoOutAsKunasPagePrintsThem(t *testing.T) {
	session := fmt.Sprintf(`{"data":{"accessToken":"acc","expiresIn":%d,"refreshToken":"ref"}}`, time.Now().Unix()+1800)
	socket := testkit.NewSocket(t, session, session, `{"data":{}}`)
	cfg := merchantauth.Config{BaseURL: socket.URL, MerchantID: "merchant-1", Email: "a@b.c", Password: providerauth.StaticSecret("p")}
	c := open(t, cfg)
	defer c.Close()
	tok := token(t, c)
	if _, err := c.Refresh(t.Context(), tok); err != nil {
		t.Fatal(err)
	}
	if err := c.Call(t.Context(), "POST", "/v2/x", nil, nil); err != nil {
		t.Fatal(err)
	}
	testkit.Must(t, testkit.Get(c.HTTPClient(), socket.URL+"/v2/x"))
	all := socket.Lines()
	testkit.Equal(t, "merchant_id lines", count(all, "merchant_id: merchant-1"), 2)
	testkit.Equal(t, "lines with merchant_id in any case", countFold(all, "merchant_id:"), 2)
	testkit.Equal(t, "Authorization lines", count(all, "Authorization: Bearer acc"), 2)
	testkit.Equal(t, "User-Agent lines", count(all, "User-Agent: providerauth-go"), 4)
	testkit.Equal(t, "Accept lines", count(all, "Accept: application/json"), 4)

	socket = testkit.NewSocket(t, `{"data":{}}`)
	c = open(t, merchantauth.Config{BaseURL: socket.URL, APIKey: providerauth.StaticSecret("k")})
	defer c.Close()
	if err := c.Call(t.Context(), "POST", "/v2/x", nil, nil); err != nil {
		t.Fatal(err)
	}
	r := testkit.Request(t, "POST", socket.URL+"/v2/x", "{}")
	r.Header["api-KEY"] = []string{"of the caller"}
	r.Header["authorization"] = []string{"of the caller"}
	testkit.Do(t, c.HTTPClient(), r)
	all = socket.Lines()
	testkit.Equal(t, "Api-key lines", count(all, "Api-key: k"), 2)
	testkit.Equal(t, "lines with api-key in any case", countFold(all, "api-key:"), 2)
	testkit.Equal(t, "Authorization in key mode", countFold(all, "authorization:"), 0)
	testkit.Equal(t, "merchant_id in key mode", countFold(all, "merchant_id:"), 0)
	testkit.Equal(t, "Content-Type lines", count(all, "Content-Type: application/json"), 1)
}

func count(lines []string, line string) (n int) {
	for _, l := range lines {
		if l == line {
			n++
		}
	}
	return n
}

func countFold(lines []string, prefix string) (n int) {
	for _, l := range lines {
		if len(l) >= len(prefix) && strings.EqualFold(l[:len(prefix)], prefix) {
			n++
		}
	}
	return n
}

// ways are the ways to make a private call.
var ways = map[string]func(*testing.T, *merchantauthtest.Server, *merchantauth.Client) error{
	"Call": func(t *testing.T, _ *merchantauthtest.Server, c *merchantauth.Client) error {
		return c.Call(t.Context(), http.MethodPost, "/v2/balance", map[string]string{"walletId": "w"}, nil)
	},
	"HTTPClient": func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) error {
		resp, err := c.HTTPClient().Post(srv.URL()+"/v2/balance", "application/json", strings.NewReader(`{"walletId":"w"}`))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if strings.Contains(string(body), "errors") {
			return fmt.Errorf("status %d: %s", resp.StatusCode, body)
		}
		return nil
	},
}

func balance(srv *merchantauthtest.Server) {
	srv.Handle("POST /v2/balance", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) != `{"walletId":"w"}` {
			merchantauthtest.WriteError(w, 400, "BODY", string(b))
			return
		}
		merchantauthtest.WriteData(w, 200, map[string]string{"BTC": "1"})
	}))
}

func TestRejectedTokenIsReplacedOnceUnderAnyStatus(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		end    func(*merchantauthtest.Server)
	}{
		{"expired, 401", 401, (*merchantauthtest.Server).ExpireTokens},
		{"expired, 403", 403, (*merchantauthtest.Server).ExpireTokens},
		{"expired, 200", 200, (*merchantauthtest.Server).ExpireTokens},
		{"expired, 500", 500, (*merchantauthtest.Server).ExpireTokens},
		{"revoked, 401", 401, (*merchantauthtest.Server).RevokeTokens},
	} {
		for way, call := range ways {
			t.Run(tc.name+", "+way, func(t *testing.T) {
				bubble(t, merchantauthtest.Options{ErrorStatus: tc.status}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					balance(srv)
					token(t, c)
					tc.end(srv)
					testkit.Crowd(20, func(int) {
						if err := call(t, srv, c); err != nil {
							t.Error(err)
						}
					})
					testkit.Equal(t, "invalidations", c.Stats().Invalidations, 1)
					costs(t, srv, 1, 1)
				})
			})
		}
	}
}

func TestOtherErrorsReplaceNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
	}{
		"UNAUTHORIZED of another kind": {403, `{"errors":[{"code":"UNAUTHORIZED","message":{"name":"JsonWebTokenError"}}]}`},
		"UNAUTHORIZED as text":         {200, `{"errors":[{"code":"UNAUTHORIZED","message":"TokenExpiredError"}]}`},
		"the name under another code":  {403, `{"errors":[{"code":"X","message":{"name":"TokenExpiredError"}}]}`},
		"the name in the data":         {200, `{"data":{"message":{"name":"TokenExpiredError"},"code":"UNAUTHORIZED"}}`},
		"cut in the middle":            {403, `{"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError"}`},
		"too long to be it":            {403, `{"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError"}}],"x":"` + strings.Repeat("x", 17<<10) + `"}`},
		"403 of a gateway":             {403, `<html>`},
	} {
		for way, call := range ways {
			t.Run(name+", "+way, func(t *testing.T) {
				bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					tok := token(t, c)
					answering(srv, "/v2/balance", tc.status, tc.body)
					_ = call(t, srv, c)
					testkit.Equal(t, "requests", srv.Count("/v2/balance"), 1)
					testkit.Equal(t, "token", token(t, c).ID(), tok.ID())
				})
			})
		}
	}
}

// Who was given data may have been served, whatever the errors beside it say.
func TestCallThatMayHaveBeenActedOnIsNotMadeAgainForItsToken(t *testing.T) {
	const body = `{"data":{"id":"c1"},"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError"}}]}`
	create := func(t *testing.T, _ *merchantauthtest.Server, c *merchantauth.Client) error {
		_, err := c.CreateCustomer(t.Context(), alex())
		return err
	}
	for _, tc := range []struct {
		way, path string
		call      func(*testing.T, *merchantauthtest.Server, *merchantauth.Client) error
		statuses  []int
		typed     bool
	}{
		{"CreateCustomer", createPath, create, []int{200, 201, 500}, true},
		{"Call", "/v2/balance", ways["Call"], []int{200, 201, 500}, true},
		{"HTTPClient", "/v2/balance", ways["HTTPClient"], []int{200, 201, 403, 500}, false},
	} {
		for _, status := range tc.statuses {
			t.Run(fmt.Sprint(tc.way, " ", status), func(t *testing.T) {
				bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					tok := token(t, c)
					answering(srv, tc.path, status, body)
					err := tc.call(t, srv, c)
					if tc.typed {
						errorIs(t, err, providerauth.ErrAmbiguous)
					} else if err == nil || !strings.Contains(err.Error(), `"c1"`) {
						t.Errorf("got %v, want the answer", err)
					}
					testkit.Equal(t, "requests", srv.Count(tc.path), 1)
					testkit.Equal(t, "token", token(t, c).ID(), tok.ID())
				})
			})
		}
	}
}

func TestUnauthorizedAnswerReplacesTheTokenWhateverElseIsInIt(t *testing.T) {
	for way, call := range ways {
		t.Run(way, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				token(t, c)
				answering(srv, "/v2/balance", 401, `{"data":{"id":"c1"},"errors":[{"code":"UNAUTHORIZED"}]}`)
				_ = call(t, srv, c)
				testkit.Equal(t, "requests", srv.Count("/v2/balance"), 2)
				costs(t, srv, 1, 1)
			})
		})
	}
}

func TestTransportHandsOnTheAnswerAsItCame(t *testing.T) {
	for _, contentType := range []string{"application/json", "", "text/html", "application/vnd.api+json; charset=utf-8"} {
		for _, body := range []string{"", "{}", `{"data":1}`, `{"errors":[{"code":"UNAUTHORIZED"}]}`, strings.Repeat("TokenExpiredError ", 5000)} {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				token(t, c)
				srv.Intercept(testkit.Always(402, http.Header{"Content-Type": {contentType}}, body))
				resp, got := testkit.Do(t, c.HTTPClient(), testkit.Request(t, http.MethodGet, srv.URL()+"/v2/x", ""))
				if got != body || resp.StatusCode != 402 {
					t.Errorf("%d, %d bytes of %d", resp.StatusCode, len(got), len(body))
				}
			})
		}
	}
}

func TestRejectionSeenByTheTransportCorrectsTheClock(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		balance(srv)
		token(t, c)
		srv.SetClockOffset(time.Hour)
		srv.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == refreshPath {
					w.Header()["Date"] = nil // or the refresh would correct it
				}
				next.ServeHTTP(w, r)
			})
		})
		if err := ways["HTTPClient"](t, srv, c); err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "left of the new token", time.Until(token(t, c).ExpiresAt).Round(time.Minute), 30*time.Minute)
		costs(t, srv, 1, 1)
	})
}

// A connection is no body: reading from one that says nothing takes for ever.
type connection struct{ reads int }

func (c *connection) Read([]byte) (int, error) { c.reads++; return 0, io.EOF }

func (c *connection) Write(b []byte) (int, error) { return len(b), nil }

func (c *connection) Close() error { return nil }

func TestConnectionThatChangesItsProtocolIsHandedOnUnread(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		conn := &connection{}
		base := testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: http.Header{}, Body: conn, ContentLength: -1}, nil
		})
		resp, err := c.Transport(base).RoundTrip(testkit.MustRequest(srv.URL() + "/v2/stream"))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body != io.ReadCloser(conn) || conn.reads > 0 {
			t.Errorf("the body is a %T that was read %d times", resp.Body, conn.reads)
		}
	})
}

func TestKeyModeMakesNoAuthenticationCallAndReplaysNothing(t *testing.T) {
	for way, call := range ways {
		t.Run(way, func(t *testing.T) {
			keys := 0
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				balance(srv)
				for range 3 {
					if err := call(t, srv, c); err != nil {
						t.Error(err)
					}
				}
				testkit.Equal(t, "keys asked for", keys, 3)
				for _, r := range srv.Requests() {
					testkit.Equal(t, "headers", fmt.Sprint(r.Header["Api-Key"], r.Header["Authorization"], r.Header["Merchant_id"]), "[api-key-1] [] []")
				}
				for _, body := range []string{
					`{"errors":[{"code":"UNAUTHORIZED","message":"Invalid API key"}]}`,
					`{"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError","message":"jwt expired"}}]}`,
				} {
					before := srv.Count("/v2/balance")
					answering(srv, "", 401, body)
					err := call(t, srv, c)
					if err == nil || !strings.Contains(err.Error(), "UNAUTHORIZED") {
						t.Errorf("got %v", err)
					}
					testkit.Equal(t, "requests", srv.Count("/v2/balance")-before, 1)
				}
				for name, err := range map[string]error{
					"Token": func() error { _, err := c.Token(t.Context()); return err }(),
					"Login": func() error { _, err := c.Login(t.Context()); return err }(),
					"Refresh": func() error {
						_, err := c.Refresh(t.Context(), merchantauth.NewToken("a", "b", time.Now(), time.Now()))
						return err
					}(),
				} {
					e := errorIs(t, err, merchantauth.ErrNoSession)
					testkit.Equal(t, "Op, attempts", fmt.Sprint(e.Op, e.Attempts), name+"0")
					testkit.Equal(t, "text", e.Error(), "merchantauth: "+name+": there is no session: the client uses an API key")
				}
				testkit.Equal(t, "invalidated", c.Invalidate(merchantauth.NewToken("a", "", time.Now(), time.Time{})), false)
				testkit.Equal(t, "stats", c.Stats(), providerauth.Stats{})
				costs(t, srv, 0, 0)
			}, withKey, func(cfg *merchantauth.Config) {
				cfg.APIKey = counting(&keys, "api-key-1")
			})
		})
	}
}

func TestCredentialsGoToTheConfiguredOriginOnly(t *testing.T) {
	for mode, change := range modes {
		t.Run(mode, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				for _, url := range []string{"https://127.0.0.1:1/base/x", "http://127.0.0.1:2/base/x", "http://evil.example.com/base/x"} {
					_, err := c.HTTPClient().Get(url)
					e := errorIs(t, err, providerauth.ErrNotSent, providerauth.ErrInvalidRequest)
					testkit.Equal(t, "Op", e.Op, "Transport")
					testkit.Equal(t, "field", e.Fields["URL"] != "", true)
				}
				for _, path := range []string{"https://evil.example.com/x", "//evil.example.com", "/../x"} {
					e := errorIs(t, c.Call(t.Context(), "GET", path, nil, nil), providerauth.ErrInvalidRequest)
					testkit.Equal(t, "field of "+path, e.Fields["path"] != "", true)
				}
				testkit.Equal(t, "requests", len(srv.Requests()), 0)
			}, change...)
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		token(t, c)
		srv.FailNext(2, http.StatusTemporaryRedirect, http.Header{"Location": {"/base/elsewhere"}})
		e := errorIs(t, c.Call(t.Context(), "POST", "/v2/x", nil, nil), providerauth.ErrBadResponse)
		testkit.Equal(t, "status", e.StatusCode, 307)
		resp, _ := testkit.Do(t, c.HTTPClient(), testkit.Request(t, http.MethodGet, srv.URL()+"/v2/x", ""))
		testkit.Equal(t, "status for HTTPClient", resp.StatusCode, 307)
		testkit.Equal(t, "requests elsewhere", srv.Count("/elsewhere"), 0)
	})
}

func TestCallThatHasNoTokenIsNotSent(t *testing.T) {
	for way, call := range ways {
		t.Run(way, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				srv.LoseAnswers(10, testkit.Path(loginPath))
				err := call(t, srv, c)
				e := errorIs(t, err, providerauth.ErrNotSent)
				if e.Ambiguous() || errors.Is(err, providerauth.ErrAmbiguous) {
					t.Errorf("ambiguous, though only the login was lost: %v", err)
				}
				if _, ok := e.Retryable(); !ok {
					t.Errorf("not retryable: %v", err)
				}
				testkit.Equal(t, "requests", srv.Count("/v2/balance"), 0)
			})
		})
	}
}

func TestHeadersOfTheCallerAreKeptButForTheOtherCredential(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		r, err := http.NewRequest("GET", srv.URL()+"/v2/rate/equivalent", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"User-Agent": {"operator/1"}, "Accept": {"text/plain"}, "X-Own": {"1"}, "api-KEY": {"x"}}
		resp, err := c.HTTPClient().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		all := srv.Requests()
		h := all[len(all)-1].Header
		testkit.Equal(t, "headers", fmt.Sprint(h["User-Agent"], h["Accept"], h["X-Own"]), "[operator/1] [text/plain] [1]")
		testkit.Equal(t, "the other credential", len(h["Api-Key"]), 0)
		testkit.Equal(t, "content type of a request without a body", len(h["Content-Type"]), 0)
		testkit.Equal(t, "headers of the caller's request", len(r.Header), 4)
	})
}
