package merchantauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func tokenError(t *testing.T, c *merchantauth.Client) *merchantauth.Error {
	t.Helper()
	_, err := c.Token(t.Context())
	return errorIs(t, err)
}

func findError(t *testing.T, c *merchantauth.Client) *merchantauth.Error {
	t.Helper()
	_, err := c.FindCustomers(t.Context(), merchantauth.CustomerQuery{Email: "a@example.com"})
	return errorIs(t, err, providerauth.ErrNotSent)
}

func TestClient_Token_backOff(t *testing.T) {
	t.Run("RetryAfter is the time that is left", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			srv.FailNext(3, 429, http.Header{"Retry-After": {"60"}})
			first, failed := tokenError(t, c), time.Now()
			testkit.Equal(t, "at first", first.RetryAfter, time.Minute)
			testkit.Equal(t, "of this call", first.Failure().FailedAt, time.Time{})
			time.Sleep(59 * time.Second)
			for _, e := range []*merchantauth.Error{tokenError(t, c), findError(t, c)} {
				after, ok := e.Retryable()
				testkit.Equal(t, "Retryable", ok, true)
				testkit.Equal(t, "after", after, time.Second)
				testkit.Equal(t, "failed at", e.Failure().FailedAt.Equal(failed), true)
				if note := "no request was made since that failure of " + failed.UTC().Format(time.RFC3339); !strings.Contains(e.Error(), note) {
					t.Errorf("%q does not say %q", e, note)
				}
			}
			testkit.Equal(t, "requests", srv.Count(loginPath), 1)
			time.Sleep(time.Second)
			srv.FailNext(0, 0, nil)
			token(t, c)
		})
	})
	t.Run("a failed login is as Retryable from Token as from a typed call", func(t *testing.T) {
		for name, answer := range map[string]struct {
			status int
			body   string
		}{
			"a page under 200": {200, "<html>"},
			"no token":         {200, `{"data":{}}`},
			"a gateway":        {502, "<html>"},
			"a refusal":        {401, `{"errors":[{"code":"X","message":"no"}]}`},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					answering(srv, loginPath, answer.status, answer.body)
					tokenError(t, c)
					_, fromToken := tokenError(t, c).Retryable()
					_, fromFind := findError(t, c).Retryable()
					testkit.Equal(t, "Retryable", fromToken, fromFind)
					testkit.Equal(t, "Retryable", fromToken, answer.status != 401)
				})
			})
		}
	})
	t.Run("a closed client says so", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			srv.FailNext(1, 401, nil)
			tokenError(t, c)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			_, err := c.Token(t.Context())
			errorIs(t, err, providerauth.ErrClosed)
		})
	})
}
