package session_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// rig is a transport over a token that is replaced when it is invalidated, and
// a base that accepts the tokens in good.
type rig struct {
	mu          sync.Mutex
	current     int
	invalidated int
	same        bool // the replacement has the same value
	kept        bool // no other token is to be had
	strikes     int
	wait        time.Duration
	epoch       atomic.Uint64
	probed      func()
	tokenErr    error
	good        map[string]bool
	sent        []string // token and body of each request
	respond     func(r *http.Request) (*http.Response, error)
	c           *session.Client
	key         string
	dialect     session.Dialect // nil: by 401
	outdated    bool            // the first token was signed by another clock
}

func (g *rig) transport() http.RoundTripper {
	return g.client().Transport(g.user(), testkit.RoundTrip(g.roundTrip))
}

func (g *rig) client() *session.Client {
	if g.c == nil {
		origin, _ := url.Parse("https://api.example.com/v1")
		g.c = session.New(session.Config{
			Provider: "acme", BaseURL: origin, Dialect: cmp.Or[session.Dialect](g.dialect, dialect{}), LongestPause: time.Minute,
			Options: session.Options{HTTPClient: &http.Client{Transport: testkit.RoundTrip(g.roundTrip)}},
		})
	}
	return g.c
}

func (g *rig) user() session.User { return session.User{Credential: g, Keeper: g, Key: g.key} }

// dialect is that of a provider that rejects by 401.
type dialect struct{}

func (dialect) Read(_ *transport.Call, status int, _ http.Header, _ []byte) apierror.Answer {
	if status == http.StatusUnauthorized {
		return apierror.Answer{Class: apierror.Rejected}
	}
	return apierror.Answer{}
}

func (dialect) Rejected(_ string, _ *http.Request, r *http.Response) bool {
	return r.StatusCode == http.StatusUnauthorized
}

func (dialect) Fail(_ string, err error) error { return fmt.Errorf("wrapped: %w", err) }

func (g *rig) Get(context.Context) (*credential.Secret, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tokenErr != nil {
		return nil, g.tokenErr
	}
	return g.token(), nil
}

func (g *rig) Set(r *http.Request, s *credential.Secret, _ []byte) error {
	header.Authorize(r.Header, s.Bearer())
	return nil
}

// A rig is a Keeper that replaces every rejected token, unless it is told to
// keep it.
func (g *rig) Current(id credential.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.token().ID() == id
}

func (g *rig) Reject(id credential.ID) (first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token().ID() != id {
		return false
	}
	g.strikes++
	if g.kept {
		return g.strikes == 1
	}
	g.current++
	g.invalidated++
	return true
}

func (g *rig) Accept(*credential.Secret) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.strikes = 0
}

func (g *rig) Contested() (time.Duration, error) { return g.wait, nil }

func (g *rig) Probe() uint64 {
	if g.probed != nil {
		g.probed()
	}
	return g.epoch.Load()
}

// token is the current one. The mutex is held.
func (g *rig) token() *credential.Secret {
	if g.same {
		return credential.New("T0")
	}
	if g.outdated && g.current == 0 {
		return credential.Signed("T0", 1<<20)
	}
	return credential.Signed(fmt.Sprintf("T%d", g.current), g.client().Clock.Stamp())
}

func (g *rig) roundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	g.mu.Lock()
	g.sent = append(g.sent, token+" "+string(body))
	g.mu.Unlock()
	if g.respond != nil {
		if resp, err := g.respond(r); resp != nil || err != nil {
			return resp, err
		}
	}
	if !g.good[token] {
		return answer(http.StatusUnauthorized, "no"), nil
	}
	return answer(http.StatusOK, "yes"), nil
}

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func post(t *testing.T, rt http.RoundTripper, target string, body io.Reader) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

const target = "https://api.example.com/v1/trade?x=1"

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestRejectedTokenIsReplacedAndTheRequestSentOnceMore(t *testing.T) {
	g := &rig{good: map[string]bool{"T1": true}}
	status, body, err := post(t, g.transport(), target, bytes.NewReader([]byte("order")))
	check(t, "answer", fmt.Sprint(status, body, err), "200yes<nil>")
	check(t, "sent", g.sent, []string{"T0 order", "T1 order"})
	check(t, "invalidated", g.invalidated, 1)
}

func TestBodyThatCannotBeRewoundIsSentOnceAndTheTokenDroppedAllTheSame(t *testing.T) {
	g := &rig{good: map[string]bool{"T1": true}}
	rt := g.transport()
	status, body, err := post(t, rt, target, struct{ io.Reader }{strings.NewReader("order")})
	check(t, "answer", fmt.Sprint(status, body, err), "401no<nil>")
	check(t, "sent", len(g.sent), 1)
	status, _, _ = post(t, rt, target, nil)
	check(t, "the next request", status, 200)
	check(t, "sent", len(g.sent), 2)
}

func TestCallerGetsTheRejectionIntactIfNoTokenCanBeHad(t *testing.T) {
	g := &rig{}
	g.respond = func(*http.Request) (*http.Response, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.tokenErr = errors.New("provider is down")
		return nil, nil
	}
	status, body, err := post(t, g.transport(), target, nil)
	check(t, "answer", fmt.Sprint(status, body, err), "401no<nil>")
	check(t, "sent", len(g.sent), 1)
}

// kill makes the current token and those before be refused, as another system
// does, and the next one be accepted.
func (g *rig) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.good = map[string]bool{fmt.Sprintf("T%d", g.current+1): true}
}

