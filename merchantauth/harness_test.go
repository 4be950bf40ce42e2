package merchantauth_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

const (
	loginPath   = "/v2/auth/login"
	refreshPath = "/v2/auth/refresh"
	createPath  = "/v2/customer/create"
)

var (
	provider = testkit.NewProvider(merchantauthtest.NewServer, merchantauth.New)
	open     = provider.Open
	errorIs  = testkit.ErrorIs[*merchantauth.Error]

	// bubble runs f with a server and a client of it in simulated time, in session
	// mode unless a change says otherwise.
	bubble = provider.Bubble
)

// withKey is key mode.
func withKey(cfg *merchantauth.Config) {
	cfg.MerchantID, cfg.Email, cfg.Password = "", "", nil
	cfg.APIKey = providerauth.StaticSecret("api-key-1")
}

func token(t *testing.T, c *merchantauth.Client) merchantauth.Token {
	t.Helper()
	tok, err := c.Token(t.Context())
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	return tok
}

// refreshOnce asks for 20 refreshes of a token at once, of which one succeeds.
func refreshOnce(t *testing.T, c *merchantauth.Client, tok merchantauth.Token) {
	t.Helper()
	var refreshed atomic.Int64
	testkit.Crowd(20, func(int) {
		_, err := c.Refresh(t.Context(), tok)
		if err == nil {
			refreshed.Add(1)
			return
		}
		e := errorIs(t, err, providerauth.ErrInvalidRequest)
		testkit.Equal(t, "rule", e.Fields["t"], "has a refresh token that was replaced by a later one, and must not be sent again")
	})
	testkit.Equal(t, "refreshed", refreshed.Load(), 1)
}

// rates makes a private call that must succeed.
func rates(t *testing.T, c *merchantauth.Client) {
	t.Helper()
	var got []struct{ Asset string }
	if err := c.Call(t.Context(), http.MethodGet, "/v2/rate/equivalent", nil, &got); err != nil {
		t.Fatalf("rates: %v", err)
	}
	testkit.Equal(t, "rates", len(got), 1)
}

// alex is a request with all that is required.
func alex() merchantauth.CreateCustomerRequest {
	return merchantauth.CreateCustomerRequest{
		Email: "alex@smith.example", FirstName: "Alex", LastName: "Smith", Country: "FR",
		VerificationDocumentID: "FV633452", ResidenceAddress: "Champ de Mars, 5 Av. Anatole France, 75007 Paris, France",
	}
}

// costs checks how many logins and refreshes were asked for, refused and lost
// ones included.
func costs(t *testing.T, srv *merchantauthtest.Server, logins, refreshes int) {
	t.Helper()
	testkit.Equal(t, "logins, refreshes", fmt.Sprint(srv.Count(loginPath), ", ", srv.Count(refreshPath)), fmt.Sprint(logins, ", ", refreshes))
}

// answering makes requests to a path be answered so, without the provider
// acting. An empty path is every path.
func answering(srv *merchantauthtest.Server, path string, status int, body string) {
	srv.Intercept(nil)
	json := http.Header{"Content-Type": {"application/json"}}
	if path == "" {
		srv.Intercept(testkit.Always(status, json, body))
		return
	}
	srv.Intercept(testkit.Always(status, json, body, testkit.Path(path)))
}

// lastBody is what the server was sent last to the path.
func lastBody(t *testing.T, srv *merchantauthtest.Server, path string) string {
	t.Helper()
	_, body := testkit.Last(t, srv.Requests(), testkit.Path(path))
	return body
}

// jwt is a token of Kuna's form with the given claims.
func jwt(claims string) string {
	return testkit.JWT(`{"alg":"RS256","typ":"JWT"}`, claims, strings.Repeat("s", 256))
}

// past sleeps until the token has expired.
func past(tok merchantauth.Token) { time.Sleep(time.Until(tok.ExpiresAt) + time.Second) }

// intoWindow sleeps until the token is about to be refreshed and still good.
func intoWindow(tok merchantauth.Token) { time.Sleep(time.Until(tok.ExpiresAt) - time.Minute) }

var none context.Context
