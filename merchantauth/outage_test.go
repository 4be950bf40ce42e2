package merchantauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// subject is a client whose calls are half typed and half by HTTPClient.
var subject = provider.Subject(func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) testkit.Subject {
	srv.Handle("POST /v2/half", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		merchantauthtest.WriteData(w, http.StatusOK, true)
	}))
	h := c.HTTPClient()
	return testkit.Subject{
		Token: func() error { _, err := c.Token(t.Context()); return err },
		Call: func(i int) error {
			if i%2 == 0 {
				return testkit.Get(h, srv.URL()+"/v2/rate/equivalent")
			}
			_, err := c.FindCustomers(t.Context(), merchantauth.CustomerQuery{ExternalID: "x"})
			return err
		},
		Always:      func(int) error { _, err := c.CreateCustomer(t.Context(), alex()); return err },
		Half:        func(int) error { return c.Call(t.Context(), http.MethodPost, "/v2/half", nil, nil) },
		IsAlways:    testkit.Path(createPath),
		IsHalf:      testkit.Path("/v2/half"),
		StrayCalls:  srv.StrayCalls,
		StrayTokens: srv.StrayTokens,
		Strays:      srv.Strays,
		FailTokens:  testkit.FailTokens(srv, func(r *http.Request) bool { return r.URL.Path == loginPath || r.URL.Path == refreshPath }),
		Patience:    4*time.Second + 100*time.Millisecond,
		Creations:   func() int { return srv.Logins() + srv.Refreshes() },
	}
})

func TestClient_Strays(t *testing.T) { testkit.Strays(t, subject) }

func TestClient_Outage(t *testing.T) { testkit.Outage(t, subject) }

func TestClient_BadEndpoints(t *testing.T) { testkit.BadEndpoints(t, subject) }

func TestClient_RepeatedToken(t *testing.T) {
	bubble(t, merchantauthtest.Options{Refresh: merchantauthtest.RefreshOmits}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.RepeatTokens(1, 0, testkit.Path(refreshPath))
		token(t, c)
		srv.StrayCalls(1000, 0)
		for range 3600 { // an hour
			rates(t, c)
			time.Sleep(time.Second)
		}
		calls, _ := srv.Strays()
		testkit.Equal(t, "strays, tokens lost", fmt.Sprint(calls, ", ", c.Stats().Contested), "3, 0")
	})
}

// Between two turns there are at least 125 ms, then 250, 500, and so on up to
// 30 s. That makes at most nine turns in a minute, each of one request; after
// an unclear outcome the first has a second one, and the others are logins,
// with up to three attempts each.
func TestProviderThatIsDownForAMinuteFailsNobodyWhileTheTokenIsValid(t *testing.T) {
	for name, tc := range map[string]struct {
		down        func(http.Handler) http.Handler
		most, login int // requests while it is down, logins in all
	}{
		"503 with Retry-After": {testkit.Always(503, http.Header{"Retry-After": {"0"}}, "<html>"), 9, 1},
		"503 of Kuna":          {testkit.Always(503, nil, `{"errors":[{"code":"MAINTENANCE","message":"x"}]}`), 9, 1},
		"503 of a gateway":     {testkit.Always(503, nil, "<html>"), 2 + 8*3, 2},
		"connections broken":   {func(http.Handler) http.Handler { return http.HandlerFunc(abort) }, 2 + 8*3, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				tok := token(t, c)
				time.Sleep(time.Until(tok.ExpiresAt) - 3*time.Minute)
				requests := func() int { return srv.Count(loginPath) + srv.Count(refreshPath) }
				before := requests()
				srv.Intercept(tc.down)
				end := time.Now().Add(time.Minute)
				var wg sync.WaitGroup
				var calls atomic.Int64
				for range 20 {
					wg.Go(func() {
						for time.Now().Before(end) {
							if _, err := c.Token(t.Context()); err != nil {
								t.Error(err)
							}
							calls.Add(1)
							time.Sleep(100 * time.Millisecond)
						}
					})
				}
				wg.Wait()
				during := requests() - before
				t.Logf("%d requests while %d calls of Token succeeded", during, calls.Load())
				if during < 5 || during > tc.most {
					t.Errorf("%d requests in a minute of failure, want 5 to %d", during, tc.most)
				}
				srv.Intercept(nil)
				time.Sleep(61 * time.Second) // the longest back-off
				token(t, c)
				synctest.Wait()
				if token(t, c).ID() == tok.ID() {
					t.Error("not refreshed after the provider was back")
				}
				testkit.Equal(t, "logins that were granted", srv.Logins(), tc.login)
			})
		})
	}
}

