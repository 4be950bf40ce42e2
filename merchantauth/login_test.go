package merchantauth_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// A refusal is explained by the password. An answer that nobody could read is not
// a refusal.
func TestClient_Login_unreadableAnswer(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"longer than is read": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) },
		"no gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("this is no gzip at all"))
		},
	} {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			srv.Intercept(func(http.Handler) http.Handler { return answer })
			_, err := c.Login(t.Context())
			if _, ok := errorIs(t, err).Retryable(); !ok || strings.Contains(err.Error(), "not accepted") {
				t.Errorf("%s: retryable %v: %v", name, ok, err)
			}
		})
	}
}

// The tokens of the sample on Kuna's page, issued at 1707239715 for 30 minutes
// and for 2 days.
const (
	sampleAccess = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6Ijc4YTEyNjQ0LWExMjMtNGMyYi04ZTJmLTIyNWY1NGUyMGI4NCIsImV" +
		"tYWlsIjoib3duZXJAYWRtaW4uY29tIiwicm9sZSI6Ik93bmVyIiwidXNlcm5hbWUiOiJTRUVEX0lOU1RJVFVUSU9OX09XTkVSX1B" +
		"ST0ZJTEUiLCJ0IjoidSIsIm1lcmNoYW50SWQiOiJiMzQ1NTViNy1kY2E0LTVlYzEtYWRlMy02NGEzYWQ1NDUzMTAiLCJpbnN0aXR" +
		"1dGlvbiI6eyJpZCI6ImEyNjliYjI1LTk4OTgtNDJiNy1hYTkyLWMwZTdjMWE4ZjQ5MyIsInRpdGxlIjoiQ29vbCBDb21wYW55Iiw" +
		"iZ3JvdXBzIjpbeyJpZCI6ImJhbmsyX2V4Y2hhbmdlIiwidHlwZSI6IkV4Y2hhbmdlIn0seyJpZCI6ImJhbmsyX2RlcG9zaXQiLCJ" +
		"0eXBlIjoiRGVwb3NpdCJ9LHsiaWQiOiJiYW5rMl90cmFuc2ZlciIsInR5cGUiOiJUcmFuc2ZlciJ9LHsiaWQiOiJiYW5rMl93aXR" +
		"oZHJhdyIsInR5cGUiOiJXaXRoZHJhdyJ9XX0sImZpbmdlcnByaW50IjoiZDdiNjA4ZWU2MzA0OTFmMDExOTA4ZWY5M2Y1OGQxNDY" +
		"iLCJqd3RJZCI6ImExNmRkMDQ5LTA4YjgtNDU5Ny04ZGFhLTMyN2ZkNzVkNWNlOSIsImlhdCI6MTcwNzIzOTcxNSwiZXhwIjoxNzA" +
		"3MjQxNTE1fQ.Dupd5VERjXgxAw7KV0gBYAU60kVY0tEWqAARNvJVcNLznIPwZyx2OaO1N2mk3rR7F5YBljIJikR5PPTfZh9YvKIg" +
		"rhbvq2MUvrtlRBc-Qhnk2VjsFwkckTthxizR-" +
		"f608iwL1DuyFrj5kh_rMvJQsp6WKQC2xkFnq77ZflLFv6wCuhBwgrMFjRFBHZiAs2xe2s7cJzUMt0uRHOzCxnA0PxjSV9e3Fu1Og" +
		"e6AB_Wv3mCxYVALUVnkVrny9DiixTnOJy6us_4xC3y5_MT5XpEM2psRUIMb4n5FwgFNH4ykxK5v-" +
		"QPGUOQd3cKl6q7F38uf7AAZlbrcjyRvK9GjIEC-dA"
	sampleRefresh = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6Ijc4YTEyNjQ0LWExMjMtNGMyYi04ZTJmLTIyNWY1NGUyMGI4NCIsImZ" +
		"pbmdlcnByaW50IjoiZDdiNjA4ZWU2MzA0OTFmMDExOTA4ZWY5M2Y1OGQxNDYiLCJzZXNzaW9uQ3JlYXRlZEF0IjoxNzA3MjM5NzE" +
		"1MjEwLCJpYXQiOjE3MDcyMzk3MTUsImV4cCI6MTcwNzQxMjUxNX0.asihxWFNtEEk2TcJRLO5OhLRnHU4IHpFyOkAtKnsS0PkBUM" +
		"4p_jFX_PSLu9oSBQxYi9zu3vMOFdKHbIT9BEPKdXoIiKF0Pr6KS6IztgU0fP1L8qdgWo0SmTS-CVosa8Wi5jI1QdE-xt2VJq76IF" +
		"RqcselIyB5kHzH6k4IXjq0KeZQE5uNX842p5rHytK08UsAw9wSXUCFMaKV3nSrswYp_tcBFk0yYvDCaNfqOOEB8_CWb5mQq4zAiX" +
		"7dm_83fWHfOUjjJlJbrO8KVv-WpM-5gwOx8jBNJmPth-OWNaWxFUaWhMBkXuZAXPsEiYer-link-SjTvC-ifR6B33Ub3Rjw"
)

