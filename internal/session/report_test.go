package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// observing makes the rig show its attempts to f.
func (g *rig) observing(f func(context.Context, providerauth.Attempt)) {
	origin, _ := url.Parse("https://api.example.com/v1")
	g.c = session.New(session.Config{
		Provider: "acme", BaseURL: origin, Dialect: dialect{}, LongestPause: time.Minute,
		Options: session.Options{HTTPClient: &http.Client{Transport: testkit.RoundTrip(g.roundTrip)}, OnAttempt: f},
	})
}

func TestTransport_OnAttempt(t *testing.T) {
	t.Run("it is called for each sending of a request", func(t *testing.T) {
		var seen []providerauth.Attempt
		g := &rig{good: map[string]bool{"T1": true}}
		g.observing(func(_ context.Context, a providerauth.Attempt) {
			a.Duration = 0
			seen = append(seen, a)
		})
		if _, _, err := post(t, g.transport(), "https://api.example.com/v1/users/u-4711?token=hunter2", strings.NewReader("{}")); err != nil {
			t.Fatal(err)
		}
		first := providerauth.Attempt{
			Provider: "acme", Op: "Transport", Method: "POST", Path: "/users/{id}", StatusCode: 401,
			Attempt: 1, Outcome: providerauth.OutcomeRejected,
		}
		second := first
		second.StatusCode, second.Attempt, second.Outcome = 200, 2, providerauth.OutcomeOK
		check(t, "attempts", fmt.Sprint(seen), fmt.Sprint([]providerauth.Attempt{first, second}))
	})

	t.Run("it is not called for a request that is not sent", func(t *testing.T) {
		calls := 0
		g := &rig{tokenErr: errors.New("no token")}
		g.observing(func(context.Context, providerauth.Attempt) { calls++ })
		for _, url := range []string{target, "https://elsewhere.example.com/"} {
			if _, _, err := post(t, g.transport(), url, nil); err == nil {
				t.Errorf("%s: no error", url)
			}
		}
		check(t, "calls", calls, 0)
	})

	for name, tt := range map[string]struct {
		respond func(*http.Request) (*http.Response, error)
		want    string
	}{
		"a redirect is handed on":    {func(*http.Request) (*http.Response, error) { return answer(302, ""), nil }, "302 ok"},
		"a failure":                  {func(*http.Request) (*http.Response, error) { return answer(503, ""), nil }, "503 failed"},
		"a refusal":                  {func(*http.Request) (*http.Response, error) { return answer(422, ""), nil }, "422 refused"},
		"a rate limit":               {func(*http.Request) (*http.Response, error) { return answer(429, ""), nil }, "429 rate_limited"},
		"no connection":              {func(*http.Request) (*http.Response, error) { return nil, &net.OpError{Op: "dial", Err: io.EOF} }, "0 not_sent"},
		"a lost answer":              {func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, "0 lost"},
		"a time limit of the base":   {func(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }, "0 timeout"},
		"the end of the own context": {func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }, "0 canceled"},
	} {
		t.Run(name+": "+tt.want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen []string
				g := &rig{good: map[string]bool{"T0": true}, respond: tt.respond}
				g.observing(func(_ context.Context, a providerauth.Attempt) {
					seen = append(seen, fmt.Sprint(a.StatusCode, " ", a.Outcome))
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
				if err != nil {
					t.Fatal(err)
				}
				if resp, err := g.transport().RoundTrip(req); err == nil {
					resp.Body.Close()
				}
				check(t, "attempts", fmt.Sprint(seen), fmt.Sprint([]string{tt.want}))
			})
		})
	}
}
