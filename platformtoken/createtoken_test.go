package platformtoken_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

func TestOneTokenServesAllCallsOfAPlayer(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		testkit.Crowd(100, func(int) { balance(t, c, brl) })
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 1)
		source := c.TokenSource(brl)
		tok, err := source.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "token", tok.Value(), token(t, c, brl).Value())
		testkit.Equal(t, "player", tok.Player, brl)
		testkit.Equal(t, "assumed", tok.ExpiryAssumed, false)
		testkit.Equal(t, "suspect", tok.Suspect(), false)
		testkit.Equal(t, "entries", c.Stats().Entries, 1)
	})
}

func TestTwentyRequestsWithOneDeadTokenCauseOneNewOne(t *testing.T) {
	for name, call := range map[string]func(*testing.T, *platformtokentest.Server, *platformtoken.Client, int){
		"Balance": func(t *testing.T, _ *platformtokentest.Server, c *platformtoken.Client, _ int) { balance(t, c, brl) },
		"Transfer": func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client, i int) {
			tx := fmt.Sprint("tx-", i)
			got, err := c.Transfer(t.Context(), brl, platformtoken.TransferRequest{TxID: tx, Direction: platformtoken.TransferIn, Amount: testkit.ParseAmount(t, "1.5")})
			if err != nil {
				t.Error(err)
			}
			testkit.Equal(t, "state", got.State, platformtoken.TransferSucceeded)
		},
		"CallFor": func(t *testing.T, _ *platformtokentest.Server, c *platformtoken.Client, _ int) {
			var out struct{ Balance providerauth.Number }
			in := map[string]string{"userId": brl.UserID}
			if err := c.CallFor(t.Context(), brl, http.MethodPost, "player/getBalance", in, &out); err != nil || !out.Balance.IsSet() {
				t.Error(out, err)
			}
		},
		"HTTPClientFor": func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client, _ int) {
			status, _ := do(t, c.HTTPClientFor(brl), srv, getBalance, `{"userId":"t1_225478"}`)
			testkit.Equal(t, "status", status, 200)
		},
	} {
		for _, inOK := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", failures in 200: ", inOK), func(t *testing.T) {
				bubble(t, platformtokentest.Options{FailuresInOK: inOK}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
					token(t, c, brl)
					srv.OutsideCreate(brl.UserID)
					testkit.Crowd(20, func(i int) { call(t, srv, c, i) })
					testkit.Equal(t, "tokens: the first, the outside one, and one more", srv.Created(brl.UserID), 3)
					testkit.Equal(t, "invalidations", c.Stats().Invalidations, uint64(1))
					testkit.Equal(t, "at once", srv.MaxConcurrent(brl.UserID), 1)
				})
			})
		}
	}
}

func TestTokenIsRenewedBeforeItExpiresAndCallersWaitForThat(t *testing.T) {
	bubble(t, platformtokentest.Options{TokenLifetime: time.Hour}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		first := token(t, c, brl)
		time.Sleep(54 * time.Minute)
		testkit.Equal(t, "token before its time is over", token(t, c, brl).Value(), first.Value())
		time.Sleep(4 * time.Minute)
		srv.Delay(time.Second, testkit.Path(createToken))
		start := time.Now()
		testkit.Crowd(100, func(int) {
			if tok := token(t, c, brl); tok.Value() == first.Value() {
				t.Error("a caller was given the token that was being killed")
			}
		})
		testkit.Equal(t, "waited", time.Since(start), time.Second)
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 2)
	})
}

func TestRefusedRenewalLeavesTheOldTokenInUse(t *testing.T) {
	bubble(t, platformtokentest.Options{TokenLifetime: time.Hour}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		first := token(t, c, brl)
		time.Sleep(58 * time.Minute)
		srv.FailNext(1, http.StatusInternalServerError, nil, testkit.Path(createToken))
		testkit.Crowd(100, func(int) {
			tok := token(t, c, brl)
			testkit.Equal(t, "token", tok.Value(), first.Value())
			testkit.Equal(t, "suspect", tok.Suspect(), false)
		})
		testkit.Equal(t, "requests", srv.Count(createToken), 2)
	})
}

func TestLostAnswerIsSentForOnceMore(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.LoseAnswers(1)
		balance(t, c, brl)
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 2)
	})
}