func TestCredentialsGoToNoOtherVirtualHost(t *testing.T) {
	g := &rig{good: map[string]bool{"T0": true}}
	g.respond = func(r *http.Request) (*http.Response, error) {
		check(t, "Host", r.Host, "")
		return nil, nil
	}
	req, _ := http.NewRequest(http.MethodGet, target, nil)
	req.Host = "another-tenant.example.com"
	if _, err := g.transport().RoundTrip(req); err != nil {
		t.Fatal(err)
	}
}

func TestGetBodyWithoutABodyLeavesTheRejectionIntact(t *testing.T) {
	g := &rig{good: map[string]bool{"T1": true}}
	req, _ := http.NewRequest(http.MethodPost, target, strings.NewReader("x"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, nil }
	resp, err := g.transport().RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("%v, %v", resp, err)
	}
	body, err := io.ReadAll(resp.Body)
	check(t, "body", fmt.Sprint(string(body), err), "no<nil>")
}

func TestManyRequestsWithOneDeadTokenReplaceItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{good: map[string]bool{"T1": true}}
		g.respond = func(*http.Request) (*http.Response, error) {
			time.Sleep(10 * time.Millisecond)
			return nil, nil
		}
		rt := g.transport()
		testkit.Crowd(50, func(int) {
			status, _, _ := post(t, rt, target, nil)
			check(t, "status", status, 200)
		})
		check(t, "invalidated", g.invalidated, 1)
		check(t, "sent", len(g.sent), 100)
	})
}

func TestCredentialsGoToTheConfiguredOriginOnly(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://api.example.com/other":     true,
		"https://API.example.com:443/v1":    true,
		"http://api.example.com/v1":         false,
		"https://api.example.com:8443/v1":   false,
		"https://api.example.com.evil.test": false,
		"https://example.com/v1":            false,
	} {
		g := &rig{good: map[string]bool{"T0": true}}
		body := &closer{Reader: strings.NewReader("x")}
		status, _, err := post(t, g.transport(), url, body)
		if ok {
			check(t, url, status, 200)
			continue
		}
		check(t, url+" was sent", len(g.sent), 0)
		check(t, url+" body closed", body.closed, true)
		for _, target := range []error{providerauth.ErrNotSent, providerauth.ErrInvalidRequest} {
			if !errors.Is(err, target) {
				t.Errorf("%s: got %v, want %v", url, err, target)
			}
		}
		var cause *apierror.Error
		if !errors.As(err, &cause) || cause.Fields["URL"] == "" {
			t.Errorf("%s: no rule for URL in %v", url, err)
		}
	}
}

type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

func TestFailedTokenCallIsNotSentAndNotAmbiguous(t *testing.T) {
	g := &rig{tokenErr: &apierror.Error{Err: errors.New("lost"), Ambiguous: true}}
	_, _, err := post(t, g.transport(), target, nil)
	check(t, "not sent", errors.Is(err, providerauth.ErrNotSent), true)
	check(t, "ambiguous", errors.Is(err, providerauth.ErrAmbiguous), false)
}

func TestRequestsWithoutURLOrHeaderDoNotPanic(t *testing.T) {
	g := &rig{good: map[string]bool{"T0": true}}
	rt := g.transport()
	if _, err := rt.RoundTrip(&http.Request{}); !errors.Is(err, providerauth.ErrInvalidRequest) {
		t.Errorf("no URL: %v", err)
	}
	if _, err := rt.RoundTrip(nil); !errors.Is(err, providerauth.ErrInvalidRequest) {
		t.Errorf("nil request: %v", err)
	}
	u, _ := url.Parse(target)
	resp, err := rt.RoundTrip(&http.Request{Method: "GET", URL: u})
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("nil header: %v", err)
	}
}

func TestCallersRequestIsNotChanged(t *testing.T) {
	g := &rig{good: map[string]bool{"T0": true}}
	req, _ := http.NewRequest(http.MethodGet, target, nil)
	req.Header["authorization"] = []string{"the caller's own"}
	resp, err := g.transport().RoundTrip(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	check(t, "header after", req.Header, http.Header{"authorization": {"the caller's own"}})
}

func TestBaseThatAnswersNothingIsAnErrorAndNoPanic(t *testing.T) {
	g := &rig{good: map[string]bool{"T0": true}}
	for name, resp := range map[string]*http.Response{"nil": nil, "no body": {StatusCode: http.StatusUnauthorized}} {
		rt := g.client().Transport(g.user(), testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return resp, nil }))
		_, _, err := post(t, rt, target, nil)
		check(t, name+" is an error", err != nil, resp == nil)
	}
}

func TestErrorOfTheBaseIsPassedOnUnwrapped(t *testing.T) {
	broken := errors.New("connection reset")
	g := &rig{respond: func(*http.Request) (*http.Response, error) { return nil, broken }}
	_, _, err := post(t, g.transport(), target, nil)
	if err != broken { //nolint:errorlint // the very value is promised
		t.Errorf("got %v, want the base's own error", err)
	}
	check(t, "invalidated", g.invalidated, 0)
}

func TestDateOfARejectionCorrectsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{good: map[string]bool{"T1": true}}
		g.respond = func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") == "Bearer T0" {
				resp := answer(401, "no")
				resp.Header.Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
				return resp, nil
			}
			if off := g.client().Clock.Offset(); off < 59*time.Minute || off > 61*time.Minute {
				t.Errorf("offset %v when the replay was sent, want an hour", off)
			}
			return nil, nil
		}
		status, _, _ := post(t, g.transport(), target, nil)
		check(t, "status", status, 200)
	})
}
