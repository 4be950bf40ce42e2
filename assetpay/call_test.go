package assetpay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestCallDecodesTheDataOfTheEnvelope(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		var prices []struct {
			Name  string
			Price float64
		}
		if err := c.Call(t.Context(), http.MethodGet, "/secure/prices", nil, &prices); err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "price", prices[0].Price, 11.25)

		srv.Handle("POST /secure/echo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			assetpaytest.WriteData(w, json.RawMessage(b))
		}))
		var out map[string]string
		if err := c.Call(t.Context(), http.MethodPost, "/secure/echo?x=1", map[string]string{"a": "<&>"}, &out); err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "echo", out, map[string]string{"a": "<&>"})
		if err := c.Call(t.Context(), http.MethodPost, "/secure/echo", 1, nil); err != nil {
			t.Errorf("out nil: %v", err)
		}
		testkit.Equal(t, "exchanges", srv.Count(exchange), 0)
	})
}

func TestOutThatCannotBeFilledCostsNoRequest(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		for _, out := range []any{1, map[string]int{}, (*int)(nil), struct{}{}} {
			for _, err := range []error{
				c.Call(t.Context(), "POST", "/secure/x", nil, out),
				c.CallFor(t.Context(), user(), "POST", "/client/x", nil, out),
			} {
				testkit.Equal(t, "fields", errorIs(t, err, providerauth.ErrInvalidRequest).Fields, map[string]string{"out": "must be nil or a pointer that is not nil"})
			}
		}
		for _, tc := range []struct {
			method, path string
			in           any
			field        string
		}{
			{"POST", "https://evil.example/", nil, "path"},
			{"POST", "//evil.example/", nil, "path"},
			{"POST", "../x", nil, "path"},
			{"POST", "/a b?c d", nil, "path"},
			{"P OST", "/x", nil, "method"},
			{"POST", "/x", func() {}, "in"},
		} {
			for _, err := range []error{
				c.Call(t.Context(), tc.method, tc.path, tc.in, nil),
				c.CallFor(t.Context(), user(), tc.method, tc.path, tc.in, nil),
			} {
				if e := errorIs(t, err, providerauth.ErrInvalidRequest); e.Fields[tc.field] == "" || len(e.Fields) != 1 {
					t.Errorf("%s %s: %v", tc.method, tc.path, e.Fields)
				}
			}
		}
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
	})
}

func TestAnswerWithoutDataIsNoDataAndNeverAZeroValue(t *testing.T) {
	const ok = `{"requestId":"r","success":true`
	for _, tc := range []struct {
		method, body string
		status       int
		bare, into   string // what becomes of the call with out nil, and with out
	}{
		{"POST", "", 204, "ok", "bad"},
		{"HEAD", "", 200, "ok", "bad"},
		{"POST", "", 200, "bad", "bad"},
		{"POST", ok + `}`, 200, "ok", "bad"},
		{"POST", ok + `,"data":null}`, 200, "ok", "bad"},
		{"POST", ok + `,"data":7}`, 200, "ok", "ok"},
		{"POST", ok + `,"data":0}`, 200, "ok", "ok"},
		{"POST", ok + `,"data":"7"}`, 200, "ok", "bad"},
		{"POST", `{"data":7}`, 200, "bad", "bad"},
		{"POST", `7`, 200, "bad", "bad"},
		{"POST", `<html>`, 200, "bad", "bad"},
		{"POST", refusal(1, "K"), 200, "refused", "refused"},
	} {
		t.Run(fmt.Sprint(tc.method, tc.status, tc.body), func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				token(t, c.TokenSource(user()))
				answering(srv, tc.status, nil, tc.body)
				out := -1
				for _, call := range []func(out any) error{
					func(out any) error { return c.Call(t.Context(), tc.method, "/secure/x", nil, out) },
					func(out any) error { return c.CallFor(t.Context(), user(), tc.method, "/client/x", nil, out) },
				} {
					for into, want := range map[any]string{nil: tc.bare, &out: tc.into} {
						err := call(into)
						got := "refused"
						switch {
						case err == nil:
							got = "ok"
						case errors.Is(err, providerauth.ErrBadResponse):
							got = "bad"
							testkit.Equal(t, "ambiguous", errors.Is(err, providerauth.ErrAmbiguous), true)
						}
						testkit.Equal(t, fmt.Sprintf("out %T", into), got, want)
					}
				}
				if tc.into != "ok" {
					testkit.Equal(t, "out", out, -1)
				}
			})
		})
	}
}

