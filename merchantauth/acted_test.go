package merchantauth_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestError_Retryable(t *testing.T) {
	const transferPath = "/v2/transfer"
	for mode, change := range modes {
		for _, status := range []int{408, 500, 502, 503} {
			t.Run(fmt.Sprint("a caller who repeats while it is ok acts once, answered errors under ", status, ", ", mode), func(t *testing.T) {
				bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					transfers := 0
					srv.Handle("POST "+transferPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						transfers++
						merchantauthtest.WriteData(w, 201, map[string]string{"id": "t-1"})
					}))
					soon := http.Header{"Retry-After": {"1"}}
					srv.FailActed(3, status, soon, testkit.Path(transferPath))
					errorIs(t, testkit.Repeat(func(int) error {
						return c.Call(t.Context(), "POST", transferPath, map[string]string{"amount": "5"}, nil)
					}), providerauth.ErrAmbiguous)
					testkit.Equal(t, "transfers", transfers, 1)

					srv.FailActed(3, status, soon, testkit.Path(createPath))
					errorIs(t, testkit.Repeat(func(int) error {
						_, err := c.CreateCustomer(t.Context(), alex())
						return err
					}), providerauth.ErrAmbiguous)
					testkit.Equal(t, "customers", srv.Customers(), 1)
					testkit.Equal(t, "creations that Kuna was asked for", srv.Count(createPath), 1)
				}, change...)
			})
		}
	}
}

func TestClient_CreateCustomer(t *testing.T) {
	t.Run("a 503 with Retry-After and without an envelope is not repeated", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			srv.Intercept(func(next http.Handler) http.Handler { // a gateway that gives up when Kuna has acted
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != createPath {
						next.ServeHTTP(w, r)
						return
					}
					next.ServeHTTP(&discarded{header: http.Header{}}, r)
					w.Header().Set("Retry-After", "1")
					w.WriteHeader(503)
				})
			})
			_, err := c.CreateCustomer(t.Context(), alex())
			e := errorIs(t, err, providerauth.ErrAmbiguous)
			if _, ok := e.Retryable(); ok {
				t.Errorf("retryable: %v", e)
			}
			testkit.Equal(t, "requests, customers", fmt.Sprint(srv.Count(createPath), srv.Customers()), "1 1")
		})
	})

	t.Run("a failure beside an expired token is not made again", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			token(t, c)
			answering(srv, createPath, 500, `{"errors":[{"code":"INTERNAL"},{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError"}}]}`)
			_, err := c.CreateCustomer(t.Context(), alex())
			errorIs(t, err, providerauth.ErrAmbiguous)
			resp, err := c.HTTPClient().Post(srv.URL()+createPath, "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			testkit.Equal(t, "requests", srv.Count(createPath), 2)
		})
	})

	t.Run("an expired token is replaced whatever the status", func(t *testing.T) {
		for _, status := range []int{200, 401, 403, 408, 500, 503} {
			bubble(t, merchantauthtest.Options{ErrorStatus: status}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				token(t, c)
				srv.ExpireTokens()
				if _, err := c.CreateCustomer(t.Context(), alex()); err != nil {
					t.Errorf("%d: %v", status, err)
				}
				testkit.Equal(t, "requests, customers", fmt.Sprint(srv.Count(createPath), srv.Customers()), "2 1")
			})
		}
	})
}

// discarded takes an answer that nobody gets.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarded) WriteHeader(int)             {}
