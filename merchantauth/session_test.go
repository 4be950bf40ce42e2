package merchantauth_test

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestLoginAndRefreshSendWhatKunasPageShows(t *testing.T) {
	bubble(t, merchantauthtest.Options{Email: "a&b@c.example", Password: "p<a>ss"}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		first := token(t, c)
		testkit.Equal(t, "login", lastBody(t, srv, loginPath), `{"token":"a&b@c.example","password":"p<a>ss"}`)
		past(first)
		rates(t, c)
		testkit.Equal(t, "refresh", lastBody(t, srv, refreshPath), `{"refreshToken":"`+first.RefreshToken()+`"}`)
		costs(t, srv, 1, 1)
		for _, r := range srv.Requests() {
			h := r.Header
			auth := r.URL.Path == loginPath || r.URL.Path == refreshPath
			testkit.Equal(t, r.URL.Path+": merchant_id", len(h["Merchant_id"]) == 1, auth)
			testkit.Equal(t, r.URL.Path+": Authorization", len(h["Authorization"]) == 1, !auth)
			testkit.Equal(t, r.URL.Path+": Api-Key", len(h["Api-Key"]), 0)
			testkit.Equal(t, r.URL.Path+": accept", h.Get("Accept"), "application/json")
		}
	})
}

func TestOneLoginServesAllCallers(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.Delay(50 * time.Millisecond)
		testkit.Crowd(100, func(int) { rates(t, c) })
		costs(t, srv, 1, 0)
	})
}

func TestFiftyCallersOnAnExpiredTokenCostExactlyOneRefresh(t *testing.T) {
	for name, call := range map[string]func(*testing.T, *merchantauth.Client){
		"Token": func(t *testing.T, c *merchantauth.Client) { token(t, c) },
		"Call":  rates,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				past(token(t, c))
				srv.Delay(50 * time.Millisecond)
				testkit.Crowd(50, func(int) { call(t, c) })
				costs(t, srv, 1, 1)
			})
		})
	}
}

// Every way in which Kuna can answer that the refresh token is no good, with
// codes that nobody has documented, under every status.
func TestRefusedRefreshCostsExactlyOneLoginWhateverTheCode(t *testing.T) {
	const expired = `{"errors":[{"code":"REFRESH_TOKEN_EXPIRED","message":"Invalid token"}]}`
	const unknown = `{"errors":[{"code":"SESSION_REVOKED_42","message":{"name":"X"}}]}`
	for body, statuses := range map[string][]int{
		expired:                              {200, 201, 400, 401, 408, 425, 429, 500, 503},
		unknown:                              {200, 201, 302, 400, 401, 403, 404, 409, 422},
		`{"errors":{"code":"UNAUTHORIZED"}}`: {200, 401},
		`{"errors":[null]}`:                  {200},
		`{"data":{"accessToken":"x"},"errors":[{}]}`: {200},
		``:                       {401},
		`<html>Forbidden</html>`: {403},
		`{"data":{}}`:            {404},
		// An answer with another refresh token has replaced the old one, even
		// if there is nothing else in it.
		`{"data":{"refreshToken":"another"}}`: {200},
	} {
		for _, status := range statuses {
			t.Run(fmt.Sprint(status, body), func(t *testing.T) {
				bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					past(token(t, c))
					answering(srv, refreshPath, status, body)
					testkit.Crowd(20, func(int) { rates(t, c) })
					costs(t, srv, 2, 1)
					srv.Intercept(nil)
					past(token(t, c)) // and the new session is refreshed as any other
					rates(t, c)
					costs(t, srv, 2, 2)
				})
			})
		}
	}
}

func TestRefreshTokenThatTheProviderNoLongerKnowsCostsOneLogin(t *testing.T) {
	for name, opt := range map[string]merchantauthtest.Options{
		"refused with 401":         {},
		"refused with 200":         {ErrorStatus: 200, RefusalCode: "WHO_ARE_YOU"},
		"no longer on the records": {ErrorStatus: 404, Status: 201},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, opt, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				past(token(t, c))
				srv.RevokeSessions()
				rates(t, c)
				costs(t, srv, 2, 1)
				testkit.Equal(t, "logins that were granted", srv.Logins(), 2)
			})
		})
	}
}