func TestRejectedTokenIsReplacedOnceAndTheCallSucceeds(t *testing.T) {
	reject := map[string]func(*assetpaytest.Server){
		"revoked": (*assetpaytest.Server).RevokeTokens,
		"expired": (*assetpaytest.Server).ExpireTokens,
		"no envelope": func(srv *assetpaytest.Server) {
			srv.RevokeTokens()
			srv.Intercept(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(&plain401{ResponseWriter: w}, r)
				})
			})
		},
	}
	for name, call := range map[string]func(*testing.T, *assetpaytest.Server, *assetpay.Client) error{
		"CallFor": func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) error {
			return c.CallFor(t.Context(), user(), http.MethodPost, "/client/deposit", map[string]int{"n": 1}, nil)
		},
		"HTTPClientFor": func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) error {
			return testkit.Post(c.HTTPClientFor(user()), srv.URL()+"/client/deposit", `{"n":1}`)
		},
	} {
		for why, rejected := range reject {
			t.Run(name+" "+why, func(t *testing.T) {
				bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
					var mu sync.Mutex
					bodies := map[string]int{}
					srv.Handle("POST /client/deposit", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						b, _ := io.ReadAll(r.Body)
						mu.Lock()
						bodies[string(b)]++
						mu.Unlock()
						assetpaytest.WriteData(w, 1)
					}))
					inventory(t, c)
					rejected(srv)
					testkit.Crowd(20, func(int) {
						if err := call(t, srv, c); err != nil {
							t.Error(err)
						}
					})
					testkit.Equal(t, "deposits", bodies, map[string]int{`{"n":1}`: 20})
					testkit.Equal(t, "invalidations, exchanges, tokens", []int{int(c.Stats().Invalidations), srv.Count(exchange), srv.Tokens()}, []int{1, 2, 2})
				})
			})
		}
	}
}

// plain401 takes the envelope off every 401.
type plain401 struct {
	http.ResponseWriter
	status int
}

func (p *plain401) WriteHeader(status int) { p.status = status; p.ResponseWriter.WriteHeader(status) }

func (p *plain401) Write(b []byte) (int, error) {
	if p.status == http.StatusUnauthorized {
		return p.ResponseWriter.Write([]byte(strings.Repeat(" ", len(b))))
	}
	return p.ResponseWriter.Write(b)
}

