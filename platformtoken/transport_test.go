package platformtoken_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

func TestTransportSignsWithoutATokenAndTransportForWithOne(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		status, _ := do(t, c.HTTPClient(), srv, "/game/enter", `{"tenantId":1,"userId":"u","gameId":7}`)
		testkit.Equal(t, "status", status, 200)
		testkit.Equal(t, "tokens", srv.Count(createToken), 0)
		status, body := do(t, c.HTTPClientFor(brl), srv, getBalance, `{"userId":"t1_225478"}`)
		testkit.Equal(t, "answer", fmt.Sprint(status, body), `200{"isSuccess":true,"code":0,"data":{"balance":0,"currency":"BRL"}}`)
	})
}

func TestTransportLeavesTheCallersRequestAsItWas(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		body := strings.NewReader(`{"userId":"t1_225478"}`)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+getBalance, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"X-Own": {"1"}}
		resp, err := c.TransportFor(brl, nil).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		testkit.Equal(t, "header", r.Header, http.Header{"X-Own": {"1"}})
		got, _ := last(t, srv)
		testkit.Equal(t, "own header", got.Header.Get("X-Own"), "1")
	})
}

func TestBodyThatCannotBeRewoundIsReplayedAllTheSame(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		srv.OutsideCreate(brl.UserID)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+getBalance, io.LimitReader(strings.NewReader(`{"userId":"t1_225478"}`), 100))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.HTTPClientFor(brl).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		testkit.Equal(t, "status", resp.StatusCode, 200)
		testkit.Equal(t, "requests", srv.Count(getBalance), 2)
	})
}

type closing struct {
	io.Reader
	closed *bool
}

func (c closing) Close() error { *c.closed = true; return nil }

func TestBodyThatCannotBeSignedIsNotSent(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, tc := range map[string]struct {
		body   func() io.Reader
		length int64
		want   error
	}{
		"too large":            {func() io.Reader { return bytes.NewReader(make([]byte, 1<<20+1)) }, -1, providerauth.ErrInvalidRequest},
		"said to be too large": {func() io.Reader { return strings.NewReader("x") }, 1<<20 + 1, providerauth.ErrInvalidRequest},
		"too short":            {func() io.Reader { return strings.NewReader("x") }, 2, providerauth.ErrInvalidRequest},
		"too long":             {func() io.Reader { return strings.NewReader("xyz") }, 2, providerauth.ErrInvalidRequest},
		"broken":               {func() io.Reader { return errReader{broken} }, -1, broken},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				for _, rt := range []http.RoundTripper{c.Transport(nil), c.TransportFor(brl, nil)} {
					closed := false
					r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+getBalance, closing{tc.body(), &closed})
					if err != nil {
						t.Fatal(err)
					}
					r.ContentLength = tc.length
					_, err = rt.RoundTrip(r)
					e := errorIs(t, err, tc.want, providerauth.ErrNotSent)
					testkit.Equal(t, "op", e.Op, "Transport")
					testkit.Equal(t, "ambiguous", e.Ambiguous(), false)
					testkit.Equal(t, "the body is closed", closed, true)
					if strings.Contains(fmt.Sprint(err), "fire") {
						t.Errorf("what the body says is printed: %v", err)
					}
				}
				testkit.Equal(t, "requests", len(srv.Requests()), 0)
			})
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestLargestBodyIsSent(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		status, _ := do(t, c.HTTPClient(), srv, "/game/getRecords", strings.Repeat(" ", 1<<20))
		testkit.Equal(t, "status", status, 200)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+"/game/getRecords", io.MultiReader())
		if err != nil {
			t.Fatal(err)
		}
		resp, _ := testkit.Do(t, c.HTTPClient(), r)
		testkit.Equal(t, "status without a body", resp.StatusCode, 200)
	})
}

func TestOtherOriginsGetNothing(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		for _, target := range []string{"https://127.0.0.1:1/base/x", "http://127.0.0.1:2/base/x", "http://evil.example.com:1/base/x"} {
			for _, hc := range []*http.Client{c.HTTPClient(), c.HTTPClientFor(brl)} {
				_, err := hc.Post(target, "application/json", strings.NewReader("{}"))
				e := errorIs(t, err, providerauth.ErrNotSent, providerauth.ErrInvalidRequest)
				testkit.Equal(t, "op", e.Op, "Transport")
				testkit.Equal(t, "field", e.Fields["URL"] != "", true)
			}
		}
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		to := http.Header{"Location": {"/base/elsewhere"}}
		srv.FailNext(3, http.StatusTemporaryRedirect, to)
		for _, hc := range []*http.Client{c.HTTPClient(), c.HTTPClientFor(brl)} {
			status, _ := do(t, hc, srv, getBalance, `{}`)
			testkit.Equal(t, "status", status, 307)
		}
		_, err := c.Balance(t.Context(), brl)
		testkit.Equal(t, "status", errorIs(t, err, providerauth.ErrBadResponse).StatusCode, 307)
		testkit.Equal(t, "requests elsewhere", srv.Count("/elsewhere"), 0)
	})
}