func TestSampleOfKunasPageIsReadAsWhatItIs(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		testkit.Until(1707239715)
		answering(srv, loginPath, 200, `{"data":{"accessToken":"`+sampleAccess+`","expiresIn":1707241515,"refreshToken":"`+sampleRefresh+`"}}`)
		tok := token(t, c)
		testkit.Equal(t, "access token", tok.Value(), sampleAccess)
		testkit.Equal(t, "refresh token", tok.RefreshToken(), sampleRefresh)
		testkit.Equal(t, "left", time.Until(tok.ExpiresAt), 1800*time.Second)
		testkit.Equal(t, "left of the refresh token", time.Until(tok.RefreshExpiresAt), 48*time.Hour)
	})
}

func TestExpiresInIsADeadlineAndCheckedAgainstTheToken(t *testing.T) {
	const iat = 1707239715
	exp := jwt(`{"iat":1707239715,"exp":1707241515}`)
	for _, tc := range []struct {
		name, expiresIn, access string
		left                    int64 // seconds; 0: the answer is unusable
		warned                  bool
	}{
		{"a number", `1707241515`, "opaque", 1800, false},
		{"with a point", `1707241515.0`, "opaque", 1800, false},
		{"with an exponent", `1.707241515e9`, "opaque", 1800, false},
		{"with a fraction", `1707241515.9`, "opaque", 1800, false},
		{"a text", `"1707241515"`, "opaque", 1800, false},
		{"both agree", `1707241515`, exp, 1800, false},
		{"expiresIn is earlier", `1707240015`, exp, 300, false},
		{"exp is earlier", `1707249715`, exp, 1800, false},
		{"a duration, with exp", `1800`, exp, 1800, true},
		{"a duration, without", `1800`, "opaque", 0, false},
		{"milliseconds, with exp", `1707241515000`, exp, 1800, true},
		{"milliseconds, without", `1707241515000`, "opaque", 0, false},
		{"just too small, with exp", `499999999`, exp, 1800, true},
		{"past, with exp", `1707239714`, exp, 1800, true},
		{"past, without", `1707239714`, "opaque", 0, false},
		{"now, without", `1707239715`, "opaque", 0, false},
		{"in eleven years, with exp", `2054395000`, exp, 1800, true},
		{"in eleven years, without", `2054395000`, "opaque", 0, false},
		{"negative", `-1707241515`, exp, 1800, true},
		{"huge", `1e300`, exp, 1800, true},
		{"null", `null`, exp, 1800, true},
		{"null, without", `null`, "opaque", 0, false},
		{"an object", `{}`, exp, 1800, true},
		{"true", `true`, exp, 1800, true},
		{"an empty text", `""`, exp, 1800, true},
		{"hexadecimal", `"0x65c2604bp0"`, exp, 1800, true},
		{"with a plus", `"+1707241515"`, exp, 1800, true},
		{"a duration, and a token that is past", `1800`, jwt(`{"iat":1707229000,"exp":1707230000}`), 1000, true},
		{"infinite", `"Inf"`, exp, 1800, true},
		{"no number", `"soon"`, "opaque", 0, false},
		{"a token in milliseconds", `1707241515`, jwt(`{"exp":1707241515000}`), 1800, false},
		{"a token that is past", `1707241515`, jwt(`{"exp":1707239000}`), 1800, true},
		{"all past, with iat", `1707230000`, jwt(`{"iat":1707229000,"exp":1707230000}`), 1000, true},
		{"all past, without iat", `1707230000`, jwt(`{"exp":1707230000}`), 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			logger, log := testkit.Log()
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				testkit.Until(iat)
				answering(srv, loginPath, 201, fmt.Sprintf(`{"data":{"accessToken":%q,"expiresIn":%s,"refreshToken":"r"}}`, tc.access, tc.expiresIn))
				tok, err := c.Token(t.Context())
				testkit.Equal(t, "warned", strings.Contains(log.String(), "level=WARN"), tc.warned)
				if tc.left == 0 {
					errorIs(t, err, providerauth.ErrBadResponse)
					testkit.Equal(t, "token", tok.Value(), "")
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				testkit.Equal(t, "left", tok.ExpiresAt.Unix()-iat, tc.left)
			}, func(cfg *merchantauth.Config) { cfg.Logger = logger })
		})
	}
}

