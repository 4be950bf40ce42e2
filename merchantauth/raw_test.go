package merchantauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

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
		equal(t, "token of the client", token(t, c).ID(), second.ID())
		past(second)
		rates(t, c)
		equal(t, "refreshed with", lastBody(t, srv, refreshPath), `{"refreshToken":"`+second.RefreshToken()+`"}`)
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
				equal(t, "token of the client", token(t, c).ID(), second.ID())
				past(second)
				rates(t, c)
				costs(t, srv, 1, 2)
				equal(t, "replays", srv.Replays(), 0)
			})
		})
	}
}

func TestManyRawRefreshesOfOneTokenAreOneRefresh(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		first := token(t, c)
		srv.Delay(50 * time.Millisecond)
		var wg sync.WaitGroup
		var mu sync.Mutex
		refreshed := 0
		for range 20 {
			wg.Go(func() {
				_, err := c.Refresh(t.Context(), first)
				if err == nil {
					mu.Lock()
					refreshed++
					mu.Unlock()
					return
				}
				e := errorIs(t, err, merchantauth.ErrInvalidRequest)
				equal(t, "rule", e.Fields["t"], "has a refresh token that was replaced by a later one, and must not be sent again")
			})
		}
		wg.Wait()
		equal(t, "refreshed", refreshed, 1)
		equal(t, "back-off", c.Stats().BackoffUntil, time.Time{})
		turns := c.Stats().Refreshes
		_, err := c.Refresh(t.Context(), first) // and later
		errorIs(t, err, merchantauth.ErrInvalidRequest)
		equal(t, "turns for it", c.Stats().Refreshes-turns, 0)
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
		equal(t, "token of the client", token(t, c).ID(), mine.ID())
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

// spentAlready refreshes a token that must not be sent.
func spentAlready(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client, tok merchantauth.Token) {
	t.Helper()
	before := srv.Count(refreshPath)
	_, err := c.Refresh(t.Context(), tok)
	e := errorIs(t, err, merchantauth.ErrInvalidRequest)
	equal(t, "rule", e.Fields["t"], "has a refresh token that was replaced by a later one, and must not be sent again")
	equal(t, "requests", srv.Count(refreshPath)-before, 0)
}

func TestReplacedRefreshTokenOfAnotherTokenIsNotSentAgain(t *testing.T) {
	for name, foreign := range map[string]func(merchantauth.Token) merchantauth.Token{
		"as it came": func(t merchantauth.Token) merchantauth.Token { return t },
		"without its times": func(t merchantauth.Token) merchantauth.Token {
			return merchantauth.NewToken(t.Value(), t.RefreshToken(), time.Time{}, time.Time{})
		},
		"with a time that is past": func(t merchantauth.Token) merchantauth.Token {
			return merchantauth.NewToken("", t.RefreshToken(), t.ExpiresAt, time.Now().Add(-time.Hour))
		},
	} {
		for _, opaque := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", opaque ", opaque), func(t *testing.T) {
				bubble(t, merchantauthtest.Options{OpaqueRefresh: opaque}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					other := open(t, srv.Config())
					defer other.Close()
					theirs := foreign(token(t, other))
					next, err := c.Refresh(t.Context(), theirs)
					if err != nil {
						t.Fatal(err)
					}
					spentAlready(t, srv, c, theirs)
					time.Sleep(47 * time.Hour)
					spentAlready(t, srv, c, theirs)
					if _, err := c.Refresh(t.Context(), next); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

func TestReplacedRefreshTokenIsRememberedForAsLongAsItsTokenSays(t *testing.T) {
	bubble(t, merchantauthtest.Options{RefreshLifetime: 7 * 24 * time.Hour, OpaqueRefresh: true}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		other := open(t, srv.Config())
		defer other.Close()
		tok := token(t, other)
		theirs := merchantauth.NewToken("", tok.RefreshToken(), time.Time{}, time.Now().Add(7*24*time.Hour))
		if _, err := c.Refresh(t.Context(), theirs); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * 24 * time.Hour)
		spentAlready(t, srv, c, theirs)
	})
}

func TestRefreshTokenFromBeforeALoginIsNotSent(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		first := token(t, c)
		if _, err := c.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		spentAlready(t, srv, c, first)
	})
}

func TestLoginThatBringsAReplacedRefreshTokenAgainMakesItGood(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		answers := func(path, access, refresh string) {
			answering(srv, path, 200, fmt.Sprintf(`{"data":{"accessToken":%q,"expiresIn":%d,"refreshToken":%q}}`, access, time.Now().Unix()+1800, refresh))
		}
		answers(loginPath, "x", "a")
		tok := token(t, c)
		answers(refreshPath, "y", "b")
		if _, err := c.Refresh(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		answers(loginPath, "z", "a")
		again, err := c.Login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		past(again)
		answers(refreshPath, "w", "c")
		token(t, c)
		costs(t, srv, 2, 2)
	})
}

