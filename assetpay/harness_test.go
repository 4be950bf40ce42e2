package assetpay_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
)

const (
	steamID  = "76561198012345678"
	tradeURL = "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh"
	exchange = "/auth/authenticate-client"
)

// user is a request that is right, without client data.
func user() assetpay.User {
	return assetpay.User{SteamID: steamID, TradeURL: tradeURL}
}

// with is user with client data.
func with(d assetpay.ClientData) assetpay.User {
	req := user()
	req.ClientData = &d
	return req
}

// bubble runs f with a server and a client of it in simulated time.
func bubble(t *testing.T, opt assetpaytest.Options, f func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client), change ...func(*assetpay.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opt.InMemory = true
		srv := assetpaytest.NewServer(opt)
		defer srv.Close()
		cfg := srv.Config()
		for _, ch := range change {
			ch(&cfg)
		}
		c := open(t, cfg)
		defer c.Close()
		f(t, srv, c)
	})
}

func local(cfg *assetpay.Config) { cfg.Mint = assetpay.MintLocal }

func once(cfg *assetpay.Config) { cfg.MaxAttempts = 1 }

func open(t testing.TB, cfg assetpay.Config) *assetpay.Client {
	t.Helper()
	c, err := assetpay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func token(t *testing.T, s assetpay.TokenSource) assetpay.Token {
	t.Helper()
	tok, err := s.Token(t.Context())
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	return tok
}

// inventory makes a call as the user that must succeed.
func inventory(t *testing.T, c *assetpay.Client) {
	t.Helper()
	var items []struct {
		Name  string
		Price float64
	}
	if err := c.CallFor(t.Context(), user(), http.MethodGet, "/client/inventory?limit=1", nil, &items); err != nil {
		t.Fatalf("inventory: %v", err)
	}
	equal(t, "items", len(items), 1)
}

func equal[V any](t *testing.T, what string, got, want V) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func errorIs(t *testing.T, err error, targets ...error) *assetpay.Error {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("got %v, want %v", err, target)
		}
	}
	var e *assetpay.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %T, want *assetpay.Error", err)
	}
	return e
}

// lastBody is what the server was sent last.
func lastBody(t *testing.T, srv *assetpaytest.Server) string {
	t.Helper()
	all := srv.Requests()
	b, err := io.ReadAll(all[len(all)-1].Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// until sleeps to a time in a bubble.
func until(unix int64) { time.Sleep(time.Until(time.Unix(unix, 0))) }

// answering makes every request be answered so.
func answering(srv *assetpaytest.Server, status int, header http.Header, body string) {
	srv.Intercept(nil)
	srv.Intercept(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range header {
				w.Header()[k] = v
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	})
}
