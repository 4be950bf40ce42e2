package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// keeping is a rig that has no other token, whose provider rejects the nth
// requests as told.
func keeping(rejects ...bool) *rig {
	g := &rig{kept: true, good: map[string]bool{}}
	n := 0
	g.respond = func(*http.Request) (*http.Response, error) {
		n++
		if n <= len(rejects) && rejects[n-1] {
			return nil, nil
		}
		return answer(200, "yes"), nil
	}
	return g
}

func TestClient_use(t *testing.T) {
	t.Run("without another token the first rejection in a row is answered by the same token", func(t *testing.T) {
		g := keeping(true)
		status, _, _ := post(t, g.transport(), target, nil)
		check(t, "status", status, 200)
		check(t, "sent", g.sent, []string{"T0 ", "T0 "})
	})
	t.Run("the second in a row is not", func(t *testing.T) {
		g := keeping(true, true, true)
		rt := g.transport()
		for range 2 {
			status, _, _ := post(t, rt, target, nil)
			check(t, "status", status, 401)
		}
		check(t, "sent", len(g.sent), 3)
	})
	t.Run("an accepted request ends the row", func(t *testing.T) {
		g := keeping(true, true, false, true)
		rt := g.transport()
		for _, want := range []int{401, 200, 200} {
			status, _, _ := post(t, rt, target, nil)
			check(t, "status", status, want)
		}
		check(t, "sent", len(g.sent), 5)
	})
	t.Run("a rejection of the same token trips no breaker", func(t *testing.T) {
		g := keeping(true, true, true, true)
		rt := g.transport()
		_, _, _ = post(t, rt, target, nil)
		_, _, _ = post(t, rt, target, nil)
		check(t, "pauses", g.client().Pauses(), 0)
	})
	t.Run("a call whose token is replaced under it is made again each time", func(t *testing.T) {
		for replaced, want := range map[int]int{1: 200, 4: 200, 5: 401} {
			g := &rig{good: map[string]bool{fmt.Sprint("T", replaced): true}}
			g.respond = func(r *http.Request) (*http.Response, error) {
				g.mu.Lock()
				defer g.mu.Unlock()
				if g.current < replaced { // by another call
					g.current++
				}
				return nil, nil
			}
			status, _, _ := post(t, g.transport(), target, nil)
			check(t, fmt.Sprint("status after ", replaced), status, want)
			check(t, "pauses", g.client().Pauses(), 0)
		}
	})
	t.Run("a call whose token is replaced under it does not heed the breaker", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := forbidding()
			rt := g.transport()
			for i := range 3 { // rejections of all calls are passed on
				_, _, _ = post(t, rt, fmt.Sprintf("https://api.example.com/v1/forbidden/%d", i), nil)
			}
			was := g.current
			g.good = map[string]bool{fmt.Sprintf("T%d", was+1): true}
			inner := g.respond
			g.respond = func(r *http.Request) (*http.Response, error) {
				g.mu.Lock()
				g.current = was + 1
				g.mu.Unlock()
				return inner(r)
			}
			status, _, _ := post(t, rt, target, nil)
			check(t, "status", status, 200)
		})
	})
}

// used is one call, whose answers say what is given of the token. It returns how
// long its rejection is contested.
func used(t *testing.T, g *rig, rejects ...bool) (contested time.Duration) {
	t.Helper()
	n := 0
	g.respond = func(*http.Request) (*http.Response, error) {
		n++
		if rejects[n-1] {
			return answer(http.StatusUnauthorized, "no"), nil
		}
		return answer(http.StatusOK, "yes"), nil
	}
	_, err := g.client().Do(t.Context(), g.user(), transport.Call{Op: "Use", Method: http.MethodPost, Path: "/x", Policy: transport.Once})
	last := rejects[len(rejects)-1]
	if n != len(rejects) || (err != nil) != last {
		t.Fatalf("%d requests, %v, want %d", n, err, len(rejects))
	}
	var e *apierror.Error
	if errors.As(err, &e) {
		contested = e.RetryAfter
	}
	return contested
}

func TestClient_use_contested(t *testing.T) {
	const ok, no = false, true
	t.Run("a call that is accepted is not", func(t *testing.T) {
		g := &rig{kept: true, wait: 3 * time.Second}
		check(t, "at once", used(t, g, ok), time.Duration(0))
		check(t, "with the same token", used(t, g, no, ok), time.Duration(0))
	})
	t.Run("a rejection that stands is, for as long as no token is to be had", func(t *testing.T) {
		g := &rig{kept: true, wait: 3 * time.Second}
		check(t, "with the same token", used(t, g, no, no), 3*time.Second)
		check(t, "at once", used(t, g, no), 3*time.Second)
		g.wait = 0
		check(t, "if nobody knows how long", used(t, g, no), time.Second)
	})
	t.Run("a rejection of a new token is not, and those within the pause are", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := &rig{}
			check(t, "a new token", used(t, g, no, no), time.Duration(0))
			time.Sleep(time.Second / 4)
			check(t, "within the pause", used(t, g, no), 3*time.Second/4)
		})
	})
}

func TestBreaker_secret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ok, no = false, true
		g := &rig{}
		for range 6 { // the pauses have grown
			used(t, g, no, no)
			time.Sleep(time.Minute)
		}
		used(t, g, no, no)
		var asked atomic.Int64
		g.probed = func() { asked.Add(1) }
		used(t, g, no)
		check(t, "the secret is looked at while a pause is on", asked.Load() > 0, true)
		g.epoch.Add(1)
		used(t, g, no, ok) // a new secret may help, so a new token is tried
		check(t, "pauses", g.client().Pauses(), 0)
	})
}
