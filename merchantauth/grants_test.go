package merchantauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestReplacedRefreshTokensBeyondTheBoundAreForgottenInTheOrderOfTheirExpiry(t *testing.T) {
	var g merchantauth.Grants
	start := time.Now().Add(time.Hour)
	for n := range merchantauth.MaxSpent {
		g.Replace(strconv.Itoa(n), start.Add(-time.Duration(n)*time.Millisecond))
	}
	testkit.Equal(t, "kept", g.Kept(), merchantauth.MaxSpent)
	for n := range merchantauth.MaxSpent / 40 {
		g.Replace("one more", start)
		g.Replace(strconv.Itoa(-n-1), start.Add(time.Hour))
		if n := g.Kept(); n > merchantauth.MaxSpent || n < merchantauth.MaxSpent*9/10 {
			t.Fatalf("%d are kept, want nearly %d", n, merchantauth.MaxSpent)
		}
	}
	for refresh, want := range map[string]bool{"one more": true, "0": true, strconv.Itoa(merchantauth.MaxSpent / 2): true, strconv.Itoa(merchantauth.MaxSpent - 1): false} {
		testkit.Equal(t, refresh+" is remembered", g.Replaced(refresh), want)
	}
}

func TestReplacedRefreshTokensThatHaveExpiredMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g merchantauth.Grants
		most := 0
		for n := range 10_000 { // 50 of them live at a time
			g.Replace(strconv.Itoa(n), time.Now().Add(50*time.Minute))
			most = max(most, g.Kept())
			time.Sleep(time.Minute)
		}
		if most > 128 {
			t.Errorf("%d were kept at once, want at most 128", most)
		}
	})
}

func TestReplacedRefreshTokenIsRememberedUntilTheLaterOfTwoTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g merchantauth.Grants
		g.Replace("a", time.Now().Add(2*time.Hour))
		g.Replace("a", time.Now().Add(time.Hour))
		time.Sleep(90 * time.Minute)
		testkit.Equal(t, "is remembered", g.Replaced("a"), true)
		time.Sleep(30 * time.Minute)
		testkit.Equal(t, "is remembered after both", g.Replaced("a"), false)
	})
}

// spentAlready refreshes a token that must not be sent.
func spentAlready(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client, tok merchantauth.Token) {
	t.Helper()
	before := srv.Count(refreshPath)
	_, err := c.Refresh(t.Context(), tok)
	e := errorIs(t, err, providerauth.ErrInvalidRequest)
	testkit.Equal(t, "rule", e.Fields["t"], "has a refresh token that was replaced by a later one, and must not be sent again")
	testkit.Equal(t, "requests", srv.Count(refreshPath)-before, 0)
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
		refreshOnce(t, c, theirs)
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
				testkit.Crowd(3, func(int) {
					if _, err := c.Refresh(t.Context(), theirs); err != nil {
						t.Error(err)
					}
				})
				testkit.Equal(t, "took", time.Since(start), 3*time.Second)
				costs(t, srv, 1, 3)
			})
		})
	}
}

func TestRefreshesOfDifferentTokensDoNotWaitForEachOther(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.Delay(time.Second, testkit.Path(refreshPath))
		start := time.Now()
		testkit.Crowd(3, func(int) {
			other := open(t, srv.Config())
			defer other.Close()
			if _, err := c.Refresh(t.Context(), token(t, other)); err != nil {
				t.Error(err)
			}
		})
		testkit.Equal(t, "took", time.Since(start), time.Second)
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
		testkit.Equal(t, "Op", errorIs(t, err, context.DeadlineExceeded).Op, "Refresh")
		testkit.Equal(t, "left after", time.Since(start), time.Second)
		costs(t, srv, 0, 1)
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
		testkit.Equal(t, "replays", srv.Replays(), 0)
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
				errorIs(t, err, providerauth.ErrBadResponse)
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
			testkit.Equal(t, "refresh token", tok.RefreshToken(), next)
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
		errorIs(t, err, providerauth.ErrUnauthorized) // Kuna's answer
		costs(t, srv, 1, 2)
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
		testkit.Equal(t, "refreshes", srv.Count(refreshPath), 1)
		srv.Intercept(nil)
		past(tok)
		rates(t, c)
		testkit.Equal(t, "refreshes", srv.Count(refreshPath), 1)
	})
}

func spentWhileWaiting(t *testing.T, c *merchantauth.Client, tok merchantauth.Token) {
	t.Helper()
	start := time.Now()
	_, err := c.Refresh(t.Context(), tok)
	errorIs(t, err, providerauth.ErrInvalidRequest)
	if time.Since(start) < time.Second {
		t.Errorf("left after %v, before the refresh under way was over", time.Since(start))
	}
}

// The refresh under way brings the access token again that was rejected in the
// meantime: the provider's word counts.
func TestClient_RefreshThatBringsARejectedTokenAgain(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		intoWindow(tok)
		refreshingTo(srv, fmt.Sprintf(`{"accessToken":%q,"expiresIn":%d,"refreshToken":"another"}`, tok.Value(), tok.ExpiresAt.Unix()), false)
		token(t, c) // starts a refresh
		synctest.Wait()
		testkit.Equal(t, "current", c.Invalidate(tok), true)
		time.Sleep(2 * time.Second)
		rates(t, c)
		costs(t, srv, 1, 1)
	})
}

func TestClient_Refresh(t *testing.T) {
	t.Run("leaves when its context ends, and the refresh goes on", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			first := token(t, c)
			srv.Delay(5*time.Second, testkit.Path(refreshPath))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			_, err := c.Refresh(ctx, first)
			testkit.Equal(t, "Op", errorIs(t, err, context.DeadlineExceeded).Op, "Refresh")
			testkit.Equal(t, "left after", time.Since(start), time.Second)
			time.Sleep(5 * time.Second)
			if token(t, c).ID() == first.ID() {
				t.Error("the Client has not kept what the refresh brought")
			}
			spentAlready(t, srv, c, first)
			costs(t, srv, 1, 1)
		})
	})
}
