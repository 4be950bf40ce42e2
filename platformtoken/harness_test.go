package platformtoken_test

import (
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
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

var defaults = platformtokentest.Options{}

var (
	provider = testkit.NewProvider(platformtokentest.NewServer, platformtoken.New)
	open     = provider.Open
	errorIs  = testkit.ErrorIs[*platformtoken.Error]

	// bubble runs f with a server and a client of it in simulated time.
	bubble = provider.Bubble
)

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

// last is the last request that the server got.
func last(t *testing.T, srv *platformtokentest.Server) (*http.Request, string) {
	t.Helper()
	return testkit.Last(t, srv.Requests())
}

// answering makes every request be answered so.
func answering(srv *platformtokentest.Server, status int, body string) {
	srv.Intercept(nil)
	srv.Intercept(testkit.Always(status, nil, body))
}

// do sends a request to path and returns the status and the body.
func do(t *testing.T, hc *http.Client, srv *platformtokentest.Server, path, body string) (int, string) {
	t.Helper()
	r := testkit.Request(t, http.MethodPost, srv.URL()+path, body)
	r.Header.Set("Content-Type", "application/json")
	resp, answer := testkit.Do(t, hc, r)
	return resp.StatusCode, answer
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
