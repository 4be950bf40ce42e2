package merchantauth_test

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

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