func TestManyRefreshesOfAnotherTokenAtOnceAreOneRefresh(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		other := open(t, srv.Config())
		defer other.Close()
		theirs := token(t, other)
		srv.Delay(50 * time.Millisecond)
		var wg sync.WaitGroup
		var refreshed atomic.Int32
		for range 20 {
			wg.Go(func() {
				if _, err := c.Refresh(t.Context(), theirs); err != nil {
					errorIs(t, err, merchantauth.ErrInvalidRequest)
					return
				}
				refreshed.Add(1)
			})
		}
		wg.Wait()
		equal(t, "refreshed", refreshed.Load(), 1)
		costs(t, srv, 1, 1)
	})
}

func TestRefreshesOfOneTokenTakeTurnsWhereItIsNotReplaced(t *testing.T) {
	for name, mode := range map[string]merchantauthtest.RefreshMode{"repeating": merchantauthtest.RefreshRepeats, "omitting": merchantauthtest.RefreshOmits} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{Refresh: mode}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				other := open(t, srv.Config())
				defer other.Close()
				theirs := token(t, other)
				srv.Delay(time.Second)
				start := time.Now()
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						if _, err := c.Refresh(t.Context(), theirs); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				equal(t, "took", time.Since(start), 3*time.Second)
				costs(t, srv, 1, 3)
			})
		})
	}
}

func TestRefreshesOfDifferentTokensDoNotWaitForEachOther(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		var wg sync.WaitGroup
		srv.Delay(time.Second, to(refreshPath))
		start := time.Now()
		for range 3 {
			other := open(t, srv.Config())
			defer other.Close()
			theirs := token(t, other)
			wg.Go(func() {
				if _, err := c.Refresh(t.Context(), theirs); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		equal(t, "took", time.Since(start), time.Second)
	})
}

func TestRefreshThatWaitsForAnotherLeavesWithItsContext(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := merchantauth.NewToken("", "elsewhere", time.Time{}, time.Time{})
		srv.Delay(5 * time.Second)
		go func() { _, _ = c.Refresh(t.Context(), tok) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Refresh(ctx, tok)
		equal(t, "Op", errorIs(t, err, context.DeadlineExceeded).Op, "Refresh")
		equal(t, "left after", time.Since(start), time.Second)
		costs(t, srv, 0, 1)
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
		equal(t, "Close took", time.Since(start), time.Second)
		synctest.Wait()
		if got.Value() == "" {
			t.Error("the refresh under way was not waited for")
		}
		errorIs(t, waiting, merchantauth.ErrClosed)
		for _, tok := range []merchantauth.Token{theirs, got, merchantauth.NewToken("", "elsewhere", time.Time{}, time.Time{})} {
			_, err := c.Refresh(t.Context(), tok)
			equal(t, "attempts", errorIs(t, err, merchantauth.ErrClosed).Attempts, 0)
		}
		costs(t, srv, 1, 1)
	})
}

func TestReplacedRefreshTokenIsNotSentAgainHoweverManyCameAfterIt(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		first := token(t, c)
		for range 300 {
			c.Invalidate(token(t, c))
			time.Sleep(5 * time.Second)
		}
		rates(t, c)
		spentAlready(t, srv, c, first)
		costs(t, srv, 1, 300)
		equal(t, "replays", srv.Replays(), 0)
	})
}

// An answer that cannot be used otherwise may have another refresh token.
func TestRefreshTokenThatAnUnusableAnswerReplacedIsNotSentAgain(t *testing.T) {
	for name, own := range map[string]bool{"current": true, "another": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				tok := merchantauth.NewToken("", "elsewhere", time.Time{}, time.Time{})
				if own {
					tok = token(t, c)
				}
				answering(srv, refreshPath, 200, `{"data":{"refreshToken":"another"}}`)
				_, err := c.Refresh(t.Context(), tok)
				errorIs(t, err, merchantauth.ErrBadResponse)
				spentAlready(t, srv, c, tok)
			})
		})
	}
}

func TestRefreshTokenThatAnAnswerBringsAgainIsGoodAgain(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := merchantauth.NewToken("", "a", time.Time{}, time.Time{})
		for _, next := range []string{"b", "a", "b"} {
			answering(srv, refreshPath, 200, fmt.Sprintf(`{"data":{"accessToken":"x","expiresIn":%d,"refreshToken":%q}}`, time.Now().Unix()+1800, next))
			var err error
			if tok, err = c.Refresh(t.Context(), tok); err != nil {
				t.Fatal(err)
			}
			equal(t, "refresh token", tok.RefreshToken(), next)
		}
		costs(t, srv, 0, 3)
	})
}

