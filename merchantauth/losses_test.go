package merchantauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

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
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
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
		}
		wg.Wait()
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