func (p *plain401) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func TestOtherRefusalsReplaceNothing(t *testing.T) {
	for _, tc := range []struct {
		status int
		key    string
		again  int // further requests of the call
	}{
		{401, "MISSING_BEARER", 0},
		{401, "INVALID_CREDENTIALS", 0},
		{401, "NEW_ONE", 0},
		{403, "INVALID_TOKEN", 0},
		{403, "FORBIDDEN", 0},
		{400, "VALIDATION_FAILED", 0},
		{401, "INVALID_TOKEN", 1},
		{401, "TOKEN_EXPIRED", 1},
		{401, "TOKEN_INVALID_OR_EXPIRED", 1},
		{401, "UNAUTHORIZED", 1},
		{401, "", 1},
	} {
		t.Run(fmt.Sprint(tc.status, tc.key), func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				srv.Handle("GET /client/trades", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					assetpaytest.WriteError(w, tc.status, 1, tc.key, "no")
				}))
				first := token(t, c.TokenSource(user()))
				time.Sleep(time.Second)
				err := c.CallFor(t.Context(), user(), http.MethodGet, "/client/trades", nil, nil)
				e := errorIs(t, err)
				testkit.Equal(t, "status, key, attempts", fmt.Sprint(e.StatusCode, e.Key, e.Attempts), fmt.Sprint(tc.status, tc.key, 1+tc.again))
				testkit.Equal(t, "replaced", token(t, c.TokenSource(user())).ID() != first.ID(), tc.again > 0)
				// It was not the token, so another such answer replaces nothing.
				err = c.CallFor(t.Context(), user(), http.MethodGet, "/client/trades", nil, nil)
				testkit.Equal(t, "attempts", errorIs(t, err).Attempts, 1)
				testkit.Equal(t, "exchanges", srv.Count(exchange), 1+tc.again)
			})
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				srv.Handle("GET /client/trades", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					assetpaytest.WriteError(w, tc.status, 1, tc.key, strings.Repeat("no", 20_000)) // more than is looked at
				}))
				token(t, c.TokenSource(user()))
				time.Sleep(time.Second)
				for i := range 2 {
					resp, err := c.HTTPClientFor(user()).Get(srv.URL() + "/client/trades")
					if err != nil {
						t.Fatal(err)
					}
					body, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if resp.StatusCode != tc.status || !strings.Contains(string(body), `"success":false`) || !strings.HasSuffix(string(body), "}}") {
						t.Errorf("status %d, body %s", resp.StatusCode, body)
					}
					again := 0
					if tc.status == 401 { // what is cut off is no envelope
						again = 1
					}
					testkit.Equal(t, "requests, exchanges", []int{srv.Count("/client/trades"), srv.Count(exchange)}, []int{1 + i + again, 1 + again})
				}
			})
		})
	}
}

// damped has a call of the user rejected for another reason than its token, and
// returns a function that makes it once more.
func damped(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) (again func()) {
	t.Helper()
	srv.Handle("POST /client/trades", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		assetpaytest.WriteError(w, 401, 1100, "UNAUTHORIZED", "no")
	}))
	again = func() {
		err := c.CallFor(t.Context(), user(), http.MethodPost, "/client/trades?page=1", nil, nil)
		errorIs(t, err, providerauth.ErrUnauthorized)
	}
	token(t, c.TokenSource(user()))
	time.Sleep(time.Second)
	again()
	testkit.Equal(t, "exchanges", srv.Count(exchange), 2)
	return again
}

func TestLostAnswerSaysNothingOfTheToken(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		again := damped(t, srv, c)
		srv.LoseAnswers(1)
		errorIs(t, c.CallFor(t.Context(), user(), http.MethodPost, "/client/trades?page=1", nil, nil), providerauth.ErrAmbiguous)
		again()
		testkit.Equal(t, "exchanges", srv.Count(exchange), 2)
	})
}

func TestFailureOfTheServerSaysNothingOfTheToken(t *testing.T) {
	for _, body := range []string{"", refusal(1, "INTERNAL")} {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			again := damped(t, srv, c)
			answering(srv, http.StatusInternalServerError, nil, body)
			err := c.CallFor(t.Context(), user(), http.MethodPost, "/client/trades?page=1", nil, nil)
			testkit.Equal(t, "status", errorIs(t, err).StatusCode, 500)
			srv.Intercept(nil)
			again()
			testkit.Equal(t, "exchanges", srv.Count(exchange), 2)
		})
	}
}

func TestRefusalsOfOneUserDoNotKeepAnothersTokenFromBeingReplaced(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		damped(t, srv, c)
		for _, other := range []assetpay.User{
			{SteamID: "76561198012345679", TradeURL: tradeURL}, {SteamID: steamID, TradeURL: tradeURL, ClientID: "2"},
		} {
			first := token(t, c.TokenSource(other))
			time.Sleep(time.Second) // two tokens of one second are equal
			errorIs(t, c.CallFor(t.Context(), other, http.MethodPost, "/client/trades?page=1", nil, nil), providerauth.ErrUnauthorized)
			if token(t, c.TokenSource(other)).ID() == first.ID() {
				t.Error("not replaced")
			}
		}
	})
}

