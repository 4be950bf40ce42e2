package session_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	checks "github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/session"
)

// peeking is the dialect of a provider that rejects by the body "dead".
type peeking struct{ dialect }

func (peeking) Rejected(_ string, r *http.Request, resp *http.Response) bool {
	head, whole := session.Peek(r.Context(), resp, 10)
	return whole && string(head) == "dead"
}

// A body that may be a stream is judged when the caller has read it.
func TestTransport_stream(t *testing.T) {
	for name, c := range map[string]struct {
		body     string
		rejected int
	}{
		"a rejection replaces the token for the next request":          {"dead", 1},
		"another body replaces nothing":                                {"alive", 0},
		"a body that is longer than a rejection is not looked at":      {strings.Repeat("dead", 10), 0},
		"a rejection that comes in pieces is a rejection all the same": {"de|ad", 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := &rig{dialect: peeking{}, good: map[string]bool{"T0": true}}
			g.respond = func(*http.Request) (*http.Response, error) {
				var pieces []io.Reader
				for _, piece := range strings.Split(c.body, "|") {
					pieces = append(pieces, strings.NewReader(piece))
				}
				return &http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(pieces...))}, nil
			}
			status, body, err := post(t, g.transport(), target, nil)
			check(t, "answer", fmt.Sprint(status, body, err), fmt.Sprint(200, strings.ReplaceAll(c.body, "|", ""), "<nil>"))
			check(t, "replaced", g.invalidated, c.rejected)
			check(t, "sent", len(g.sent), 1)
		})
	}
}

func TestClient_HTTPClient(t *testing.T) {
	g := &rig{good: map[string]bool{"T0": true}}
	g.respond = func(*http.Request) (*http.Response, error) {
		resp := answer(http.StatusFound, "")
		resp.Header.Set("Location", "https://elsewhere.example.com/")
		return resp, nil
	}
	resp, err := g.client().HTTPClient(g.transport()).Get(target)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	check(t, "a redirect is handed on", resp.StatusCode, http.StatusFound)
	check(t, "sent", len(g.sent), 1)
}

// A secret that was signed by the clock before its last correction is replaced
// before it is sent.
func TestTransport_outdatedSecret(t *testing.T) {
	g := &rig{good: map[string]bool{"T0": true, "T1": true}, outdated: true}
	c := g.client()
	now := time.Now()
	c.Clock.Observe(clock.Answer{
		Sent: now, Received: now, Refused: true, Stamp: c.Clock.Stamp(),
		Header: http.Header{"Date": {now.Add(time.Hour).UTC().Format(http.TimeFormat)}},
	})
	status, _, err := post(t, g.transport(), target, nil)
	check(t, "answer", fmt.Sprint(status, err), "200 <nil>")
	check(t, "sent", g.sent, []string{"T1 "})
}

func TestOptions(t *testing.T) {
	var p checks.Problems
	o := session.Options{AttemptTimeout: -1, MaxAttempts: -1, MaxResponseBytes: -1, RefreshBefore: -1}
	o.Check(&p)
	check(t, "fields with a rule", len(p), 4)
	check(t, "attributes", len(o.Attrs()), 6)
	check(t, "without OnAttempt", o.Attrs()[0], "on_attempt=not set")
	o.OnAttempt = func(context.Context, providerauth.Attempt) {}
	check(t, "with OnAttempt", o.Attrs()[0], "on_attempt=set")
}

func TestClient_Stats(t *testing.T) {
	got := (&rig{}).client().Stats(providerauth.Stats{Refreshes: 2})
	check(t, "refreshes and abandoned", fmt.Sprint(got.Refreshes, got.Abandoned), "2 0")
}