func TestExpiredRefreshTokenIsNotSentAndCostsOneLogin(t *testing.T) {
	for name, opt := range map[string]merchantauthtest.Options{
		"by its exp":   {RefreshLifetime: time.Hour},
		"by two days":  {OpaqueRefresh: true},
		"non-rotating": {Refresh: merchantauthtest.RefreshRepeats},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, opt, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				tok := token(t, c)
				time.Sleep(time.Until(tok.RefreshExpiresAt) + time.Second)
				rates(t, c)
				costs(t, srv, 2, 0)
			})
		})
	}
}

// What is not a refusal of the refresh token never leads to a login in the same
// turn: the old access token is used, and the next turn refreshes.
func TestOtherFailuresOfARefreshCostNoLogin(t *testing.T) {
	const refusal = `{"errors":[{"code":"TRY_LATER","message":"x"}]}`
	for name, tc := range map[string]struct {
		fail      func(*merchantauthtest.Server)
		refreshes int // that have failed when the next one succeeds
	}{
		"429":                    {func(s *merchantauthtest.Server) { answering(s, refreshPath, 429, refusal) }, 1},
		"425":                    {func(s *merchantauthtest.Server) { answering(s, refreshPath, 425, refusal) }, 1},
		"408 of Kuna":            {func(s *merchantauthtest.Server) { answering(s, refreshPath, 408, refusal) }, 1},
		"500 of Kuna":            {func(s *merchantauthtest.Server) { answering(s, refreshPath, 500, refusal) }, 1},
		"503 of Kuna":            {func(s *merchantauthtest.Server) { answering(s, refreshPath, 503, refusal) }, 1},
		"a redirect":             {func(s *merchantauthtest.Server) { answering(s, refreshPath, 302, "") }, 1},
		"502 of a gateway, once": {func(s *merchantauthtest.Server) { s.FailNext(1, 502, nil, testkit.Path(refreshPath)) }, 1},
		"reset before it acted":  {func(s *merchantauthtest.Server) { s.Reset(1, testkit.Path(refreshPath)) }, 1},
		"no JSON, once":          {func(s *merchantauthtest.Server) { s.FailNext(1, 200, nil, testkit.Path(refreshPath)) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				first := token(t, c)
				intoWindow(first)
				tc.fail(srv)
				testkit.Equal(t, "token during the failure", token(t, c).ID(), first.ID())
				synctest.Wait()
				srv.Intercept(nil)
				time.Sleep(time.Second) // the first back-off is 250 ms at most
				token(t, c)
				synctest.Wait()
				if token(t, c).ID() == first.ID() {
					t.Error("not refreshed")
				}
				costs(t, srv, 1, tc.refreshes+1)
			})
		})
	}
}

func TestUnusableAnswersToARefreshAreAskedForOnceMore(t *testing.T) {
	for _, body := range []string{
		``, `{`, `<html>`, `[]`, `null`, `{}`, `{"data":null}`, `{"data":[]}`, `{"data":{}}`, `{"data":"x"}`,
		`{"data":{"expiresIn":1707241515}}`,
		`{"data":{"accessToken":"opaque"}}`,
		`{"data":{"accessToken":"no good","expiresIn":946700000}}`,
		`{"data":{"accessToken":"ok","expiresIn":946700000,"refreshToken":5}}`,
		`{"data":{"accessToken":null,"refreshToken":null,"expiresIn":null}}`,
		`{"errors":[]}`,
	} {
		t.Run(body, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				first := token(t, c)
				intoWindow(first)
				answering(srv, refreshPath, 200, body)
				token(t, c)
				synctest.Wait()
				now := token(t, c)
				testkit.Equal(t, "access token", now.ID(), first.ID())
				testkit.Equal(t, "refresh token", now.RefreshToken(), first.RefreshToken())
				costs(t, srv, 1, 2)
				testkit.Equal(t, "the second one", lastBody(t, srv, refreshPath), `{"refreshToken":"`+first.RefreshToken()+`"}`)
			})
		})
	}
}

func TestLostRefreshIsSentOnceMoreAndThenReplacedByALogin(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		past(token(t, c))
		srv.LoseAnswers(1, testkit.Path(refreshPath)) // acted: the refresh token is dead
		rates(t, c)
		costs(t, srv, 2, 2) // the second refresh was refused

		past(token(t, c))
		srv.LoseAnswers(math.MaxInt, testkit.Path(refreshPath))
		_, err := c.Token(t.Context())
		errorIs(t, err, providerauth.ErrAmbiguous)
		costs(t, srv, 2, 4)
		time.Sleep(time.Second)
		rates(t, c)
		costs(t, srv, 3, 4)
		testkit.Equal(t, "replays", srv.Replays(), 0)
	})
}