func TestClient_RepeatedToken(t *testing.T) {
	// trades rejects one token.
	trades := func(srv *assetpaytest.Server, bad assetpay.Token) {
		srv.Handle("GET /client/trades", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer "+bad.Value() {
				assetpaytest.WriteError(w, 401, 1102, "INVALID_TOKEN", "no")
				return
			}
			assetpaytest.WriteData(w, 1)
		}))
	}
	call := func(t *testing.T, c *assetpay.Client) error {
		return c.CallFor(t.Context(), user(), http.MethodGet, "/client/trades", nil, nil)
	}
	t.Run("a stray rejection and a token that is issued again cost nothing", func(t *testing.T) {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			srv.RepeatTokens(1, 0)
			token(t, c.TokenSource(user()))
			srv.StrayCalls(1000, 0)
			for range 3600 { // an hour
				inventory(t, c)
				time.Sleep(time.Second)
			}
			calls, _ := srv.Strays()
			testkit.Equal(t, "strays, exchanges", fmt.Sprint(calls, ", ", srv.Count(exchange)), "3, 4")
		})
	})
	t.Run("a token that is dead and issued again fails the call", func(t *testing.T) {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			trades(srv, token(t, c.TokenSource(user())))
			e := errorIs(t, call(t, c), providerauth.ErrUnauthorized, providerauth.ErrContested)
			testkit.Equal(t, "attempts", e.Attempts, 2)
			testkit.Equal(t, "exchanges", srv.Count(exchange), 2)
			after, ok := e.Retryable()
			testkit.Equal(t, "retryable", ok && after > 0 && after <= time.Second, true)
			time.Sleep(time.Second) // two tokens of one second are equal
			if err := call(t, c); err != nil {
				t.Error(err)
			}
			testkit.Equal(t, "exchanges", srv.Count(exchange), 3)
		})
	})
}

func TestMerchantCredentialIsNeverReplacedOrReplayed(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		srv.RotateAPIKeys("ap_other")
		resp, err := c.HTTPClient().Get(srv.URL() + "/secure/prices")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		testkit.Equal(t, "status", resp.StatusCode, 401)
		e := errorIs(t, c.Call(t.Context(), "GET", "/secure/prices", nil, nil), providerauth.ErrUnauthorized)
		testkit.Equal(t, "key, attempts", fmt.Sprint(e.Key, e.Attempts), "INVALID_API_KEY1")
		testkit.Equal(t, "requests", len(srv.Requests()), 2)
	})
}

func TestLostDepositIsAmbiguousAndNotSentAgain(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		deposits := 0
		srv.Handle("POST /client/deposit", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			deposits++
			assetpaytest.WriteData(w, 1)
		}))
		inventory(t, c)
		srv.LoseAnswers(1)
		err := c.CallFor(t.Context(), user(), "POST", "/client/deposit", nil, nil)
		e := errorIs(t, err, providerauth.ErrAmbiguous)
		if _, ok := e.Retryable(); ok {
			t.Errorf("retryable: %v", e)
		}
		testkit.Equal(t, "deposits, requests", []int{deposits, srv.Count("/client/deposit")}, []int{1, 1})

		srv.LoseAnswers(1) // and a GET is asked for again
		inventory(t, c)
	})
}

func TestTransportsSendNothingToAnotherOrigin(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		for _, client := range []*http.Client{c.HTTPClient(), c.HTTPClientFor(user())} {
			for _, u := range []string{"https://127.0.0.1:1/base/x", "http://127.0.0.1:2/base/x", "http://evil.example/"} {
				_, err := client.Get(u)
				e := errorIs(t, err, providerauth.ErrNotSent, providerauth.ErrInvalidRequest)
				testkit.Equal(t, "op, ambiguous", fmt.Sprint(e.Op, e.Ambiguous()), "Transportfalse")
				testkit.Equal(t, "field", e.Fields["URL"] != "", true)
			}
		}
		for _, rt := range []http.RoundTripper{c.Transport(nil), c.TransportFor(user(), nil)} {
			_, err := rt.RoundTrip(&http.Request{})
			errorIs(t, err, providerauth.ErrNotSent)
		}
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
	})
}

func TestRedirectsAreHandedToTheCaller(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		answering(srv, http.StatusTemporaryRedirect, http.Header{"Location": {"/base/elsewhere"}}, "")
		resp, err := c.HTTPClient().Get(srv.URL() + "/secure/prices")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		testkit.Equal(t, "status, requests", []int{resp.StatusCode, len(srv.Requests())}, []int{307, 1})
	})
}

