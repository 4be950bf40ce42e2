package session_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestRejectedReplayIsPassedOnAndReplacesNothingForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{good: map[string]bool{}} // refused for another reason than the token
		rt := g.transport()
		var sends []int
		for range 150 {
			before := len(g.sent)
			status, body, _ := post(t, rt, target, nil)
			check(t, "answer", fmt.Sprint(status, body), "401no")
			sends = append(sends, len(g.sent)-before)
			time.Sleep(time.Second)
		}
		// Two sends are a replacement: at 0 s, then after 1, 2, 4 ... 60 s.
		var at []int
		for second, n := range sends {
			if n == 2 {
				at = append(at, second)
			}
		}
		check(t, "replacements at", at, []int{0, 1, 3, 7, 15, 31, 63, 123})
	})
}

func TestOtherPathsAreUnharmedByTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{good: map[string]bool{}}
		g.respond = func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/portfolio") && r.Header.Get("Authorization") != "Bearer T0" {
				return answer(200, "yes"), nil
			}
			return nil, nil
		}
		rt := g.transport()
		_, _, _ = post(t, rt, target, nil)
		status, _, _ := post(t, rt, "https://api.example.com/v1/portfolio", nil)
		check(t, "status of the other path", status, 200)
	})
}

func TestPathsThatAreAllRejectedForAnotherReasonLeaveATokenForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{good: map[string]bool{}}
		g.respond = func(r *http.Request) (*http.Response, error) {
			if !strings.Contains(r.URL.Path, "/users/") {
				return answer(200, "yes"), nil
			}
			return nil, nil
		}
		rt := g.transport()
		for i := range 300 { // a minute
			_, _, _ = post(t, rt, fmt.Sprintf("https://api.example.com/v1/users/%d", i), nil)
			status, _, _ := post(t, rt, target, nil)
			check(t, "status of another path", status, 200)
			time.Sleep(200 * time.Millisecond)
		}
		// Three before it is seen, then one after pauses of 1, 2, 4, 5, 5 ... s.
		if g.invalidated > 18 {
			t.Errorf("%d tokens replaced in a minute, want at most 18", g.invalidated)
		}
		g.good[fmt.Sprintf("T%d", g.current+1)] = true // killed from outside now, and a new one helps
		time.Sleep(5 * time.Second)
		status, _, _ := post(t, rt, "https://api.example.com/v1/users/x", nil)
		check(t, "status after a kill", status, 200)
	})
}

// forbidding is a rig whose calls to /forbidden... are refused whatever the
// token.
func forbidding() *rig {
	g := &rig{good: map[string]bool{"T0": true}}
	g.respond = func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/forbidden") {
			return answer(401, "no"), nil
		}
		return nil, nil
	}
	return g
}

func TestOnePathThatIsRejectedTimeAndAgainTakesNothingFromTheOthers(t *testing.T) {
	for name, every := range map[string]time.Duration{"every second": time.Second, "every minute": time.Minute, "once a day": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := forbidding()
				rt := g.transport()
				for range 200 {
					_, _, _ = post(t, rt, "https://api.example.com/v1/forbidden", nil)
					g.good = map[string]bool{fmt.Sprintf("T%d", g.current): true}
					status, _, _ := post(t, rt, target, nil)
					check(t, "status of another path", status, 200)
					time.Sleep(every)
				}
				_, _, _ = post(t, rt, "https://api.example.com/v1/forbidden", nil)
				g.kill()
				status, _, _ := post(t, rt, target, nil)
				check(t, "status of another path after a kill", status, 200)
			})
		})
	}
}

func TestPathsThatAreRejectedNowAndThenTakeNothingFromTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := forbidding()
		rt := g.transport()
		for i := range 20 {
			_, _, _ = post(t, rt, fmt.Sprintf("https://api.example.com/v1/forbidden/%d", i), nil)
			time.Sleep(2 * time.Minute)
		}
		_, _, _ = post(t, rt, "https://api.example.com/v1/forbidden/x", nil)
		g.kill()
		status, _, _ := post(t, rt, target, nil)
		check(t, "status of another path after a kill", status, 200)
	})
}

