package platformtoken_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

const (
	createToken = "/auth/createToken"
	getBalance  = "/player/getBalance"
	transfer    = "/player/transfer"
	getStatus   = "/player/getTransferStatus"
)

var brl = platformtoken.Player{UserID: "t1_225478", Currency: "BRL"}

// bubble runs f with a server and a client of it in simulated time.
func bubble(t *testing.T, opt platformtokentest.Options, f func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client), change ...func(*platformtoken.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opt.InMemory = true
		srv := platformtokentest.NewServer(opt)
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

var defaults = platformtokentest.Options{}

func open(t testing.TB, cfg platformtoken.Config) *platformtoken.Client {
	t.Helper()
	c, err := platformtoken.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func token(t *testing.T, c *platformtoken.Client, p platformtoken.Player) platformtoken.Token {
	t.Helper()
	tok, err := c.Token(t.Context(), p)
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	return tok
}

// balance makes a call with the player's token that must succeed.
func balance(t *testing.T, c *platformtoken.Client, p platformtoken.Player) platformtoken.Balance {
	t.Helper()
	b, err := c.Balance(t.Context(), p)
	if err != nil {
		t.Fatalf("Balance: %v", err)
	}
	return b
}

func amount(t testing.TB, s string) providerauth.Amount {
	t.Helper()
	a, err := providerauth.ParseAmount(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func equal[V any](t testing.TB, what string, got, want V) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func errorIs(t testing.TB, err error, targets ...error) *platformtoken.Error {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("got %v, want %v", err, target)
		}
	}
	var e *platformtoken.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want *platformtoken.Error", err, err)
	}
	return e
}

// crowd calls f from n goroutines at once and waits for them.
func crowd(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// until sleeps to a time in a bubble.
func until(unix int64) { time.Sleep(time.Until(time.Unix(unix, 0))) }

// last is the last request that the server got.
func last(t *testing.T, srv *platformtokentest.Server) (*http.Request, string) {
	t.Helper()
	all := srv.Requests()
	if len(all) == 0 {
		t.Fatal("no requests")
	}
	r := all[len(all)-1]
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

// answering makes every request be answered so.
func answering(srv *platformtokentest.Server, status int, body string) {
	srv.Intercept(nil)
	srv.Intercept(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	})
}

// on accepts requests to a path, for faults.
func on(path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Path == path }
}

// do sends a request to path and returns the status and the body.
func do(t *testing.T, hc *http.Client, srv *platformtokentest.Server, path, body string) (int, string) {
	t.Helper()
	resp, err := hc.Post(srv.URL()+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// A tap is a RoundTripper that shows what passes.
type tap func(r *http.Request, next http.RoundTripper) (*http.Response, error)

func (f tap) through(next http.RoundTripper) http.RoundTripper { return tapped{f, next} }

type tapped struct {
	f    tap
	next http.RoundTripper
}

func (t tapped) RoundTrip(r *http.Request) (*http.Response, error) { return t.f(r, t.next) }

// tapping puts f under everything that the client sends.
func tapping(f tap) func(*platformtoken.Config) {
	return func(cfg *platformtoken.Config) {
		hc := *cfg.HTTPClient
		hc.Transport = f.through(hc.Transport)
		cfg.HTTPClient = &hc
	}
}