func TestTransportUsesTheGivenBase(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		var seen []string
		base := testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
			seen = append(seen, r.Header.Get("Authorization")+strings.Join(r.Header["api-key"], ""))
			return nil, io.ErrUnexpectedEOF
		})
		for _, rt := range []http.RoundTripper{c.Transport(base), c.TransportFor(user(), base)} {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL()+"/x", nil)
			if _, err := rt.RoundTrip(r); err != io.ErrUnexpectedEOF {
				t.Errorf("the base's error is not passed on as it is: %v", err)
			}
		}
		testkit.Equal(t, "credentials", seen, []string{"ap_test_0001", "Bearer " + token(t, c.TokenSource(user())).Value()})
	})
}

func TestTimeoutOfTheOperatorsClientIsKept(t *testing.T) {
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		token(t, c.TokenSource(user()))
		srv.Delay(time.Minute)
		for _, client := range []*http.Client{c.HTTPClient(), c.HTTPClientFor(user())} {
			start := time.Now()
			if _, err := client.Get(srv.URL() + "/client/inventory"); err == nil {
				t.Error("no timeout")
			}
			testkit.Equal(t, "left after", time.Since(start), 2*time.Second)
		}
	}, func(cfg *assetpay.Config) {
		own := *cfg.HTTPClient
		own.Timeout = 2 * time.Second
		cfg.HTTPClient = &own
	})
}

func TestClient_expiredToken(t *testing.T) {
	for _, status := range []int{400, 403, 500} {
		t.Run(fmt.Sprint("TOKEN_EXPIRED under ", status, " replaces the token"), func(t *testing.T) {
			for name, call := range map[string]func(*testing.T, *assetpaytest.Server, *assetpay.Client){
				"CallFor": func(t *testing.T, _ *assetpaytest.Server, c *assetpay.Client) {
					if err := c.CallFor(t.Context(), user(), http.MethodPost, "/client/deposit", nil, nil); err != nil {
						t.Error(err)
					}
				},
				"HTTPClientFor": func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
					resp, err := c.HTTPClientFor(user()).Post(srv.URL()+"/client/deposit", "", nil)
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					testkit.Equal(t, "status", resp.StatusCode, 200)
				},
			} {
				t.Run(name, func(t *testing.T) {
					bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
						rejected := false
						srv.Handle("POST /client/deposit", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
							if rejected {
								assetpaytest.WriteData(w, 1)
								return
							}
							rejected = true
							assetpaytest.WriteError(w, status, 1111, "TOKEN_EXPIRED", "no")
						}))
						token(t, c.TokenSource(user()))
						time.Sleep(2 * time.Second)
						call(t, srv, c)
						testkit.Equal(t, "requests, exchanges", []int{srv.Count("/client/deposit"), srv.Count(exchange)}, []int{2, 2})
					})
				})
			}
		})
	}
}

func TestClient_longAnswer(t *testing.T) {
	t.Run("a price list of 1.2 MiB is decoded", func(t *testing.T) {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			list := make([]string, 12_000)
			for i := range list {
				list[i] = strings.Repeat("x", 100)
			}
			srv.Handle("GET /secure/all", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { assetpaytest.WriteData(w, list) }))
			var got []string
			if err := c.Call(t.Context(), http.MethodGet, "/secure/all", nil, &got); err != nil || len(got) != len(list) {
				t.Errorf("%d items, %v", len(got), err)
			}
		})
	})

	t.Run("an answer longer than MaxResponseBytes is ErrBadResponse", func(t *testing.T) {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			srv.Handle("GET /secure/all", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				assetpaytest.WriteData(w, strings.Repeat("x", 2000))
			}))
			errorIs(t, c.Call(t.Context(), http.MethodGet, "/secure/all", nil, nil), providerauth.ErrBadResponse)
		}, func(cfg *assetpay.Config) { cfg.MaxResponseBytes = 1000 })
	})
}