// Where nothing can have been sent there is no reason to give a session up.
func TestProviderThatCannotBeConnectedToCostsNoLogin(t *testing.T) {
	var down atomic.Bool
	var dials atomic.Int64
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		tok := token(t, c)
		time.Sleep(time.Until(tok.ExpiresAt) - 3*time.Minute)
		down.Store(true)
		for range 600 {
			token(t, c)
			time.Sleep(100 * time.Millisecond)
		}
		if n := dials.Load(); n < 5 {
			t.Errorf("%d connections were tried, want at least 5", n)
		}
		costs(t, srv, 1, 0)
		down.Store(false)
		time.Sleep(61 * time.Second) // the longest back-off
		token(t, c)
		synctest.Wait()
		if token(t, c).ID() == tok.ID() {
			t.Error("not refreshed after the provider was back")
		}
		costs(t, srv, 1, 1)
	}, func(cfg *merchantauth.Config) {
		up := cfg.HTTPClient.Transport
		cfg.HTTPClient = &http.Client{Transport: testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
			if down.Load() {
				dials.Add(1)
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return up.RoundTrip(r)
		})}
	})
}

func abort(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestRejectionsThatANewTokenDoesNotCureAreDampedAndPassedOn(t *testing.T) {
	for way, call := range ways {
		t.Run(way, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				token(t, c)
				answering(srv, "/v2/balance", 401, `{"errors":[{"code":"UNAUTHORIZED","message":"no such scope"}]}`)
				for range 50 {
					if call(t, srv, c) == nil {
						t.Fatal("no error")
					}
				}
				testkit.Equal(t, "requests", srv.Count("/v2/balance"), 51)
				costs(t, srv, 1, 1)
				time.Sleep(time.Second)
				_ = call(t, srv, c)
				costs(t, srv, 1, 2)
			})
		})
	}
}

func TestPausesAfterRejectionsDoubleToAMinute(t *testing.T) {
	for way, call := range ways {
		t.Run(way, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				token(t, c)
				answering(srv, "/v2/balance", 401, "")
				for n, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
					_ = call(t, srv, c)
					costs(t, srv, 1, n+1)
					time.Sleep(pause*time.Second - time.Millisecond)
					_ = call(t, srv, c)
					costs(t, srv, 1, n+1)
					time.Sleep(time.Millisecond)
				}
			})
		})
	}
}

func TestServerErrorDoesNotEndThePauseAfterARejection(t *testing.T) {
	for way, call := range ways {
		t.Run(way, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				token(t, c)
				for _, status := range []int{401, 500, 401} {
					answering(srv, "/v2/balance", status, `{"errors":[{"code":"X"}]}`)
					_ = call(t, srv, c)
				}
				testkit.Equal(t, "requests", srv.Count("/v2/balance"), 4)
				costs(t, srv, 1, 1)
				answering(srv, "/v2/balance", 404, `{"errors":[{"code":"X"}]}`)
				_ = call(t, srv, c) // which is about something else: the token is good
				answering(srv, "/v2/balance", 401, `{"errors":[{"code":"X"}]}`)
				_ = call(t, srv, c)
				costs(t, srv, 1, 2)
			})
		})
	}
}

// A witness stands between a client and its provider, and notes which refresh
// tokens have been replaced by an answer that came in whole.
type witness struct {
	base     http.RoundTripper
	mu       sync.Mutex
	replaced map[string]bool
	again    int // replaced refresh tokens that were sent
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, refreshPath) {
		return w.base.RoundTrip(r)
	}
	sent, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	old := refreshTokenIn(sent)
	w.mu.Lock()
	if w.replaced[old] {
		w.again++
	}
	w.mu.Unlock()
	resp, err := w.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct{ Data json.RawMessage }
	_ = json.Unmarshal(body, &answer)
	if next := refreshTokenIn(bytes.NewReader(answer.Data)); next != "" && next != old {
		w.mu.Lock()
		w.replaced[old] = true
		w.mu.Unlock()
	}
	return resp, nil
}