func TestExpiryOfTheRefreshTokenIsItsOwnOrTwoDays(t *testing.T) {
	const iat = 1707239715
	for _, tc := range []struct {
		name, refresh string
		left          time.Duration
	}{
		{"its exp", jwt(`{"iat":1707239715,"exp":1707243315}`), time.Hour},
		{"opaque", "opaque", 48 * time.Hour},
		{"no exp", jwt(`{"iat":1707239715}`), 48 * time.Hour},
		{"milliseconds", jwt(`{"exp":1707243315000}`), 48 * time.Hour},
		{"past, with iat", jwt(`{"iat":1707100000,"exp":1707103600}`), time.Hour},
		{"past, without", jwt(`{"exp":1707103600}`), 48 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				testkit.Until(iat)
				answering(srv, loginPath, 200, fmt.Sprintf(`{"data":{"accessToken":"a","expiresIn":1707241515,"refreshToken":%q}}`, tc.refresh))
				testkit.Equal(t, "left", time.Until(token(t, c).RefreshExpiresAt), tc.left)
			})
		})
	}
}

func TestUnusableLoginsAreErrorsAndNoTokens(t *testing.T) {
	long := strings.Repeat("x", 16385)
	for _, body := range []string{
		``, `{`, `null`, `[]`, `{}`, `"x"`, `<html>`, `{"data":null}`, `{"data":[]}`, `{"data":"x"}`, `{"data":{}}`, `{"errors":[]}`,
		`{"data":{"accessToken":"","expiresIn":946700000}}`,
		`{"data":{"accessToken":5,"expiresIn":946700000}}`,
		`{"data":{"accessToken":"line\nbreak","expiresIn":946700000}}`,
		`{"data":{"accessToken":"` + long + `","expiresIn":946700000}}`,
		`{"data":{"accessToken":"a","refreshToken":"` + long + `","expiresIn":946700000}}`,
		`{"data":{"accessToken":"a","refreshToken":"line\nbreak","expiresIn":946700000}}`,
		`{"data":{"accessToken":"a","refreshToken":["r"],"expiresIn":946700000}}`,
		`{"data":{"accessToken":"a"}}`,
		`{"accessToken":"a","expiresIn":1800}`,
	} {
		t.Run(body[:min(len(body), 60)], func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				answering(srv, loginPath, 200, body)
				tok, err := c.Token(t.Context())
				e := errorIs(t, err, providerauth.ErrBadResponse, providerauth.ErrAmbiguous)
				testkit.Equal(t, "status", e.StatusCode, 200)
				testkit.Equal(t, "token", tok.Value()+tok.RefreshToken(), "")
				testkit.Equal(t, "logins", srv.Count(loginPath), 1)
			})
		})
	}
}

func TestRawLoginReplacesTheSessionOfTheClient(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		first := token(t, c)
		second, err := c.Login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if first.ID() == second.ID() {
			t.Error("no new token")
		}
		testkit.Equal(t, "token of the client", token(t, c).ID(), second.ID())
		past(second)
		rates(t, c)
		testkit.Equal(t, "refreshed with", lastBody(t, srv, refreshPath), `{"refreshToken":"`+second.RefreshToken()+`"}`)
		costs(t, srv, 2, 1)
	})
}

func TestRawLoginDoesNotWaitForABackOff(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.FailNext(1, 403, nil)
		_, err := c.Token(t.Context())
		errorIs(t, err)
		if _, err := c.Login(t.Context()); err != nil {
			t.Error(err)
		}
		token(t, c)
		costs(t, srv, 2, 0)
	})
}