func TestAFightOverTheTokenPausesAllCallsHoweverFewTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{}
		rt := g.transport()
		for range 80 {
			_, _, _ = post(t, rt, target, nil)
			_, _, _ = post(t, rt, "https://api.example.com/v1/portfolio", nil)
			time.Sleep(100 * time.Millisecond)
		}
		// Two calls with a pause of 1, 2 and 4 s each would make eight, and more
		// than five at once and one per five seconds is not to be had.
		if g.invalidated > 6 {
			t.Errorf("%d tokens replaced in eight seconds", g.invalidated)
		}
	})
}

func TestATokenThatHelpsEndsThePauseOfAllCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := forbidding()
		rt := g.transport()
		forbidden := 0
		rejectedFor := func(n int) {
			for range n {
				forbidden++
				_, _, _ = post(t, rt, fmt.Sprintf("https://api.example.com/v1/forbidden/%d", forbidden), nil)
			}
		}
		rejectedFor(3)
		g.kill()
		status, _, _ := post(t, rt, target, nil)
		check(t, "status while all calls are paused", status, 401)
		time.Sleep(time.Second)
		status, _, _ = post(t, rt, target, nil)
		check(t, "status after the pause", status, 200)
		rejectedFor(2) // it takes three again
		g.kill()
		status, _, _ = post(t, rt, target, nil)
		check(t, "status after a token has helped", status, 200)
	})
}

func TestReplaysThatAreRejectedTogetherCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{}
		g.respond = func(*http.Request) (*http.Response, error) {
			time.Sleep(10 * time.Millisecond)
			return nil, nil
		}
		rt := g.transport()
		testkit.Crowd(10, func(int) { _, _, _ = post(t, rt, target, nil) })
		time.Sleep(time.Second) // one pause, not ten of them
		before := g.invalidated
		_, _, _ = post(t, rt, target, nil)
		check(t, "tokens replaced after a second", g.invalidated-before, 1)
	})
}

func TestRequestWithoutAMethodIsAGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{}
		rt := g.transport()
		for range 5 {
			u, _ := url.Parse(target)
			if _, err := rt.RoundTrip(&http.Request{URL: u}); err != nil {
				t.Fatal(err)
			}
		}
		check(t, "tokens replaced", g.invalidated, 1)
	})
}

func TestServerErrorSaysNothingOfTheTokenAndDoesNotEndTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{good: map[string]bool{}}
		rt := g.transport()
		_, _, _ = post(t, rt, target, nil)
		g.respond = func(*http.Request) (*http.Response, error) { return answer(500, "down"), nil }
		_, _, _ = post(t, rt, target, nil)
		g.respond = nil
		sent := len(g.sent)
		_, _, _ = post(t, rt, target, nil)
		check(t, "sent", len(g.sent)-sent, 1)
	})
}

func TestAcceptedCallEndsTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{good: map[string]bool{}}
		rt := g.transport()
		_, _, _ = post(t, rt, target, nil)
		g.good[fmt.Sprintf("T%d", g.current)] = true
		status, _, _ := post(t, rt, target, nil)
		check(t, "status", status, 200)
		g.good = map[string]bool{fmt.Sprintf("T%d", g.current+1): true} // killed from outside
		status, _, _ = post(t, rt, target, nil)
		check(t, "status after a kill within the second", status, 200)
	})
}

func TestBreakerRemembersABoundedNumberOfCalls(t *testing.T) {
	g := &rig{}
	for i := range 5_500 { // two entries each: the call, and its key
		g.key = fmt.Sprint("player ", i)
		_, _, _ = post(t, g.transport(), target, nil)
	}
	if n := g.client().Pauses(); n > 10_000 || n < 9_000 {
		t.Errorf("%d calls remembered, want 10,000", n)
	}
}
