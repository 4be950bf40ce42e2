package merchantauth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestErrorsOfAnAnswerAreReadInEveryForm(t *testing.T) {
	at := time.Date(2024, 2, 9, 19, 23, 17, 0, time.UTC)
	for body, want := range map[string][]merchantauth.ErrorEntry{
		// The two that Kuna's page shows.
		`{"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError","message":"jwt expired","expiredAt":"2024-02-09T19:23:17.000Z"}}]}`: {
			{Code: "UNAUTHORIZED", Message: "jwt expired", Name: "TokenExpiredError", ExpiredAt: at},
		},
		`{"errors":[{"code":"REFRESH_TOKEN_EXPIRED","message":"Invalid token"}]}`: {{Code: "REFRESH_TOKEN_EXPIRED", Message: "Invalid token"}},

		`{"errors":[{"code":"A","message":null}]}`:                                            {{Code: "A"}},
		`{"errors":[{"code":"A"}]}`:                                                           {{Code: "A"}},
		`{"errors":[{"code":"A","message":42.5}]}`:                                            {{Code: "A", Message: "42.5"}},
		`{"errors":[{"code":"A","message":true}]}`:                                            {{Code: "A", Message: "true"}},
		`{"errors":[{"code":"A","message":["x",7,null,{"message":"y"},{"name":"z"},["w"]]}]}`: {{Code: "A", Message: "x; 7; y"}},
		`{"errors":[{"code":"A","message":{"name":"NotBeforeError","date":"2024-02-09"}}]}`:   {{Code: "A", Name: "NotBeforeError"}},
		`{"errors":[{"code":"A","message":{"name":5,"message":{},"expiredAt":1707239715}}]}`:  {{Code: "A", Name: "5"}},
		`{"errors":[{"code":"A","message":{"expiredAt":"2024-02-09T20:23:17+01:00"}}]}`:       {{Code: "A", ExpiredAt: at}},
		`{"errors":[{"code":17,"message":"x"}]}`:                                              {{Code: "17", Message: "x"}},
		`{"errors":[{"code":{},"message":"x"}]}`:                                              {{Message: "x"}},
		`{"errors":[{"message":"x"},{"code":"B"}]}`:                                           {{Message: "x"}, {Code: "B"}},
		`{"errors":["x",null,5,[]]}`:                                                          {{Message: "x"}, {}, {Message: "5"}, {}},
		`{"errors":{"code":"A","message":"x"}}`:                                               {{Code: "A", Message: "x"}},
		`{"data":null,"errors":[{"code":"A"}],"more":1}`:                                      {{Code: "A"}},
		`{"data":{"id":"1"},"errors":[{"code":"A"}]}`:                                         {{Code: "A"}},
		`{"errors":[]}`:          nil,
		`{"errors":{}}`:          nil,
		`{"errors":null}`:        nil,
		`{"errors":"x"}`:         nil,
		`{"message":"x"}`:        nil,
		`<html>Forbidden</html>`: nil,
		``:                       nil,
	} {
		t.Run(body, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				for _, status := range []int{200, 201, 400, 403, 404, 409, 500} {
					if want == nil && status < 300 {
						continue // no error, or an answer without data
					}
					answering(srv, createPath, status, body)
					_, err := c.CreateCustomer(t.Context(), alex())
					e := errorIs(t, err)
					testkit.Equal(t, "status", e.StatusCode, status)
					if d := cmp.Diff(want, e.Entries, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Raw" }, cmp.Ignore())); d != "" {
						t.Errorf("status %d: %s", status, d)
					}
					if want != nil {
						first := merchantauth.ErrorEntry{Code: e.Code, Message: e.Message, Name: e.Name, ExpiredAt: e.ExpiredAt, Raw: e.Entries[0].Raw}
						testkit.Equal(t, "first", first, e.Entries[0])
						if !json.Valid(e.Entries[0].Raw) {
							t.Errorf("Raw is %s", e.Entries[0].Raw)
						}
					}
					testkit.Equal(t, "body", e.Body(), body)
				}
			}, withKey)
		})
	}
}