func TestRawRefreshOfTheCurrentTokenReplacesIt(t *testing.T) {
	for name, again := range map[string]func(merchantauth.Token) merchantauth.Token{
		"as it came": func(t merchantauth.Token) merchantauth.Token { return t },
		"rebuilt": func(t merchantauth.Token) merchantauth.Token {
			return merchantauth.NewToken(t.Value(), t.RefreshToken(), time.Time{}, time.Time{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				first := token(t, c)
				second, err := c.Refresh(t.Context(), again(first))
				if err != nil {
					t.Fatal(err)
				}
				testkit.Equal(t, "token of the client", token(t, c).ID(), second.ID())
				past(second)
				rates(t, c)
				costs(t, srv, 1, 2)
				testkit.Equal(t, "replays", srv.Replays(), 0)
			})
		})
	}
}

func TestManyRawRefreshesOfOneTokenAreOneRefresh(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		first := token(t, c)
		srv.Delay(50 * time.Millisecond)
		refreshOnce(t, c, first)
		testkit.Equal(t, "back-off", c.Stats().BackoffUntil, time.Time{})
		turns := c.Stats().Refreshes
		_, err := c.Refresh(t.Context(), first) // and later
		errorIs(t, err, providerauth.ErrInvalidRequest)
		testkit.Equal(t, "turns for it", c.Stats().Refreshes-turns, 0)
		costs(t, srv, 1, 1)
		past(token(t, c))
		rates(t, c)
		costs(t, srv, 1, 2)
	})
}

func TestRawRefreshOfARepeatedRefreshTokenMayBeMadeAgain(t *testing.T) {
	bubble(t, merchantauthtest.Options{Refresh: merchantauthtest.RefreshRepeats}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		first := token(t, c)
		for range 3 {
			if _, err := c.Refresh(t.Context(), first); err != nil {
				t.Error(err)
			}
		}
		costs(t, srv, 1, 3)
	})
}

func TestRawRefreshOfAnotherTokenLeavesTheClientAlone(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		other := open(t, srv.Config())
		defer other.Close()
		mine, theirs := token(t, c), token(t, other)
		next, err := c.Refresh(t.Context(), theirs)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "token of the client", token(t, c).ID(), mine.ID())
		again, err := c.Refresh(t.Context(), next)
		if err != nil {
			t.Fatal(err)
		}
		if again.RefreshToken() == next.RefreshToken() || time.Until(again.ExpiresAt) < time.Minute {
			t.Errorf("not refreshed: %v", again)
		}
		costs(t, srv, 2, 2)
	})
}

func TestClosedClientRefreshesNothing(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		other := open(t, srv.Config())
		defer other.Close()
		theirs := token(t, other)
		srv.Delay(time.Second)
		var got merchantauth.Token
		var waiting error
		go func() { got, _ = c.Refresh(t.Context(), theirs) }()
		synctest.Wait()
		go func() { _, waiting = c.Refresh(t.Context(), theirs) }()
		synctest.Wait()
		start := time.Now()
		c.Close()
		testkit.Equal(t, "Close took", time.Since(start), time.Second)
		synctest.Wait()
		if got.Value() == "" {
			t.Error("the refresh under way was not waited for")
		}
		errorIs(t, waiting, providerauth.ErrClosed)
		for _, tok := range []merchantauth.Token{theirs, got, merchantauth.NewToken("", "elsewhere", time.Time{}, time.Time{})} {
			_, err := c.Refresh(t.Context(), tok)
			testkit.Equal(t, "attempts", errorIs(t, err, providerauth.ErrClosed).Attempts, 0)
		}
		costs(t, srv, 1, 1)
	})
}

func TestRawRefreshKeepsWhatAnAnswerLeavesOut(t *testing.T) {
	bubble(t, merchantauthtest.Options{Refresh: merchantauthtest.RefreshOmits}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		other := open(t, srv.Config())
		defer other.Close()
		theirs := token(t, other)
		next, err := c.Refresh(t.Context(), theirs)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "refresh token", next.RefreshToken(), theirs.RefreshToken())
		testkit.Equal(t, "its expiry", next.RefreshExpiresAt, theirs.RefreshExpiresAt)
	})
}

