package platformtoken_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// sendWithKey sends a transfer with an idempotency key of the caller's, on the
// connection that is kept from the calls before.
func sendWithKey(t *testing.T, hc *http.Client, srv *platformtokentest.Server, header string, body io.Reader) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL()+transfer, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(header, "tx-1")
	resp, err := hc.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err
}

const transferBody = `{"txId":"tx-1","transferType":1,"amount":5}`

func TestClient_HTTPClientFor(t *testing.T) {
	for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		for name, body := range map[string]io.Reader{
			"a body that cannot be rewound": io.MultiReader(strings.NewReader(transferBody)),
			"a body that can":               strings.NewReader(transferBody),
			"an empty body":                 io.MultiReader(),
			"no body":                       nil,
		} {
			t.Run("a transfer with "+header+" and "+name+" is made once if its connection ends without an answer", func(t *testing.T) {
				srv := platformtokentest.NewServer(defaults)
				defer srv.Close()
				c := open(t, srv.Config())
				defer c.Close()
				var moved atomic.Int32
				srv.Intercept(func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Path != transfer {
							next.ServeHTTP(w, r)
							return
						}
						moved.Add(1)
						panic(http.ErrAbortHandler) // closes the connection
					})
				})
				balance(t, c, brl)
				if sendWithKey(t, c.HTTPClientFor(brl), srv, header, body) == nil {
					t.Error("no error")
				}
				testkit.Equal(t, "transfers", moved.Load(), 1)
			})
		}
	}

	t.Run("a transfer of which nothing got out is sent on another connection", func(t *testing.T) {
		srv := platformtokentest.NewServer(defaults)
		defer srv.Close()
		var dials, dead atomic.Int32
		pool := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil && dials.Add(1) == 1 {
				conn = &stuck{conn, &dead}
			}
			return conn, err
		}}
		defer pool.CloseIdleConnections()
		cfg := srv.Config()
		cfg.HTTPClient = &http.Client{Transport: pool}
		c := open(t, cfg)
		defer c.Close()
		balance(t, c, brl)
		dead.Store(1)
		if err := sendWithKey(t, c.HTTPClientFor(brl), srv, "Idempotency-Key", io.MultiReader(strings.NewReader(transferBody))); err != nil {
			t.Error(err)
		}
		testkit.Equal(t, "wallet, dials", fmt.Sprint(srv.Balance(brl), " ", dials.Load()), "5 2")
	})
}

func TestClient_TransportFor(t *testing.T) {
	t.Run("a base may send a transfer with Idempotency-Key again after an answer", func(t *testing.T) {
		srv := platformtokentest.NewServer(defaults)
		defer srv.Close()
		c := open(t, srv.Config())
		defer c.Close()
		pool := new(http.Transport)
		defer pool.CloseIdleConnections()
		srv.FailNext(1, http.StatusServiceUnavailable, nil, testkit.Path(transfer))
		hc := &http.Client{Transport: c.TransportFor(brl, again{pool})}
		if err := sendWithKey(t, hc, srv, "Idempotency-Key", strings.NewReader(transferBody)); err != nil {
			t.Error(err)
		}
		testkit.Equal(t, "wallet", srv.Balance(brl), "5")
		testkit.Equal(t, "requests", srv.Count(transfer), 2)
	})
}

// stuck is a connection that takes no more bytes once it is dead.
type stuck struct {
	net.Conn
	dead *atomic.Int32
}

func (s *stuck) Write(b []byte) (int, error) {
	if s.dead.Load() != 0 {
		return 0, syscall.EPIPE
	}
	return s.Conn.Write(b)
}

// again sends a request once more if it was answered 503.
type again struct{ next http.RoundTripper }

func (a again) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		return resp, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	second := *r
	if second.Body, err = r.GetBody(); err != nil {
		return nil, err
	}
	return a.next.RoundTrip(&second)
}
