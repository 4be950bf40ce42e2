package tokencache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestExclusiveFlightIsSentAgainOnceAndOnlyAfterAnUnclearAttempt(t *testing.T) {
	type row struct {
		Requests int
		Token    token
		Failed   bool
	}
	// T1 is valid and due for renewal; what do its callers get then?
	for letters, want := range map[string]row{
		"kk":  {2, token{value: "T2"}, false},
		"kr":  {2, token{value: "T1"}, false},
		"klk": {3, token{value: "T3"}, false},
		"klr": {3, token{value: "T1", suspect: true}, false}, // the refusal does not undo the doubt
		"kll": {3, token{value: "T1", suspect: true}, false},
		"kuk": {3, token{value: "T3"}, false},
		"kur": {3, token{}, true}, // T1 is known to be dead
		"kuu": {3, token{}, true},
		"klu": {3, token{}, true},
		"kul": {3, token{}, true},
	} {
		t.Run(letters, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newProvider()
				p.fail = script(letters)
				c := open(t, p, tokencache.Exclusive)
				get(t, c)
				time.Sleep(58 * time.Minute)
				for _, when := range []string{"waiters", "callers within the back-off"} {
					testkit.Crowd(5, func(int) {
						tok, err := c.Get(t.Context(), "", "")
						got := row{p.requests(), tok, err != nil}
						if d := cmp.Diff(want, got, cmp.AllowUnexported(token{})); d != "" {
							t.Errorf("%s: %s", when, d)
						}
						if err != nil {
							errorIs(t, err, providerauth.ErrAmbiguous)
						}
					})
				}
			})
		})
	}
}

func TestSuspectTokenIsServedUntilItExpiresAndTriesGoOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = from(2, errLost)
		c := open(t, p, tokencache.Exclusive)
		get(t, c)
		time.Sleep(58 * time.Minute)
		for time.Second < time.Until(time.Unix(946684800, 0).Add(time.Hour)) { // a flight takes 100 ms
			equal(t, "token", get(t, c), token{value: "T1", suspect: true})
			time.Sleep(time.Second)
		}
		if n := p.requests(); n < 10 {
			t.Errorf("%d requests in two minutes, want the tries to go on", n)
		}
		time.Sleep(3 * time.Minute)
		_, err := c.Get(t.Context(), "", "")
		errorIs(t, err, errLost)
	})
}

func TestSuspectTokenThatIsRefusedIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = script("kll")
		c := open(t, p, tokencache.Exclusive)
		get(t, c)
		time.Sleep(58 * time.Minute)
		equal(t, "token", get(t, c), token{value: "T1", suspect: true})
		equal(t, "was current", c.Invalidate("", id("T1")), true)
		equal(t, "token", get(t, c), token{value: "T4"})
	})
}

func TestOverlapNeverSendsAgainAndServesTheOldTokenToItsEnd(t *testing.T) {
	for _, letter := range "rlu" {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.fail = script("k" + string(letter))
			c := open(t, p, tokencache.Overlap)
			get(t, c)
			inWindow()
			get(t, c)
			time.Sleep(p.latency + 1)
			equal(t, "token", get(t, c), token{value: "T1"})
			equal(t, "requests", p.requests(), 2)
		})
	}
}

func TestAfterAnAmbiguousFailureATokenIsServedUpToItsVeryEnd(t *testing.T) {
	for letter, served := range map[string]bool{"l": true, "r": false} {
		bubble(t, func(t *testing.T) {
			p := newProvider()
			p.latency = 0
			p.fail = script("k" + letter + letter + letter + letter + letter + letter + letter + letter)
			c := open(t, p, tokencache.Overlap)
			get(t, c)
			time.Sleep(time.Hour - 5*time.Second) // inside the margin
			_, err := c.Get(t.Context(), "", "")
			equal(t, "served after "+letter, err == nil, served)
			_, err = c.Get(t.Context(), "", "")
			equal(t, "served within the back-off after "+letter, err == nil, served)
		})
	}
}

// renewer is a provider with a grant that is spent by use.
type renewer struct {
	log      []string // "login" or "renew T1", in order
	renewals string   // script of the renewals: k r l u as above, d the grant is refused
	logins   string
}

func (r *renewer) open(t *testing.T) *cache {
	n, logins := 0, 0
	next := func() (issued, error) {
		n++
		v := fmt.Sprintf("T%d", n)
		return issued{Token: token{value: v}, ID: id(v), ExpiresAt: time.Now().Add(time.Hour)}, nil
	}
	renewals := 0
	return open(t, newProvider(), tokencache.SingleUse, func(cfg *config) {
		cfg.Renewer = fetch(func(_ context.Context, a ask) (issued, error) {
			r.log = append(r.log, "renew "+a.Previous.value)
			renewals++
			if renewals <= len(r.renewals) && r.renewals[renewals-1] == 'd' {
				return issued{}, &failure{permanent: true, err: tokencache.ErrGrantRefused}
			}
			if err := script(r.renewals)(renewals); err != nil {
				return issued{}, err
			}
			return next()
		})
		cfg.Retriever = fetch(func(context.Context, ask) (issued, error) {
			r.log = append(r.log, "login")
			logins++
			if err := script(r.logins)(logins); err != nil {
				return issued{}, err
			}
			return next()
		})
	})
}