func refreshTokenIn(r io.Reader) string {
	var body struct{ RefreshToken string }
	_ = json.NewDecoder(r).Decode(&body)
	return body.RefreshToken
}

// Every fifth answer is lost after the provider has acted. A lost refresh costs
// the session, so a login; a lost login costs another. That bounds the logins:
// one, and one more for each answer of the two that was lost.
func TestTenThousandCallsOverALossyProviderThatRotates(t *testing.T) {
	bad := &witness{replaced: map[string]bool{}}
	bubble(t, merchantauthtest.Options{TokenLifetime: 2 * time.Second}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		bad.base = srv.Client().Transport
		var acted atomic.Int64
		srv.Handle("POST /v2/balance", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			acted.Add(1)
			merchantauthtest.WriteData(w, http.StatusOK, map[string]string{"BTC": "0.5"})
		}))
		// The filter is asked one at a time. Each path has its own source, so that
		// the few refreshes have their share whatever comes between.
		random := map[string]*rand.Rand{}
		lost := map[string]int{}
		srv.LoseAnswers(math.MaxInt, func(r *http.Request) bool {
			if random[r.URL.Path] == nil {
				random[r.URL.Path] = rand.New(rand.NewPCG(1, 2))
			}
			if random[r.URL.Path].IntN(5) > 0 {
				return false
			}
			lost[r.URL.Path]++
			return true
		})
		srv.Delay(20 * time.Millisecond)
		client := c.HTTPClient()
		var ok, typed, ofBase atomic.Int64
		testkit.Crowd(100, func(int) {
			for range 100 {
				resp, err := client.Post(srv.URL()+"/v2/balance", "application/json", strings.NewReader(`{"assets":["BTC"]}`))
				var own *merchantauth.Error
				switch {
				case err == nil:
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						t.Errorf("status %d", resp.StatusCode)
					}
					ok.Add(1)
				case errors.As(err, &own):
					if !errors.Is(err, providerauth.ErrNotSent) || own.Ambiguous() {
						t.Errorf("a typed error that is not of an unsent request: %v", err)
					}
					typed.Add(1)
				case errors.Is(err, io.EOF):
					ofBase.Add(1)
				default:
					t.Errorf("unexpected: %v", err)
				}
				time.Sleep(time.Duration(300+rand.N(400)) * time.Millisecond)
			}
		})
		c.Close() // waits for a refresh in the background, which nobody above waited for
		t.Logf("%d calls succeeded, %d had no token, %d lost their answers; %d logins and %d refreshes acted on; lost %v",
			ok.Load(), typed.Load(), ofBase.Load(), srv.Logins(), srv.Refreshes(), lost)
		testkit.Equal(t, "calls", ok.Load()+typed.Load()+ofBase.Load(), 10_000)
		testkit.Equal(t, "errors of the base", ofBase.Load(), int64(lost["/v2/balance"]))
		testkit.Equal(t, "calls acted on", acted.Load(), ok.Load()+ofBase.Load())
		testkit.Equal(t, "replaced refresh tokens sent again, by the witness", bad.again, 0)
		testkit.Equal(t, "replaced refresh tokens sent again, by the provider", srv.Replays(), 0)
		if most := 1 + lost[refreshPath] + lost[loginPath]; srv.Logins() > most || lost[refreshPath] < 3 {
			t.Errorf("%d logins, want at most %d", srv.Logins(), most)
		}
		if len(bad.replaced) < 10 {
			t.Errorf("the witness saw %d refreshes", len(bad.replaced))
		}
		if typed.Load() > 500 {
			t.Errorf("%d calls had no token, want at most 5 %%", typed.Load())
		}
	}, func(cfg *merchantauth.Config) {
		inner := cfg.HTTPClient
		bad.base = inner.Transport
		cfg.HTTPClient = &http.Client{Transport: bad}
	})
}