func TestSentinelsMatchByStatusAndByEveryEntry(t *testing.T) {
	const expired = `{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError"}}`
	for _, tc := range []struct {
		status int
		errors string
		want   []error
	}{
		{401, `[]`, []error{providerauth.ErrUnauthorized}},
		{200, `[{"code":"UNAUTHORIZED","message":"no"}]`, []error{providerauth.ErrUnauthorized}},
		{400, `[{"code":"X"},{"code":"UNAUTHORIZED","message":{"name":"JsonWebTokenError"}}]`, []error{providerauth.ErrUnauthorized, providerauth.ErrInvalidRequest}},
		{403, `[` + expired + `]`, []error{providerauth.ErrUnauthorized, merchantauth.ErrTokenExpired}},
		{403, `[{"code":"X"},` + expired + `]`, []error{providerauth.ErrUnauthorized, merchantauth.ErrTokenExpired}},
		{500, `[{"code":"X"},` + expired + `]`, []error{providerauth.ErrUnauthorized, merchantauth.ErrTokenExpired, providerauth.ErrAmbiguous}},
		{500, `[` + expired + `]`, []error{providerauth.ErrUnauthorized, merchantauth.ErrTokenExpired}},
		{403, `[{"code":"X","message":{"name":"TokenExpiredError"}}]`, nil},
		{200, `[{"code":"REFRESH_TOKEN_EXPIRED"}]`, []error{merchantauth.ErrRefreshTokenExpired}},
		{409, `[{"code":"X"},{"code":"REFRESH_TOKEN_EXPIRED"}]`, []error{merchantauth.ErrRefreshTokenExpired}},
		{429, `[{"code":"X"}]`, []error{providerauth.ErrRateLimited}},
		{422, `[{"code":"X"}]`, []error{providerauth.ErrInvalidRequest}},
		{404, `[{"code":"X"}]`, nil},
	} {
		t.Run(fmt.Sprint(tc.status, tc.errors), func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				answering(srv, "", tc.status, `{"errors":`+tc.errors+`}`)
				err := c.Call(t.Context(), http.MethodPost, "/v2/balance", nil, nil)
				var got []error
				for _, target := range []error{
					providerauth.ErrUnauthorized, providerauth.ErrRateLimited, providerauth.ErrInvalidRequest, merchantauth.ErrTokenExpired,
					merchantauth.ErrRefreshTokenExpired, providerauth.ErrBadResponse, merchantauth.ErrNoSession, providerauth.ErrAmbiguous,
				} {
					if errors.Is(err, target) {
						got = append(got, target)
					}
				}
				same := len(got) == len(tc.want)
				for _, target := range tc.want {
					same = same && errors.Is(err, target)
				}
				if !same {
					t.Errorf("matches %v, want %v", got, tc.want)
				}
			}, withKey)
		})
	}
}

func TestDataAndErrorsDecideAndNotTheStatus(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		want   string
	}{
		{200, `{"data":{"ok":true}}`, "success"},
		{201, `{"data":{"ok":true}}`, "success"},
		{202, `{"data":{"ok":true},"errors":[]}`, "success"},
		{200, `{"data":{"ok":true},"errors":null}`, "success"},
		{200, `{"data":{"ok":true},"errors":{}}`, "success"},
		{200, `{"errors":[{"code":"X"}]}`, "refused"},
		{200, `{"errors":{"code":"X"}}`, "refused"},
		{201, `{"data":null,"errors":[{"code":"X"}]}`, "refused"},
		{400, `{"data":{"ok":true}}`, "refused"},
		{404, ``, "refused"},
		{200, `{"data":{"ok":true},"errors":[{"code":"X"}]}`, "unusable"},
		{200, `{"errors":[]}`, "unusable"},
		{200, `{}`, "unusable"},
		{200, `{"data":null}`, "unusable"},
		{200, `{"data":[1]}`, "unusable"},
		{204, ``, "unusable"},
		{200, ``, "unusable"},
		{200, `<html>`, "unusable"},
		{500, `{"errors":[{"code":"X"}]}`, "unclear"},
		{502, `<html>`, "unclear"},
	} {
		t.Run(fmt.Sprint(tc.status, tc.body), func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				answering(srv, "", tc.status, tc.body)
				var out struct{ OK bool }
				err := c.Call(t.Context(), http.MethodPost, "/v2/x", nil, &out)
				got := "success"
				switch {
				case errors.Is(err, providerauth.ErrBadResponse) && errors.Is(err, providerauth.ErrAmbiguous):
					got = "unusable"
				case errors.Is(err, providerauth.ErrAmbiguous):
					got = "unclear"
				case err != nil:
					got = "refused"
				}
				testkit.Equal(t, "outcome", got, tc.want)
				testkit.Equal(t, "out is written", out.OK, tc.want == "success")
			}, withKey)
		})
	}
}