func TestTokenIsSuspectWhenAnswersAreLostTwiceAndIsReplacedWhenItIsDead(t *testing.T) {
	bubble(t, platformtokentest.Options{TokenLifetime: time.Hour}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		first := token(t, c, brl)
		time.Sleep(58 * time.Minute)
		srv.LoseAnswers(2, testkit.Path(createToken)) // the first of them kills the token
		tok := token(t, c, brl)
		testkit.Equal(t, "token", tok.Value(), first.Value())
		testkit.Equal(t, "suspect", tok.Suspect(), true)
		balance(t, c, brl) // refused, and then replaced in spite of the back-off
		testkit.Equal(t, "suspect", token(t, c, brl).Suspect(), false)
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 4)

		time.Sleep(58 * time.Minute)
		srv.Reset(2, testkit.Path(createToken)) // this time nothing has reached the platform
		tok = token(t, c, brl)
		testkit.Equal(t, "suspect", tok.Suspect(), true)
		balance(t, c, brl)
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 4)
	})
}

func TestUnusableAnswerToTokenMeansThatTheOldOneIsDead(t *testing.T) {
	bubble(t, platformtokentest.Options{TokenLifetime: time.Hour}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		time.Sleep(58 * time.Minute)
		answering(srv, 200, `{"isSuccess":true,"code":0,"data":{"token":"not a token"}}`)
		_, err := c.Token(t.Context(), brl)
		e := errorIs(t, err, providerauth.ErrBadResponse, providerauth.ErrAmbiguous)
		testkit.Equal(t, "op and status", fmt.Sprint(e.Op, e.StatusCode), "Token200")
		testkit.Equal(t, "requests", srv.Count(createToken), 3)
		srv.Intercept(nil)
		time.Sleep(time.Minute)
		balance(t, c, brl)
	})
}

func TestRequestThatActsLateCostsOneReplay(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.ActLate(1, 5*time.Second)
		first := token(t, c, brl)
		time.Sleep(10 * time.Second)
		rec, _ := srv.Token(first.Value())
		testkit.Equal(t, "killed by", rec.KilledBy, platformtokentest.ByLate)
		balance(t, c, brl)
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 3)
	})
}

func TestRefusalOfATokenIsReportedAndSharedDuringTheBackOff(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		answering(srv, 200, `{"isSuccess":false,"code":2014,"message":"player disabled"}`)
		testkit.Crowd(50, func(int) {
			_, err := c.Token(t.Context(), brl)
			e := errorIs(t, err)
			testkit.Equal(t, "status, code, message", fmt.Sprint(e.StatusCode, " ", e.Code, " ", e.Message), "200 2014 player disabled")
			testkit.Equal(t, "ambiguous", e.Ambiguous(), false)
			if _, ok := e.Retryable(); !ok {
				t.Error("not retryable, though nobody knows which codes are passing")
			}
		})
		testkit.Equal(t, "requests", srv.Count(createToken), 1)
		_, err := c.Balance(t.Context(), brl)
		testkit.Equal(t, "requests", srv.Count(createToken)+srv.Count(getBalance), 1)
		errorIs(t, err, providerauth.ErrNotSent)
		srv.Intercept(nil)
		time.Sleep(time.Second)
		balance(t, c, brl)
	})
}

func TestRefusalUnderAStatusThatIsFinalBacksOffForLong(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.FailNext(1, http.StatusForbidden, nil)
		_, err := c.Token(t.Context(), brl)
		e := errorIs(t, err)
		if _, ok := e.Retryable(); ok {
			t.Error("retryable")
		}
		time.Sleep(10 * time.Second)
		_, err = c.Token(t.Context(), brl)
		errorIs(t, err)
		testkit.Equal(t, "requests", srv.Count(createToken), 1)
		time.Sleep(time.Minute)
		token(t, c, brl)
	})
}