func TestRawRefreshThatIsRefusedLeavesTheNextTokenToALogin(t *testing.T) {
	bubble(t, merchantauthtest.Options{RefreshLifetime: time.Hour}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		time.Sleep(2 * time.Hour)
		_, err := c.Refresh(t.Context(), tok)
		e := errorIs(t, err, merchantauth.ErrRefreshTokenExpired)
		if _, ok := e.Retryable(); ok {
			t.Errorf("retryable: %v", e)
		}
		testkit.Equal(t, "text", e.Error(), "merchantauth: Refresh: status 401, code REFRESH_TOKEN_EXPIRED: the refresh token is not accepted")
		costs(t, srv, 1, 1)
		testkit.Equal(t, "back-off", c.Stats().BackoffUntil, time.Time{})
		rates(t, c) // at once
		costs(t, srv, 2, 1)
	})
}

func TestRawRefreshThatIsRefusedLeavesAValidTokenAlone(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		srv.RevokeSessions()
		_, err := c.Refresh(t.Context(), tok)
		errorIs(t, err, providerauth.ErrUnauthorized)
		testkit.Equal(t, "token", token(t, c).ID(), tok.ID())
		past(tok)
		rates(t, c)
		costs(t, srv, 2, 1)
	})
}

func TestLostRawRefreshIsNotSentAgainByItself(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		srv.LoseAnswers(1, testkit.Path(refreshPath))
		_, err := c.Refresh(t.Context(), tok)
		e := errorIs(t, err, providerauth.ErrAmbiguous)
		if _, ok := e.Retryable(); ok {
			t.Errorf("retryable: %v", e)
		}
		costs(t, srv, 1, 1)
		past(tok)
		rates(t, c) // the Client's turn: once more, refused, login
		costs(t, srv, 2, 2)
	})
}

func TestLostRawRefreshCountsAsTheFirstOfTwo(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		srv.LoseAnswers(math.MaxInt, testkit.Path(refreshPath))
		_, err := c.Refresh(t.Context(), tok)
		errorIs(t, err, providerauth.ErrAmbiguous)
		past(tok)
		_, err = c.Token(t.Context())
		errorIs(t, err, providerauth.ErrAmbiguous)
		costs(t, srv, 1, 2)
		time.Sleep(time.Second)
		rates(t, c)
		costs(t, srv, 2, 2)
	})
}

func TestRefreshTokenCalledExpiredUnderAnyStatusIsNotRetryable(t *testing.T) {
	for _, status := range []int{200, 401, 408, 429, 500, 503} {
		bubble(t, merchantauthtest.Options{ErrorStatus: status, RefreshLifetime: time.Minute}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			tok := token(t, c)
			time.Sleep(time.Hour)
			_, err := c.Refresh(t.Context(), tok)
			e := errorIs(t, err, merchantauth.ErrRefreshTokenExpired)
			if after, ok := e.Retryable(); ok || after != 0 {
				t.Errorf("status %d: retryable", status)
			}
		})
	}
}

func TestLostRawRefreshOfAnotherTokenIsNotSentAgain(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.LoseAnswers(math.MaxInt, testkit.Path(refreshPath))
		_, err := c.Refresh(t.Context(), merchantauth.NewToken("", "elsewhere", time.Time{}, time.Time{}))
		errorIs(t, err, providerauth.ErrAmbiguous)
		costs(t, srv, 0, 1)
	})
}

func TestRawCallsWaitForTheTurnUnderWay(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		intoWindow(tok)
		srv.Delay(time.Second)
		token(t, c) // starts a refresh
		time.Sleep(time.Millisecond)
		_, err := c.Refresh(t.Context(), tok)
		errorIs(t, err, providerauth.ErrInvalidRequest) // that refresh has replaced it
		costs(t, srv, 1, 1)
		testkit.Equal(t, "replays", srv.Replays(), 0)
	})
}

func TestCallersContextEndsItsWaitAndNotTheLogin(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.Delay(2 * time.Second)
		for name, call := range map[string]func(context.Context) error{
			"Login": func(ctx context.Context) error { _, err := c.Login(ctx); return err },
			"Token": func(ctx context.Context) error { _, err := c.Token(ctx); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			errorIs(t, call(ctx), context.DeadlineExceeded)
			testkit.Equal(t, name+" left after", fmt.Sprint(time.Since(start)), "1s")
			cancel()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			testkit.Equal(t, "token all the same", c.Stats().Entries, 1)
			c.Invalidate(token(t, c))
		}
	})
}