func TestADayOfCallsCostsOneLogin(t *testing.T) {
	for name, mode := range map[string]merchantauthtest.RefreshMode{
		"rotating":  merchantauthtest.RefreshRotates,
		"repeating": merchantauthtest.RefreshRepeats,
		"omitting":  merchantauthtest.RefreshOmits,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{Refresh: mode}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				first := token(t, c)
				for range 24 * 60 {
					rates(t, c)
					time.Sleep(time.Minute)
				}
				testkit.Equal(t, "logins asked for", srv.Count(loginPath), 1)
				// A token is refreshed when 16 to 24 % of its 30 minutes are left.
				if n := srv.Count(refreshPath); n < 24*60/26 || n > 24*60/22 {
					t.Errorf("%d refreshes in a day, want 55 to 65", n)
				}
				testkit.Equal(t, "same refresh token", token(t, c).RefreshToken() == first.RefreshToken(), mode != merchantauthtest.RefreshRotates)
				testkit.Equal(t, "same expiry of it", token(t, c).RefreshExpiresAt.Equal(first.RefreshExpiresAt), mode != merchantauthtest.RefreshRotates)
				testkit.Equal(t, "replays", srv.Replays(), 0)
				testkit.Equal(t, "rejected", c.Stats().Invalidations, 0)
			})
		})
	}
}

func TestRepeatedOpaqueRefreshTokenKeepsItsOwnExpiry(t *testing.T) {
	bubble(t, merchantauthtest.Options{Refresh: merchantauthtest.RefreshRepeats, OpaqueRefresh: true}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		first := token(t, c)
		testkit.Equal(t, "life", time.Until(first.RefreshExpiresAt).Round(time.Second), 48*time.Hour)
		past(first)
		testkit.Equal(t, "expiry after a refresh", token(t, c).RefreshExpiresAt, first.RefreshExpiresAt)
		costs(t, srv, 1, 1)
	})
}

func TestSessionWithoutARefreshTokenLogsInAgain(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		answering(srv, loginPath, 200, fmt.Sprintf(`{"data":{"accessToken":"opaque","expiresIn":%d}}`, time.Now().Unix()+1800))
		tok := token(t, c)
		testkit.Equal(t, "refresh token", tok.RefreshToken(), "")
		testkit.Equal(t, "its expiry", tok.RefreshExpiresAt, time.Time{})
		srv.Intercept(nil)
		past(tok)
		rates(t, c)
		costs(t, srv, 2, 0)
	})
}

// A password that is wrong is tried at most twice a minute, whatever the number
// of callers, until it changes.
func TestRefusedLoginWaitsTheLongestBackOffOrForAnotherPassword(t *testing.T) {
	for name, opt := range map[string]merchantauthtest.Options{
		"401": {}, "200": {ErrorStatus: 200}, "404": {ErrorStatus: 404},
	} {
		t.Run(name, func(t *testing.T) {
			password := testkit.NewVault("wrong")
			bubble(t, opt, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				for range 600 {
					_, err := c.Token(t.Context())
					e := errorIs(t, err)
					if _, ok := e.Retryable(); ok || e.Ambiguous() {
						t.Fatalf("retryable or ambiguous: %v", e)
					}
					time.Sleep(100 * time.Millisecond)
				}
				if n := srv.Count(loginPath); n < 1 || n > 2 {
					t.Errorf("%d logins in a minute, want 1 or 2", n)
				}
				before := srv.Count(loginPath)
				password.Store("password-1")
				start := time.Now()
				for {
					if _, err := c.Token(t.Context()); err == nil {
						break
					}
					time.Sleep(100 * time.Millisecond)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("the new password was tried after %v, want at most 2 s", took)
				}
				testkit.Equal(t, "logins", srv.Count(loginPath)-before, 1)
			}, func(cfg *merchantauth.Config) {
				cfg.Password = password.Get
			})
		})
	}
}

func TestRefusedLoginNamesTheProxyThatMayHaveDroppedTheHeader(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		_, err := c.Token(t.Context())
		e := errorIs(t, err)
		testkit.Equal(t, "text", e.Error(), "merchantauth: Login: status 401, code INVALID_CREDENTIALS: the e-mail, the password or the merchant id is not accepted, "+
			"or a proxy on the way dropped the header merchant_id (nginx does, unless underscores_in_headers is on)")
	}, func(cfg *merchantauth.Config) { cfg.Password = providerauth.StaticSecret("wrong") })
}