func TestCallWithoutOutWantsDataAllTheSame(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		for body, ok := range map[string]bool{`{"data":{"success":true}}`: true, `{"data":null}`: true, `{}`: false, ``: false, `{"errors":[]}`: false} {
			answering(srv, "", 201, body)
			err := c.Call(t.Context(), http.MethodPost, "/v2/customer/suspend", map[string]string{"id": "1"}, nil)
			if ok != (err == nil) {
				t.Errorf("%s: %v", body, err)
			}
		}
		answering(srv, "", 204, "")
		if err := c.Call(t.Context(), http.MethodPost, "/v2/x", nil, nil); err != nil {
			t.Error(err)
		}
	}, withKey)
}

func TestErrorMadeElsewhereMatchesByItsOwnFields(t *testing.T) {
	e := &merchantauth.Error{Op: "Token", Code: "UNAUTHORIZED", Name: "TokenExpiredError"}
	errorIs(t, e, providerauth.ErrUnauthorized, merchantauth.ErrTokenExpired)
	errorIs(t, &merchantauth.Error{Code: "REFRESH_TOKEN_EXPIRED"}, merchantauth.ErrRefreshTokenExpired)
	errorIs(t, &merchantauth.Error{Err: providerauth.ErrAmbiguous}, providerauth.ErrAmbiguous)
	testkit.Equal(t, "ambiguous", (&merchantauth.Error{Err: providerauth.ErrAmbiguous}).Ambiguous(), true)
}

func TestWaitersOfOneTokenHaveAnErrorEach(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		answering(srv, loginPath, 403, `{"errors":[{"code":"FORBIDDEN","message":"no"}]}`)
		_, first := c.Token(t.Context())
		_, second := c.Token(t.Context())
		a, b := errorIs(t, first), errorIs(t, second)
		text := b.Error()
		a.Op, a.Code, a.Entries[0].Code = "mine", "MINE", "MINE"
		testkit.Equal(t, "text of the other's", b.Error(), text)
		testkit.Equal(t, "entry of the other's", b.Entries[0].Code, "FORBIDDEN")
	})
}

func TestRefusalOfARefreshIsReadHoweverMuchItSays(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		past(token(t, c))
		answering(srv, refreshPath, 200, `{"errors":[{"code":"REFRESH_TOKEN_EXPIRED","message":"`+strings.Repeat("x", 17<<10)+`"}]}`)
		token(t, c)
		costs(t, srv, 2, 1)
	})
}