func TestReplacedRefreshTokenIsForgottenWhenItHasExpired(t *testing.T) {
	bubble(t, merchantauthtest.Options{RefreshLifetime: 7 * 24 * time.Hour}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		first := token(t, c)
		if _, err := c.Refresh(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(first.RefreshExpiresAt) - time.Second)
		spentAlready(t, srv, c, first)
		time.Sleep(2 * time.Second)
		_, err := c.Refresh(t.Context(), first)
		errorIs(t, err, merchantauth.ErrUnauthorized) // Kuna's answer
		costs(t, srv, 1, 2)
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
		equal(t, "refresh token", next.RefreshToken(), theirs.RefreshToken())
		equal(t, "its expiry", next.RefreshExpiresAt, theirs.RefreshExpiresAt)
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
		equal(t, "text", e.Error(), "merchantauth: Refresh: status 401, code REFRESH_TOKEN_EXPIRED: the refresh token is not accepted")
		costs(t, srv, 1, 1)
		equal(t, "back-off", c.Stats().BackoffUntil, time.Time{})
		rates(t, c) // at once
		costs(t, srv, 2, 1)
	})
}

func TestRawRefreshThatIsRefusedLeavesAValidTokenAlone(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		srv.RevokeSessions()
		_, err := c.Refresh(t.Context(), tok)
		errorIs(t, err, merchantauth.ErrUnauthorized)
		equal(t, "token", token(t, c).ID(), tok.ID())
		past(tok)
		rates(t, c)
		costs(t, srv, 2, 1)
	})
}

func TestLostRawRefreshIsNotSentAgainByItself(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		srv.LoseAnswers(1, to(refreshPath))
		_, err := c.Refresh(t.Context(), tok)
		e := errorIs(t, err, merchantauth.ErrAmbiguous)
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
		srv.LoseAnswers(math.MaxInt, to(refreshPath))
		_, err := c.Refresh(t.Context(), tok)
		errorIs(t, err, merchantauth.ErrAmbiguous)
		past(tok)
		_, err = c.Token(t.Context())
		errorIs(t, err, merchantauth.ErrAmbiguous)
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
		srv.LoseAnswers(math.MaxInt, to(refreshPath))
		_, err := c.Refresh(t.Context(), merchantauth.NewToken("", "elsewhere", time.Time{}, time.Time{}))
		errorIs(t, err, merchantauth.ErrAmbiguous)
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
		errorIs(t, err, merchantauth.ErrInvalidRequest) // that refresh has replaced it
		costs(t, srv, 1, 1)
		equal(t, "replays", srv.Replays(), 0)
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
			equal(t, name+" left after", fmt.Sprint(time.Since(start)), "1s")
			cancel()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			equal(t, "token all the same", c.Stats().Entries, 1)
			c.Invalidate(token(t, c))
		}
	})
}

// refreshingTo answers refreshes with data after a second, and logins with an
// error of Kuna's if they are to fail.
func refreshingTo(srv *merchantauthtest.Server, data string, failLogins bool) {
	srv.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == refreshPath:
				time.Sleep(time.Second)
				merchantauthtest.WriteData(w, 200, json.RawMessage(data))
			case r.URL.Path == loginPath && failLogins:
				merchantauthtest.WriteError(w, 503, "MAINTENANCE", "x")
			default:
				next.ServeHTTP(w, r)
			}
		})
	})
}

// The refresh under way brings another refresh token and no access token, and
// the login after it fails: what is left has a refresh token that is spent.
func TestRefreshTokenThatIsReplacedWhileRefreshWaitsIsNotSent(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		intoWindow(tok)
		refreshingTo(srv, `{"refreshToken":"another"}`, true)
		token(t, c) // starts a refresh
		synctest.Wait()
		spentWhileWaiting(t, c, tok)
		equal(t, "refreshes", srv.Count(refreshPath), 1)
		srv.Intercept(nil)
		past(tok)
		rates(t, c)
		equal(t, "refreshes", srv.Count(refreshPath), 1)
	})
}

func spentWhileWaiting(t *testing.T, c *merchantauth.Client, tok merchantauth.Token) {
	t.Helper()
	start := time.Now()
	_, err := c.Refresh(t.Context(), tok)
	errorIs(t, err, merchantauth.ErrInvalidRequest)
	if time.Since(start) < time.Second {
		t.Errorf("left after %v, before the refresh under way was over", time.Since(start))
	}
}

// The answer to the refresh under way is not taken, because its access token
// was called dead in the meantime; its refresh token is spent all the same.
func TestSpentRefreshTokenOfAnAnswerThatCameTooLateIsNotSentByTokenEither(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		intoWindow(tok)
		refreshingTo(srv, fmt.Sprintf(`{"accessToken":%q,"expiresIn":%d,"refreshToken":"another"}`, tok.Value(), tok.ExpiresAt.Unix()), false)
		token(t, c) // starts a refresh
		synctest.Wait()
		equal(t, "current", c.Invalidate(tok), true)
		time.Sleep(2 * time.Second)
		rates(t, c)
		costs(t, srv, 2, 1)
	})
}