func TestRejectedIsAskedByPathStatusAndCode(t *testing.T) {
	var asked []string
	bubble(t, platformtokentest.Options{FailuresInOK: true}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		srv.OutsideCreate(brl.UserID)
		status, body := do(t, c.HTTPClientFor(brl), srv, getBalance, `{"userId":"t1_225478"}`)
		testkit.Equal(t, "answer", fmt.Sprint(status, body), `200{"isSuccess":false,"code":9004,"message":"The token is missing, dead or expired"}`)
		_, err := c.Balance(t.Context(), brl)
		testkit.Equal(t, "code", errorIs(t, err).Code, platformtokentest.CodeToken)
		if err := c.CallFor(t.Context(), brl, http.MethodPost, "player/getBalance?x=1", nil, nil); err == nil {
			t.Error("no error")
		}
		token(t, c, brl)
		tok := token(t, c, brl)
		c.Invalidate(tok)
		balance(t, c, brl) // is not asked about
		testkit.Equal(t, "asked", asked, []string{"/player/getBalance 200 9004", "/player/getBalance 200 9004", "/player/getBalance 200 9004"})
	}, func(cfg *platformtoken.Config) {
		cfg.Rejected = func(path string, status, code int) bool {
			asked = append(asked, fmt.Sprint(path, " ", status, " ", code))
			return false
		}
	})
}

func TestPathOutsideTheBaseURLIsShownWhole(t *testing.T) {
	var asked string
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		testkit.Do(t, c.HTTPClientFor(brl), testkit.Request(t, http.MethodPost, "http://127.0.0.1:1/based/x", "{}"))
		testkit.Equal(t, "asked", asked, "/based/x 404 0")
	}, func(cfg *platformtoken.Config) {
		cfg.Rejected = func(path string, status, code int) bool {
			asked = fmt.Sprint(path, " ", status, " ", code)
			return false
		}
	})
}

func TestAnswersPassThroughTransportUnchanged(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		long := strings.Repeat("x", 100<<10) // more than is peeked at
		for _, body := range []string{"", "<html>", `{"isSuccess":false,"code":7}`, `{"isSuccess":true,"code":0,"data":"` + long + `"}`} {
			answering(srv, 200, body)
			_, got := do(t, c.HTTPClientFor(brl), srv, getBalance, "{}")
			if got != body {
				t.Errorf("got %d bytes, want %d", len(got), len(body))
			}
		}
	}, func(cfg *platformtoken.Config) { cfg.Rejected = func(_ string, _, code int) bool { return code == 99 } })
}

func TestRejectionThatANewTokenDoesNotCureGoesToTheCaller(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		srv.FailNext(3, http.StatusUnauthorized, nil, testkit.Path(getBalance))
		_, err := c.Balance(t.Context(), brl)
		e := errorIs(t, err, providerauth.ErrUnauthorized)
		testkit.Equal(t, "attempts", e.Attempts, 2)
		_, err = c.Balance(t.Context(), brl) // passed on at once, for a second
		testkit.Equal(t, "attempts", errorIs(t, err).Attempts, 1)
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 2)
		status, _ := do(t, c.HTTPClientFor(brl), srv, getStatus, `{"recordId":"r"}`)
		testkit.Equal(t, "status of another path", status, 404)
	})
}

func TestRejectionInsideA200IsErrUnauthorizedToo(t *testing.T) {
	bubble(t, platformtokentest.Options{FailuresInOK: true}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		srv.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("Authorization", "Bearer another")
				if r.URL.Path == createToken {
					r.Header.Del("Authorization")
				}
				next.ServeHTTP(w, r)
			})
		})
		_, err := c.Balance(t.Context(), brl)
		e := errorIs(t, err, providerauth.ErrUnauthorized)
		testkit.Equal(t, "status, code, attempts", fmt.Sprint(e.StatusCode, " ", e.Code, " ", e.Attempts), "200 9004 2")
	})
}