func TestCallThatMayMoveMoneyIsRepeatedOnlyOn429(t *testing.T) {
	soon := http.Header{"Retry-After": {"1"}}
	for mode, change := range modes {
		for _, tc := range []struct {
			name      string
			fail      func(*merchantauthtest.Server)
			requests  int
			ambiguous bool
		}{
			{"429 that says when", func(s *merchantauthtest.Server) { s.FailNext(1, 429, soon, testkit.Path("/v2/balance")) }, 2, false},
			{"503 that says when", func(s *merchantauthtest.Server) { s.FailNext(1, 503, soon, testkit.Path("/v2/balance")) }, 1, true},
			{"502", func(s *merchantauthtest.Server) { s.FailNext(1, 502, nil, testkit.Path("/v2/balance")) }, 1, true},
			{"reset", func(s *merchantauthtest.Server) { s.Reset(1, testkit.Path("/v2/balance")) }, 1, true},
			{"503 of Kuna", func(s *merchantauthtest.Server) { answering(s, "/v2/balance", 503, `{"errors":[{"code":"X"}]}`) }, 1, true},
		} {
			t.Run(mode+", "+tc.name, func(t *testing.T) {
				bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					balance(srv)
					tc.fail(srv)
					err := ways["Call"](t, srv, c)
					testkit.Equal(t, "requests", srv.Count("/v2/balance"), tc.requests)
					testkit.Equal(t, "succeeds", err == nil, tc.requests == 2)
					testkit.Equal(t, "ambiguous", errors.Is(err, providerauth.ErrAmbiguous), tc.ambiguous)
				}, change...)
			})
		}
	}
}

func TestErrorHasTheRequestIDAndWhenToComeBack(t *testing.T) {
	const id = "0b8e1c7e-7f7c-4c3b-9f57-2f1f2b5b8a11"
	for mode, change := range modes {
		t.Run(mode, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				srv.FailNext(1, 429, http.Header{"Retry-After": {"30"}, "X-Request-Id": {id}}, testkit.Path("/v2/balance"))
				e := errorIs(t, ways["Call"](t, srv, c), providerauth.ErrRateLimited)
				testkit.Equal(t, "request id, retry after, attempts", fmt.Sprint(e.RequestID, " ", e.RetryAfter, e.Attempts), id+" 30s 1")
				testkit.Equal(t, "text", e.Error(), "merchantauth: Call POST /v2/balance: status 429, request id "+id+", retry after 30s: the provider's rate limit is reached")
			}, change...)
		})
	}
}

func TestClient_Contested(t *testing.T) {
	// drained uses up the limiter, and has every call rejected.
	drained := func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		for range 5 {
			c.Invalidate(token(t, c))
		}
		token(t, c)
		srv.StrayCalls(1, 0)
	}
	t.Run("a rejection that stands says when to come back", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			drained(t, srv, c)
			_, err := c.FindCustomers(t.Context(), merchantauth.CustomerQuery{ExternalID: "x"})
			e := errorIs(t, err, providerauth.ErrContested, providerauth.ErrUnauthorized)
			after, ok := e.Retryable()
			testkit.Equal(t, "status, attempts, retry after", fmt.Sprint(e.StatusCode, ", ", e.Attempts, ", ", after, ok), "401, 2, 5s true")
			testkit.Equal(t, "RetryAfter", e.RetryAfter, 5*time.Second)
			testkit.Equal(t, "ambiguous", e.Ambiguous(), false)
			time.Sleep(after)
			srv.StrayCalls(0, 0)
			rates(t, c)
		})
	})
	t.Run("HTTPClient returns the answer", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			drained(t, srv, c)
			for range 10 {
				resp, _ := testkit.Do(t, c.HTTPClient(), testkit.Request(t, http.MethodGet, srv.URL()+"/v2/rate/equivalent", ""))
				testkit.Equal(t, "status", resp.StatusCode, http.StatusUnauthorized)
			}
		})
	})
	t.Run("a token is to be had all the time", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			drained(t, srv, c)
			tok := token(t, c)
			testkit.Equal(t, "dropped", c.Invalidate(tok), false)
			testkit.Equal(t, "the same", token(t, c).Value() == tok.Value(), true)
		})
	})
}

