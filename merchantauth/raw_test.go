package merchantauth_test

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
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
		var refreshed atomic.Int64
		testkit.Crowd(20, func(int) {
			_, err := c.Refresh(t.Context(), first)
			if err == nil {
				refreshed.Add(1)
				return
			}
			e := errorIs(t, err, providerauth.ErrInvalidRequest)
			testkit.Equal(t, "rule", e.Fields["t"], "has a refresh token that was replaced by a later one, and must not be sent again")
		})
		testkit.Equal(t, "refreshed", refreshed.Load(), 1)
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