func TestFailureOfThePlatformDoesNotEndTheDamper(t *testing.T) {
	for name, call := range map[string]func(context.Context, *platformtoken.Client) error{
		"Balance": func(ctx context.Context, c *platformtoken.Client) error { _, err := c.Balance(ctx, brl); return err },
		"CallFor": func(ctx context.Context, c *platformtoken.Client) error {
			return c.CallFor(ctx, brl, http.MethodPost, getBalance, map[string]string{"userId": brl.UserID}, nil)
		},
	} {
		for _, body := range []string{"", `{"isSuccess":false,"code":7}`} {
			t.Run(name+body, func(t *testing.T) {
				bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
					token(t, c, brl)
					srv.FailNext(2, http.StatusUnauthorized, nil, testkit.Path(getBalance))
					testkit.Equal(t, "attempts", errorIs(t, call(t.Context(), c)).Attempts, 2)
					answering(srv, http.StatusInternalServerError, body)
					testkit.Equal(t, "status", errorIs(t, call(t.Context(), c)).StatusCode, 500)
					srv.Intercept(nil)
					srv.FailNext(1, http.StatusUnauthorized, nil, testkit.Path(getBalance))
					testkit.Equal(t, "attempts within the pause", errorIs(t, call(t.Context(), c), providerauth.ErrUnauthorized).Attempts, 1)
					testkit.Equal(t, "tokens", srv.Created(brl.UserID), 2)
				}, func(cfg *platformtoken.Config) { cfg.MaxAttempts = 1 })
			})
		}
	}
}

func TestTransportAndCallsShareTheDamper(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		srv.FailNext(4, http.StatusUnauthorized, nil, testkit.Path(getBalance))
		_, err := c.Balance(t.Context(), brl)
		errorIs(t, err, providerauth.ErrUnauthorized)
		status, _ := do(t, c.HTTPClientFor(brl), srv, getBalance, `{}`)
		testkit.Equal(t, "status", status, 401)
		if err := c.CallFor(t.Context(), brl, "POST", "player/getBalance", nil, nil); err == nil {
			t.Error("no error")
		}
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 2)
	})
}

func TestFirstAnswerStandsIfTheReplayCannotBeSigned(t *testing.T) {
	n := 0
	for name, call := range map[string]func(*testing.T, *platformtokentest.Server, *platformtoken.Client){
		"Balance": func(t *testing.T, _ *platformtokentest.Server, c *platformtoken.Client) {
			_, err := c.Balance(t.Context(), brl)
			testkit.Equal(t, "status", errorIs(t, err, providerauth.ErrUnauthorized).StatusCode, 401)
		},
		"HTTPClientFor": func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			status, body := do(t, c.HTTPClientFor(brl), srv, getBalance, `{"userId":"t1_225478"}`)
			testkit.Equal(t, "status", status, 401)
			testkit.Equal(t, "the body is whole", strings.Contains(body, "9004"), true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n = 0
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				token(t, c, brl)
				srv.OutsideCreate(brl.UserID)
				call(t, srv, c)
			}, func(cfg *platformtoken.Config) {
				secret := cfg.Secret
				cfg.Secret = func(ctx context.Context) (string, error) {
					if n++; n == 4 { // first token, call, second token, replay
						return "", errors.New("sealed")
					}
					return secret(ctx)
				}
			})
		})
	}
}

func TestBaseMayLeaveOutWhatNetHTTPDoesNot(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		base := func(resp *http.Response, err error) http.RoundTripper {
			return tap(func(*http.Request, http.RoundTripper) (*http.Response, error) { return resp, err }).through(nil)
		}
		post := func(rt http.RoundTripper) (*http.Response, error) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+getBalance, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			return rt.RoundTrip(r)
		}
		if _, err := post(c.TransportFor(brl, base(nil, nil))); err == nil {
			t.Error("no error without an answer")
		}
		broken := errors.New("broken")
		if _, err := post(c.TransportFor(brl, base(nil, broken))); err != broken {
			t.Errorf("got %v, want the base's error as it is", err)
		}
		resp, err := post(c.TransportFor(brl, base(&http.Response{StatusCode: 401}, nil)))
		if err != nil || resp.StatusCode != 401 || resp.Body == nil {
			t.Errorf("got %v, %v", resp, err)
		}
	}, func(cfg *platformtoken.Config) {
		cfg.Rejected = func(path string, status, _ int) bool { return path == getBalance && status == 401 }
	})
}

func TestLostAnswersOfTransportAreTheBasesErrors(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		srv.LoseAnswers(1)
		_, err := c.HTTPClientFor(brl).Post(srv.URL()+getBalance, "application/json", strings.NewReader("{}"))
		var e *platformtoken.Error
		if err == nil || errors.As(err, &e) {
			t.Errorf("got %v, want an error that is not ours", err)
		}
		testkit.Equal(t, "requests", srv.Count(getBalance), 1)
	})
}

func TestTimeoutOfTheOperatorsClientIsKept(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		testkit.Equal(t, "timeout", c.HTTPClient().Timeout, 3*time.Second)
		srv.Delay(time.Minute)
		start := time.Now()
		_, err := c.EnterGame(t.Context(), platformtoken.EnterGameRequest{UserID: "u", GameID: 1})
		errorIs(t, err, providerauth.ErrAmbiguous)
		testkit.Equal(t, "took", time.Since(start), 3*time.Second)
	}, func(cfg *platformtoken.Config) {
		hc := *cfg.HTTPClient
		hc.Timeout = 3 * time.Second
		cfg.HTTPClient = &hc
	})
}