func TestOtherFailuresOfALoginAreTriedAgainSoon(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.FailNext(3, 503, nil) // the three attempts of the first turn
		_, err := c.Token(t.Context())
		e := errorIs(t, err)
		if _, ok := e.Retryable(); !ok {
			t.Errorf("not retryable: %v", e)
		}
		time.Sleep(250 * time.Millisecond)
		token(t, c)
		costs(t, srv, 4, 0)
	})
}

func TestPasswordIsAskedForOncePerLogin(t *testing.T) {
	password := testkit.NewVault("password-1")
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, _ *merchantauthtest.Server, c *merchantauth.Client) {
		for range 10 {
			past(token(t, c)) // nine refreshes
			rates(t, c)
		}
		testkit.Equal(t, "calls", password.Asked(), 1)
	}, func(cfg *merchantauth.Config) { cfg.Password = password.Get })
}

func TestInvalidatedTokenIsRefreshedNotLoggedInFor(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		testkit.Equal(t, "current", c.Invalidate(tok), true)
		testkit.Equal(t, "again", c.Invalidate(tok), false)
		if token(t, c).ID() == tok.ID() {
			t.Error("the invalidated token is back")
		}
		costs(t, srv, 1, 1)
	})
}

func TestRefreshThatBringsTheRejectedTokenAgainCostsALoginIfItSpentTheRefreshToken(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		answering(srv, refreshPath, 200, fmt.Sprintf(`{"data":{"accessToken":%q,"expiresIn":%d,"refreshToken":"another"}}`, tok.Value(), tok.ExpiresAt.Unix()))
		c.Invalidate(tok)
		rates(t, c)
		costs(t, srv, 2, 1)
	})
}

func TestSkewedClockDoesNotShortenTheSession(t *testing.T) {
	for _, offset := range []time.Duration{-3 * 24 * time.Hour, 3 * 24 * time.Hour} {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			srv.SetClockOffset(offset)
			tok := token(t, c)
			if left := time.Until(tok.ExpiresAt); left < 29*time.Minute || left > 31*time.Minute {
				t.Errorf("the token is said to live %v, want 30 minutes", left)
			}
			if left := time.Until(tok.RefreshExpiresAt); left < 47*time.Hour || left > 49*time.Hour {
				t.Errorf("the refresh token is said to live %v, want 2 days", left)
			}
			past(tok)
			rates(t, c)
			costs(t, srv, 1, 1)
		})
	}
}

func TestKeepWarmRefreshesWithoutACaller(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		token(t, c)
		time.Sleep(5 * time.Hour)
		testkit.Equal(t, "logins", srv.Count(loginPath), 1)
		if n := srv.Count(refreshPath); n < 10 || n > 14 {
			t.Errorf("%d refreshes in five hours, want 10 to 14", n)
		}
	}, func(cfg *merchantauth.Config) { cfg.KeepWarm = true })
}

func TestRefreshBeforeSaysWhenToRefresh(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		for _, left := range []time.Duration{11*time.Minute + time.Second, 10 * time.Minute} {
			costs(t, srv, 1, 0)
			time.Sleep(time.Until(tok.ExpiresAt) - left)
			token(t, c)
			synctest.Wait()
		}
		costs(t, srv, 1, 1)
	}, func(cfg *merchantauth.Config) { cfg.RefreshBefore = 10 * time.Minute })
}

func TestPanicOfALoginIsLoggedWithoutItsValue(t *testing.T) {
	logger, log := testkit.Log()
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, _ *merchantauthtest.Server, c *merchantauth.Client) {
		_, err := c.Token(t.Context())
		errorIs(t, err, providerauth.ErrAmbiguous)
		testkit.Contains(t, log.String(), "level=ERROR", "a token retrieval panicked")
		testkit.Equal(t, "secret in the log", testkit.Leak(log.String(), "password-1"), "")
	}, func(cfg *merchantauth.Config) {
		cfg.Logger = logger
		cfg.HTTPClient = &http.Client{Transport: testkit.RoundTrip(func(*http.Request) (*http.Response, error) { panic("password-1") })}
	})
}

func TestClient_Token_changedPassword(t *testing.T) {
	secret := testkit.NewVault("right")
	bubble(t, merchantauthtest.Options{Password: "right"}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		time.Sleep(time.Until(token(t, c).RefreshExpiresAt) + time.Second)
		testkit.ChangedSecret(t, secret, func() error { _, err := c.Token(t.Context()); return err }, func() int { return srv.Count(loginPath) })
	}, func(cfg *merchantauth.Config) { cfg.Password = secret.Get })
}