func TestGrantIsSpentAgainOnceAfterAnUnclearOutcomeAndThenReplacedByALogin(t *testing.T) {
	for renewals, want := range map[string][]string{
		"k":  {"login", "renew T1"},
		"lk": {"login", "renew T1", "renew T1"},
		"uk": {"login", "renew T1", "renew T1"},
		"ll": {"login", "renew T1", "renew T1", "login"}, // the login is the next flight's
		"lu": {"login", "renew T1", "renew T1", "login"},
		"d":  {"login", "renew T1", "login"}, // the login is the same flight's
		"ld": {"login", "renew T1", "renew T1", "login"},
		"rk": {"login", "renew T1", "renew T1"},             // a refusal of the call, not of the grant: back off, no login
		"lr": {"login", "renew T1", "renew T1", "renew T1"}, // unclear once only
	} {
		t.Run(renewals, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := &renewer{renewals: renewals}
				c := r.open(t)
				get(t, c)
				inWindow()
				for get(t, c).value == "T1" {
					time.Sleep(time.Second)
				}
				testkit.Equal(t, "requests", r.log, want)
			})
		})
	}
}

func TestRefusedGrantCostsExactlyOneLoginEvenIfThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &renewer{renewals: "d", logins: "krrr"}
		c := r.open(t)
		get(t, c)
		time.Sleep(2 * time.Hour)
		for range 3 {
			_, err := c.Get(t.Context(), "", "")
			errorIs(t, err, errRefused)
			time.Sleep(2 * time.Second)
		}
		get(t, c)
		want := []string{"login", "renew T1", "login", "login", "login", "login"}
		testkit.Equal(t, "requests", r.log, want)
	})
}

func TestInvalidatedTokenIsRenewedByItsGrant(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &renewer{}
		c := r.open(t)
		get(t, c)
		c.Invalidate("", id("T1"))
		equal(t, "token", get(t, c).value, "T2")
		testkit.Equal(t, "requests", r.log, []string{"login", "renew T1"})
	})
}

func TestForcedRenewalCountsAsSpendingTheGrant(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want []string // after the forced one
	}{
		"lost":    {errLost, []string{"login", "renew T1", "login"}}, // spent twice, then no more
		"refused": {&failure{permanent: true, err: tokencache.ErrGrantRefused}, []string{"login", "login"}},
		"failed":  {errRefused, []string{"login", "renew T1"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := &renewer{}
				if name == "lost" {
					r.renewals = "l"
				}
				c := r.open(t)
				get(t, c)
				_, err := c.Renew(t.Context(), "", "", fetch(func(_ context.Context, a ask) (issued, error) {
					equal(t, "Previous", a.Previous.value, "T1")
					return issued{}, tc.err
				}))
				errorIs(t, err, tc.err)
				if name == "refused" { // nothing is wrong with the next step
					c.Invalidate("", id("T1"))
					equal(t, "token", get(t, c).value, "T2")
				} else {
					time.Sleep(2 * time.Hour)
					_, _ = c.Get(t.Context(), "", "")
					time.Sleep(time.Minute)
					get(t, c)
				}
				testkit.Equal(t, "requests", r.log, tc.want)
			})
		})
	}
}

func TestErrorOfAFlightIsTheUnclearOneIfAnyAttemptWasUnclear(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = script("lr")
		c := open(t, p, tokencache.Exclusive)
		_, err := c.Get(t.Context(), "", "")
		if !errors.Is(err, providerauth.ErrAmbiguous) {
			t.Errorf("got %v, want the error of the lost attempt", err)
		}
	})
}

func TestExpiredTokenIsNotServedWithinTheBackOffAfterAnUnclearFailure(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.fail = from(2, &failure{ambiguous: true, after: 10 * time.Minute})
		c := open(t, p, mode)
		get(t, c)
		time.Sleep(58 * time.Minute)
		equal(t, "token while it lasts", get(t, c).value, "T1")
		time.Sleep(2*time.Minute + time.Second)
		_, err := c.Get(t.Context(), "", "")
		errorIs(t, err, providerauth.ErrAmbiguous)
	})
}

func TestGoexitInAnExclusiveRetrieverLeavesTheTokenInDoubt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.fail = during(2, runtime.Goexit)
		c := open(t, p, tokencache.Exclusive)
		get(t, c)
		time.Sleep(58 * time.Minute)
		equal(t, "token", get(t, c), token{value: "T1", suspect: true})
	})
}

func TestExclusiveFlightIsNotSentAgainAfterItsDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newProvider()
		p.latency = time.Hour
		c := open(t, p, tokencache.Exclusive)
		_, err := c.Get(t.Context(), "", "")
		errorIs(t, err, errLost)
		equal(t, "requests", p.requests(), 1)
	})
}
