package assetpay_test

import (
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

const (
	steamID  = "76561198012345678"
	tradeURL = "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh"
	exchange = "/auth/authenticate-client"
)

var (
	provider = testkit.NewProvider(assetpaytest.NewServer, assetpay.New)
	open     = provider.Open
	errorIs  = testkit.ErrorIs[*assetpay.Error]

	// bubble runs f with a server and a client of it in simulated time.
	bubble = provider.Bubble
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

func local(cfg *assetpay.Config) { cfg.Mint = assetpay.MintLocal }

func once(cfg *assetpay.Config) { cfg.MaxAttempts = 1 }

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
	testkit.Equal(t, "items", len(items), 1)
}

// lastBody is what the server was sent last.
func lastBody(t *testing.T, srv *assetpaytest.Server) string {
	t.Helper()
	_, body := testkit.Last(t, srv.Requests())
	return body
}

// answering makes every request be answered so.
func answering(srv *assetpaytest.Server, status int, header http.Header, body string) {
	srv.Intercept(nil)
	srv.Intercept(testkit.Always(status, header, body))
}