func TestAttemptsAreThoseBeforeAndAfterANewToken(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		answering(srv, "/v2/balance", 401, "")
		e := errorIs(t, ways["Call"](t, srv, c), providerauth.ErrUnauthorized)
		testkit.Equal(t, "attempts", e.Attempts, 2)
		srv.Handle("GET /v2/x", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			merchantauthtest.WriteError(w, 401, "X", "x")
		}))
		srv.FailNext(1, 502, nil, testkit.Path("/v2/x"))
		e = errorIs(t, c.Call(t.Context(), http.MethodGet, "/v2/x", nil, nil))
		testkit.Equal(t, "attempts of a read", fmt.Sprint(e.StatusCode, e.Attempts, srv.Count("/v2/x")), "401 3 3")
	})
}

// A lost refresh leaves open whether its refresh token is spent. The next turn
// of the Client knows what to do about that; a raw Refresh would send it again.
func TestATokenCallWithoutAnAnswerMayBeRepeatedAndARawRefreshNot(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		past(tok)
		srv.LoseAnswers(math.MaxInt, testkit.Path(refreshPath))
		_, err := c.CustomerDetails(t.Context(), "c-1")
		e := errorIs(t, err, providerauth.ErrNotSent)
		if _, ok := e.Retryable(); !ok || e.Ambiguous() {
			t.Errorf("call: retryable %v, ambiguous %v", ok, e.Ambiguous())
		}
		_, err = c.Token(t.Context())
		if _, ok := errorIs(t, err, providerauth.ErrAmbiguous).Retryable(); !ok {
			t.Error("Token is not retryable")
		}
		_, err = c.Refresh(t.Context(), tok)
		if _, ok := errorIs(t, err, providerauth.ErrAmbiguous).Retryable(); ok {
			t.Error("Refresh is retryable")
		}
	})
}

func TestError_longAnswers(t *testing.T) {
	list := `{"errors":[` + strings.Repeat("1,", 520_000) + `1]}`
	text := `{"errors":[{"code":"` + strings.Repeat("C", 1000) + `","message":[` + strings.TrimSuffix(strings.Repeat(`"`+strings.Repeat("m", 200)+`",`, 4000), ",") + `]}]}`
	for name, tc := range map[string]struct {
		body string
		want string // entries, code, message, raw
	}{
		"many errors": {list, "16 0 1 1"},
		"long texts":  {text, "1 128 1024 0"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				answering(srv, loginPath, 200, tc.body)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := c.Token(t.Context())
				runtime.ReadMemStats(&after)
				e := errorIs(t, err)
				testkit.Equal(t, "entries, code, message, raw", fmt.Sprint(len(e.Entries), len(e.Code), len(e.Message), len(e.Entries[0].Raw)), tc.want)
				if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
					t.Errorf("%d bytes were allocated for an answer of %d", n, len(tc.body))
				}
			})
		})
	}
}

func TestError_Retryable(t *testing.T) {
	const transferPath = "/v2/transfer"
	for mode, change := range modes {
		for _, status := range []int{408, 500, 502, 503} {
			t.Run(fmt.Sprint("a caller who repeats while it is ok acts once, answered errors under ", status, ", ", mode), func(t *testing.T) {
				bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					transfers := 0
					srv.Handle("POST "+transferPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						transfers++
						merchantauthtest.WriteData(w, 201, map[string]string{"id": "t-1"})
					}))
					soon := http.Header{"Retry-After": {"1"}}
					srv.FailActed(3, status, soon, testkit.Path(transferPath))
					errorIs(t, testkit.Repeat(func(int) error {
						return c.Call(t.Context(), "POST", transferPath, map[string]string{"amount": "5"}, nil)
					}), providerauth.ErrAmbiguous)
					testkit.Equal(t, "transfers", transfers, 1)

					srv.FailActed(3, status, soon, testkit.Path(createPath))
					errorIs(t, testkit.Repeat(func(int) error {
						_, err := c.CreateCustomer(t.Context(), alex())
						return err
					}), providerauth.ErrAmbiguous)
					testkit.Equal(t, "customers", srv.Customers(), 1)
					testkit.Equal(t, "creations that Kuna was asked for", srv.Count(createPath), 1)
				}, change...)
			})
		}
	}
}
