package merchantauth_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

const findPath = "/v2/customer/find"

// known is a request with an id of the merchant's own.
func known(id string) merchantauth.CreateCustomerRequest {
	req := alex()
	req.ExternalID, req.Email = id, id+"@smith.example"
	return req
}

// traffic is the creations and searches that reached the server, and the customers
// there.
func traffic(srv *merchantauthtest.Server) string {
	return fmt.Sprint(srv.Count(createPath), " creations, ", srv.Count(findPath), " searches, ", srv.Customers(), " customers")
}

func TestClient_EnsureCustomer(t *testing.T) {
	create := testkit.Path(createPath)
	ensuring := func(name string, f func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client)) {
		for mode, change := range modes {
			t.Run(name+", "+mode, func(t *testing.T) { bubble(t, merchantauthtest.Options{}, f, change...) })
		}
	}

	ensuring("it creates a customer once", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		for range 3 {
			got, err := c.EnsureCustomer(t.Context(), known("u1"))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Equal(t, "id", got.ID, "cust-0001-xyz")
		}
		testkit.Equal(t, "traffic", traffic(srv), "1 creations, 3 searches, 1 customers")
	})

	for name, tt := range map[string]struct {
		lose func(*merchantauthtest.Server)
		took time.Duration
	}{
		"lost":                            {func(s *merchantauthtest.Server) { s.LoseAnswers(1, create) }, 0},
		"cut":                             {func(s *merchantauthtest.Server) { s.Truncate(1, create) }, 0},
		"a 502 of a gateway":              {func(s *merchantauthtest.Server) { s.FailActed(1, 502, nil, create) }, 0},
		"a 503 with Retry-After":          {func(s *merchantauthtest.Server) { s.FailActed(1, 503, http.Header{"Retry-After": {"1"}}, create) }, 0},
		"lost, and Kuna acts 2 s later":   {func(s *merchantauthtest.Server) { s.ActLate(1, 2*time.Second, create) }, 3 * time.Second},
		"lost, and Kuna acts 29 s later":  {func(s *merchantauthtest.Server) { s.ActLate(1, 29*time.Second, create) }, 30 * time.Second},
		"missing at the end of the limit": {func(s *merchantauthtest.Server) { s.Stall(1, create) }, 2 * time.Minute},
	} {
		ensuring("the customer of an answer is found: "+name, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			tt.lose(srv)
			begun := time.Now()
			got, err := c.EnsureCustomer(t.Context(), known("u1"))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Equal(t, "id", got.ID, "cust-0001-xyz")
			testkit.Equal(t, "took", time.Since(begun).Truncate(time.Second), tt.took)
			testkit.Equal(t, "creations, customers", fmt.Sprint(srv.Count(createPath), srv.Customers()), "1 1")
		})
	}

	ensuring("a customer that is not found leaves the error ambiguous", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.ActLate(1, time.Minute, create)
		begun := time.Now()
		got, err := c.EnsureCustomer(t.Context(), known("u1"))
		e := errorIs(t, err, providerauth.ErrAmbiguous)
		if _, again := e.Retryable(); again {
			t.Errorf("retryable: %v", e)
		}
		testkit.Equal(t, "op, id", e.Op+got.ID, "CreateCustomer")
		testkit.Equal(t, "took", time.Since(begun), 30*time.Second)
		testkit.Equal(t, "traffic", traffic(srv), "1 creations, 7 searches, 0 customers")

		time.Sleep(time.Minute)
		got, err = c.EnsureCustomer(t.Context(), known("u1"))
		testkit.Equal(t, "id, error", fmt.Sprint(got.ID, err), "cust-0001-xyz<nil>")
		testkit.Equal(t, "traffic after the next call", traffic(srv), "1 creations, 8 searches, 1 customers")
	})

	ensuring("no customer is created twice, whatever is lost", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		rnd := rand.New(rand.NewPCG(1, 2))
		const customers = 100
		for i := range customers {
			req := known(fmt.Sprint("u", i))
			for try := 0; ; try++ {
				switch rnd.IntN(5) {
				case 0:
					srv.LoseAnswers(1, create)
				case 1:
					srv.ActLate(1, rand.N(2*time.Minute), create)
				case 2:
					srv.FailActed(1, 500, nil, create)
				case 3:
					srv.Truncate(1, create)
				}
				_, err := c.EnsureCustomer(t.Context(), req)
				srv.ClearFaults()
				if err == nil {
					break
				}
				errorIs(t, err, providerauth.ErrAmbiguous)
				if try == 2 {
					t.Fatalf("customer %d: %v", i, err)
				}
				time.Sleep(3 * time.Minute)
			}
		}
		testkit.Equal(t, "creations, customers", fmt.Sprint(srv.Count(createPath), " ", srv.Customers()), fmt.Sprint(customers, " ", customers))
	})

	ensuring("calls at the same time return the same customer", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.Delay(time.Second)
		testkit.Crowd(20, func(int) {
			got, err := c.EnsureCustomer(t.Context(), known("u1"))
			if err != nil || got.ID != "cust-0001-xyz" {
				t.Errorf("got %v, %v", got, err)
			}
		})
		testkit.Equal(t, "customers", srv.Customers(), 1)
	})

	ensuring("a request without ExternalID costs nothing", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		req := alex()
		req.FirstName = ""
		_, err := c.EnsureCustomer(t.Context(), req)
		e := errorIs(t, err, providerauth.ErrInvalidRequest)
		testkit.Equal(t, "op", e.Op, "EnsureCustomer")
		testkit.Equal(t, "fields", e.Fields, map[string]string{"ExternalID": "required", "FirstName": "required"})
		_, err = c.EnsureCustomer(none, known("u1"))
		e = errorIs(t, err, providerauth.ErrInvalidRequest)
		testkit.Equal(t, "fields", e.Fields, map[string]string{"ctx": "must not be nil"})
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
	})

	ensuring("a customer with another Email is not returned, and none is created", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		other := known("u1")
		other.Email = "sam@smith.example"
		if _, err := c.EnsureCustomer(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		_, err := c.EnsureCustomer(t.Context(), known("u1"))
		e := errorIs(t, err, providerauth.ErrInvalidRequest)
		testkit.Equal(t, "fields", e.Fields, map[string]string{"ExternalID": "belongs to a customer with another Email"})
		testkit.Equal(t, "traffic", traffic(srv), "1 creations, 2 searches, 1 customers")
	})

	for name, tt := range map[string]struct{ data, want string }{
		"several customers are an error":              {`[{"id":"a","externalId":"u1","email":"u1@smith.example"},{"id":"b","externalId":"u1","email":"u1@smith.example"}]`, "belongs to several customers"},
		"the case of the Email does not matter":       {`[{"id":"a","externalId":"u1","email":"U1@Smith.example"}]`, "a"},
		"a customer without Email in the answer":      {`[{"id":"a","externalId":"u1"}]`, "a"},
		"a customer without ExternalID in the answer": {`[{"id":"a","email":"u1@smith.example"}]`, "a"},
		"a stranger without ExternalID is an error":   {`[{"id":"a","email":"u2@smith.example"}]`, "belongs to a customer with another Email"},
		"a longer ExternalID is another customer's":   {`[{"id":"b","externalId":"u12"},{"id":"a","externalId":"u1"}]`, "a"},
	} {
		ensuring(name, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			answering(srv, findPath, 200, `{"data":`+tt.data+`}`)
			got, err := c.EnsureCustomer(t.Context(), known("u1"))
			var e *merchantauth.Error
			if errors.As(err, &e) {
				got.ID = e.Fields["ExternalID"]
			}
			testkit.Equal(t, "id or rule", got.ID, tt.want)
			testkit.Equal(t, "creations", srv.Count(createPath), 0)
		})
	}

	ensuring("after a refusal the customer of another process is returned", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == createPath && srv.Count(createPath) == 1 {
					if _, err := c.CreateCustomer(context.WithoutCancel(r.Context()), known("u1")); err != nil {
						t.Error(err)
					}
				}
				next.ServeHTTP(w, r)
			})
		})
		got, err := c.EnsureCustomer(t.Context(), known("u1"))
		testkit.Equal(t, "id, error", fmt.Sprint(got.ID, err), "cust-0001-xyz<nil>")
		testkit.Equal(t, "traffic", traffic(srv), "2 creations, 2 searches, 1 customers")
	})

	ensuring("a refusal stands if there is no such customer", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		other := known("u1")
		other.ExternalID = "u2"
		if _, err := c.CreateCustomer(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		_, err := c.EnsureCustomer(t.Context(), known("u1"))
		e := errorIs(t, err)
		testkit.Equal(t, "op, status, ambiguous", fmt.Sprint(e.Op, e.StatusCode, e.Ambiguous()), "CreateCustomer409 false")
		testkit.Equal(t, "traffic", traffic(srv), "2 creations, 2 searches, 1 customers")
	})

	ensuring("a refused credential is not looked behind", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		answering(srv, createPath, 401, `{"errors":[{"code":"UNAUTHORIZED"}]}`)
		_, err := c.EnsureCustomer(t.Context(), known("u1"))
		errorIs(t, err, providerauth.ErrUnauthorized)
		testkit.Equal(t, "searches", srv.Count(findPath), 1)
	})

	ensuring("a first search that fails creates nothing", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.FailNext(3, 503, nil, testkit.Path(findPath))
		_, err := c.EnsureCustomer(t.Context(), known("u1"))
		e := errorIs(t, err)
		if _, again := e.Retryable(); !again || e.Op != "FindCustomers" {
			t.Errorf("not a retryable search: %v", e)
		}
		testkit.Equal(t, "traffic", traffic(srv), "0 creations, 3 searches, 0 customers")
	})

	ensuring("searches go on after a temporary failure, and end with a permanent one", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		find := testkit.Path(findPath)
		for i, status := range []int{503, 403} {
			srv.Intercept(nil)
			srv.Intercept(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == createPath {
						srv.FailNext(3, status, nil, find)
					}
					next.ServeHTTP(w, r)
				})
			})
			srv.LoseAnswers(1, create)
			got, err := c.EnsureCustomer(t.Context(), known(fmt.Sprint("u", i)))
			if status == 503 {
				testkit.Equal(t, "id, error", fmt.Sprint(got.ID, err), "cust-0001-xyz<nil>")
				continue
			}
			e := errorIs(t, err, providerauth.ErrAmbiguous)
			testkit.Equal(t, "op", e.Op, "CreateCustomer")
		}
	})

	ensuring("a deadline leaves time for searches", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		for i, tt := range []struct{ deadline, took time.Duration }{{10 * time.Second, 5 * time.Second}, {90 * time.Second, time.Minute}} {
			srv.Stall(1, create)
			ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
			begun := time.Now()
			_, err := c.EnsureCustomer(ctx, known(fmt.Sprint("u", i)))
			cancel()
			testkit.Equal(t, "took, error", fmt.Sprint(time.Since(begun), err), fmt.Sprint(tt.took, " <nil>"))
		}
	})

	ensuring("the end of the context ends the searches", func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		srv.ActLate(1, time.Hour, create)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		_, err := c.EnsureCustomer(ctx, known("u1"))
		errorIs(t, err, providerauth.ErrAmbiguous)
		testkit.Equal(t, "took", time.Since(begun), 5*time.Second)
	})
}