func TestCreateTokenIsAlwaysANewOneAndBecomesTheCachedOne(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		first := token(t, c, brl)
		got, err := c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: brl.UserID, Currency: "USD", Language: "zh"})
		if err != nil {
			t.Fatal(err)
		}
		r, body := last(t, srv)
		testkit.Equal(t, "body", body, `{"tenantId":1,"userId":"t1_225478","currency":"USD"}`)
		testkit.Equal(t, "language", r.Header.Get("Accept-Language"), "zh")
		usd := platformtoken.Player{UserID: brl.UserID, Currency: "USD"}
		testkit.Equal(t, "made for", got.Player, usd)
		testkit.Equal(t, "cached", token(t, c, usd).Value(), got.Value())
		testkit.Equal(t, "the first one is current", c.Invalidate(first), false)
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 2)
	})
}

func TestTokenIsNotHandedOutWhileCreateTokenIsKillingIt(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		srv.Delay(time.Second, testkit.Path(createToken))
		var made platformtoken.Token
		wait := testkit.Start(func() {
			made, _ = c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: brl.UserID, Currency: brl.Currency})
		})
		got := token(t, c, brl)
		wait()
		testkit.Equal(t, "token", got.Value(), made.Value())
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 2)
	})
}

func TestCreateTokensOfOnePlayerRunOneAfterAnother(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.Delay(time.Second)
		var mu sync.Mutex
		values := map[string]bool{}
		testkit.Crowd(5, func(int) {
			tok, err := c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: "u"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			values[tok.Value()] = true
			mu.Unlock()
		})
		testkit.Equal(t, "different tokens", len(values), 5)
		testkit.Equal(t, "tokens", srv.Created("u"), 5)
		testkit.Equal(t, "at once", srv.MaxConcurrent("u"), 1)
	})
}

func TestLostCreateTokenIsAmbiguousAndNotSentAgain(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.LoseAnswers(1)
		_, err := c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: "u"})
		e := errorIs(t, err, providerauth.ErrAmbiguous)
		if _, ok := e.Retryable(); ok || e.Op != "CreateToken" || e.Attempts != 1 {
			t.Errorf("retryable, or not one attempt of CreateToken: %v", e)
		}
		testkit.Equal(t, "requests", srv.Count(createToken), 1)
	})
}

func TestTokenIsAskedForAgainIfNothingWasSent(t *testing.T) {
	n := 0
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		testkit.Equal(t, "tries, requests", fmt.Sprint(n, srv.Count(createToken)), "3 1")
	}, tapping(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if n++; n < 3 {
			return nil, dialError()
		}
		return next.RoundTrip(r)
	}))
}

func TestRefusalThatSaysWhenToComeBackEndsTheFlightAllTheSame(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		for name, create := range map[string]func(context.Context, *platformtoken.Client) error{
			"Token": func(ctx context.Context, c *platformtoken.Client) error { _, err := c.Token(ctx, brl); return err },
			"CreateToken": func(ctx context.Context, c *platformtoken.Client) error {
				_, err := c.CreateToken(ctx, platformtoken.CreateTokenRequest{UserID: brl.UserID})
				return err
			},
		} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
					srv.FailNext(1, status, http.Header{"Retry-After": {"1"}})
					start := time.Now()
					e := errorIs(t, create(t.Context(), c))
					testkit.Equal(t, "status, attempts, ambiguous", fmt.Sprint(e.StatusCode, e.Attempts, e.Ambiguous()), fmt.Sprint(status, 1, false))
					testkit.Equal(t, "RetryAfter", e.RetryAfter, time.Second)
					testkit.Equal(t, "took", time.Since(start), 0*time.Second)
					testkit.Equal(t, "requests", srv.Count(createToken), 1)
				})
			})
		}
	}
}

func TestTokenRepeatedUnchangedIsAccepted(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		answering(srv, 200, `{"isSuccess":true,"code":0,"data":{"token":"always.the-same"}}`)
		for range 3 {
			tok := token(t, c, brl)
			testkit.Equal(t, "token", tok.Value(), "always.the-same")
			testkit.Equal(t, "assumed", tok.ExpiryAssumed, true)
			time.Sleep(30 * time.Hour)
		}
		// Refused all the same, it is of no use.
		answering(srv, 401, `{"isSuccess":false,"code":1}`)
		_, err := c.Balance(t.Context(), brl)
		errorIs(t, err)
	})
}

func TestContextOfTheCallerEndsItsWaitOnly(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.Delay(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := c.Token(ctx, brl)
		errorIs(t, err, context.DeadlineExceeded)
		testkit.Equal(t, "left after", time.Since(start), 10*time.Millisecond)
		token(t, c, brl)
		testkit.Equal(t, "requests", srv.Count(createToken), 1)
	})
}

func TestKeepWarmRenewsWithoutACaller(t *testing.T) {
	bubble(t, platformtokentest.Options{TokenLifetime: time.Hour}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		time.Sleep(10 * time.Hour)
		if n := srv.Created(brl.UserID); n < 10 || n > 12 {
			t.Errorf("%d tokens in ten hours, want one an hour", n)
		}
	}, func(cfg *platformtoken.Config) { cfg.KeepWarm = true })
}

func TestRefreshBeforeIsHonoured(t *testing.T) {
	bubble(t, platformtokentest.Options{TokenLifetime: time.Hour}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		time.Sleep(37 * time.Minute) // a renewal is up to a tenth of RefreshBefore early
		token(t, c, brl)
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 1)
		time.Sleep(4 * time.Minute)
		token(t, c, brl)
		testkit.Equal(t, "tokens", srv.Created(brl.UserID), 2)
	}, func(cfg *platformtoken.Config) { cfg.RefreshBefore = 20 * time.Minute })
}

func TestClosedClientServesItsFreshTokenAndMakesNoOther(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		balance(t, c, brl)
		testkit.Must(t, c.Close())
		testkit.Must(t, c.Close())
		balance(t, c, brl)
		time.Sleep(25 * time.Hour)
		_, err := c.Token(t.Context(), brl)
		errorIs(t, err, providerauth.ErrClosed)
		_, err = c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: "u"})
		errorIs(t, err, providerauth.ErrClosed)
		_, err = c.Balance(t.Context(), brl)
		errorIs(t, err, providerauth.ErrClosed, providerauth.ErrNotSent)
		err = testkit.Post(c.HTTPClientFor(brl), srv.URL()+getBalance, "{}")
		errorIs(t, err, providerauth.ErrClosed, providerauth.ErrNotSent)
	})
}

func TestCloseWaitsForACreationUnderWay(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.Delay(3 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		wait := testkit.Start(func() { _, _ = c.Token(ctx, brl) })
		cancel()
		start := time.Now()
		c.Close()
		testkit.Equal(t, "waited", time.Since(start), 3*time.Second)
		wait()
		token(t, c, brl) // which has come
	})
}

func TestClient_CreateToken_unusableAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		body   string
		served bool // the token before, as suspect
	}{
		"the page of a gateway":     {"<html>welcome</html>", true},
		"half an envelope":          {`{"isSuccess":true,"data":{"tok`, true},
		"a success without a token": {`{"isSuccess":true,"code":0,"data":{}}`, false},
		"a token no header carries": {`{"isSuccess":true,"code":0,"data":{"token":"a b"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				before := token(t, c, brl)
				srv.Intercept(testkit.Always(http.StatusOK, nil, tc.body, testkit.Path(createToken)))
				_, err := c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: brl.UserID, Currency: brl.Currency})
				errorIs(t, err, providerauth.ErrBadResponse, providerauth.ErrAmbiguous)
				after, err := c.Token(t.Context(), brl)
				testkit.Equal(t, "served, suspect", fmt.Sprint(err == nil && after.Value() == before.Value(), after.Suspect()), fmt.Sprint(tc.served, tc.served))
			})
		})
	}
}

func TestClient_Token_changedSecret(t *testing.T) {
	secret := testkit.NewVault("right")
	bubble(t, platformtokentest.Options{Secret: "right"}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		time.Sleep(time.Until(token(t, c, brl).ExpiresAt) + time.Second)
		testkit.ChangedSecret(t, secret, func() error { _, err := c.Token(t.Context(), brl); return err }, func() int { return srv.Count(createToken) })
	}, func(cfg *platformtoken.Config) { cfg.Secret = secret.Get })
}

func TestClient_Token_opaque(t *testing.T) {
	t.Run("a token in Laravel Sanctum's form is used", func(t *testing.T) {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			answering(srv, 200, `{"isSuccess":true,"code":0,"data":{"token":"12|laravel:sanctum!"}}`)
			testkit.Equal(t, "token", token(t, c, brl).Value(), "12|laravel:sanctum!")
			testkit.Equal(t, "requests", srv.Count(createToken), 1)
		})
	})
}
