package merchantauth_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// whole is the sample of Kuna's page.
func whole() merchantauth.CreateCustomerRequest {
	req := alex()
	req.PhoneNumber, req.ITN = "+380991234567", "633-123-92-12"
	req.Comment = "Alex is a special client. Hi is a refferal of Denis."
	req.ExternalID, req.ReferralID = "12124d80-dd80-4c70-aa9c-c2aa014cc29e", "1f44b1c7-9fd4-4d20-b9a4-7aca3646d0d5"
	return req
}

var modes = map[string][]func(*merchantauth.Config){"session": nil, "key": {withKey}}

func TestCreateCustomerSendsWhatKunasPageShows(t *testing.T) {
	for name, tc := range map[string]struct {
		req  merchantauth.CreateCustomerRequest
		want string
	}{
		"all fields": {whole(), `{"email":"alex@smith.example","phoneNumber":"+380991234567","firstName":"Alex","lastName":"Smith",` +
			`"comment":"Alex is a special client. Hi is a refferal of Denis.","externalId":"12124d80-dd80-4c70-aa9c-c2aa014cc29e",` +
			`"referralId":"1f44b1c7-9fd4-4d20-b9a4-7aca3646d0d5","country":"FR","verificationDocumentId":"FV633452",` +
			`"residenceAddress":"Champ de Mars, 5 Av. Anatole France, 75007 Paris, France","itn":"633-123-92-12"}`},
		"required ones": {alex(), `{"email":"alex@smith.example","firstName":"Alex","lastName":"Smith","country":"FR","verificationDocumentId":"FV633452",` +
			`"residenceAddress":"Champ de Mars, 5 Av. Anatole France, 75007 Paris, France"}`},
	} {
		for mode, change := range modes {
			t.Run(name+", "+mode, func(t *testing.T) {
				bubble(t, merchantauthtest.Options{Status: 201}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					got, err := c.CreateCustomer(t.Context(), tc.req)
					if err != nil {
						t.Fatal(err)
					}
					testkit.Equal(t, "body", lastBody(t, srv, createPath), tc.want)
					testkit.Equal(t, "customer", fmt.Sprint(got.ID, got.WalletID, got.Email, got.FirstName, got.LastName, got.PhoneNumber, got.Comment, got.ExternalID),
						fmt.Sprint("cust-0001-xyz", "wallet-0001-uvw", tc.req.Email, tc.req.FirstName, tc.req.LastName, tc.req.PhoneNumber, tc.req.Comment, tc.req.ExternalID))
					if time.Since(got.CreatedAt) > time.Second {
						t.Errorf("created at %v", got.CreatedAt)
					}
					var unknown struct{ Status, VerificationDocumentID string }
					if err := json.Unmarshal(got.Raw(), &unknown); err != nil {
						t.Fatal(err)
					}
					testkit.Equal(t, "members that have no field", unknown.Status+unknown.VerificationDocumentID, "Active"+tc.req.VerificationDocumentID)
				}, change...)
			})
		}
	}
}

func TestCustomerRequestsAreCheckedBeforeAnythingIsSent(t *testing.T) {
	create := func(change func(*merchantauth.CreateCustomerRequest)) func(*testing.T, *merchantauth.Client) error {
		return func(t *testing.T, c *merchantauth.Client) error {
			req := whole()
			change(&req)
			_, err := c.CreateCustomer(t.Context(), req)
			return err
		}
	}
	find := func(q merchantauth.CustomerQuery) func(*testing.T, *merchantauth.Client) error {
		return func(t *testing.T, c *merchantauth.Client) error {
			_, err := c.FindCustomers(t.Context(), q)
			return err
		}
	}
	details := func(id string) func(*testing.T, *merchantauth.Client) error {
		return func(t *testing.T, c *merchantauth.Client) error {
			_, err := c.CustomerDetails(t.Context(), id)
			return err
		}
	}
	type req = merchantauth.CreateCustomerRequest
	type query = merchantauth.CustomerQuery
	for name, tc := range map[string]struct {
		call   func(*testing.T, *merchantauth.Client) error
		fields map[string]string
	}{
		"nothing": {create(func(r *req) { *r = req{} }), map[string]string{
			"Email": "required", "FirstName": "required", "LastName": "required", "VerificationDocumentID": "required", "ResidenceAddress": "required",
			"Country": `required: the two letters of ISO 3166-1, such as "FR"`,
		}},
		"country by name":     {create(func(r *req) { r.Country = "France" }), map[string]string{"Country": `required: the two letters of ISO 3166-1, such as "FR"`}},
		"country of digits":   {create(func(r *req) { r.Country = "33" }), map[string]string{"Country": `required: the two letters of ISO 3166-1, such as "FR"`}},
		"country in Cyrillic": {create(func(r *req) { r.Country = "Ф" }), map[string]string{"Country": `required: the two letters of ISO 3166-1, such as "FR"`}},
		"blank address":       {create(func(r *req) { r.ResidenceAddress = " \n" }), map[string]string{"ResidenceAddress": "required"}},
		"bad bytes": {create(func(r *req) { r.Email, r.Comment, r.ResidenceAddress = "a\xff", "b\xff", "c\xff" }), map[string]string{
			"Email": "must be valid UTF-8", "Comment": "must be valid UTF-8", "ResidenceAddress": "must be valid UTF-8",
		}},
		"white space": {create(func(r *req) { r.Email, r.ExternalID, r.ITN, r.VerificationDocumentID = "a ", " b", "c\n", "\td" }), map[string]string{
			"Email":                  "must not begin or end with white space, a line break or a byte order mark",
			"ExternalID":             "must not begin or end with white space, a line break or a byte order mark",
			"ITN":                    "must not begin or end with white space, a line break or a byte order mark",
			"VerificationDocumentID": "must not begin or end with white space, a line break or a byte order mark",
		}},
		"details of nobody":   {details(""), map[string]string{"id": "required"}},
		"details with break":  {details("a\nb"), map[string]string{"id": "must not contain control characters or line breaks"}},
		"find everybody":      {find(query{}), map[string]string{"CustomerQuery": "must say whom to find: Kuna would return every customer"}},
		"find a page of them": {find(query{Take: 10, Skip: 20}), map[string]string{"CustomerQuery": "must say whom to find: Kuna would return every customer"}},
		"find backwards":      {find(query{Email: "a@b.c", Take: -1, Skip: -1}), map[string]string{"Take": "must not be negative", "Skip": "must not be negative"}},
		"find in the year 10,000": {
			find(query{CreatedFrom: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), CreatedTo: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}),
			map[string]string{"CreatedFrom": "must be in the years 1 to 9999", "CreatedTo": "must be in the years 1 to 9999"},
		},
		"find bad bytes": {find(query{Comment: "\xff", FullName: "\xff"}), map[string]string{"Comment": "must be valid UTF-8", "FullName": "must be valid UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				e := errorIs(t, tc.call(t, c), providerauth.ErrInvalidRequest)
				testkit.Equal(t, "fields", e.Fields, tc.fields)
				testkit.Equal(t, "requests", len(srv.Requests()), 0)
				testkit.Equal(t, "status, attempts", fmt.Sprint(e.StatusCode, e.Attempts), "0 0")
			})
		})
	}
}

func TestLostCreationIsAmbiguousNotRepeatedAndFound(t *testing.T) {
	for mode, change := range modes {
		for name, lose := range map[string]func(*merchantauthtest.Server){
			"answer lost":       func(s *merchantauthtest.Server) { s.LoseAnswers(1, testkit.Path(createPath)) },
			"answer cut":        func(s *merchantauthtest.Server) { s.Truncate(1, testkit.Path(createPath)) },
			"answer after 121s": func(s *merchantauthtest.Server) { s.Delay(121*time.Second, testkit.Path(createPath)) },
		} {
			t.Run(mode+", "+name, func(t *testing.T) {
				bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
					lose(srv)
					req := whole()
					_, err := c.CreateCustomer(t.Context(), req)
					e := errorIs(t, err, providerauth.ErrAmbiguous)
					if _, ok := e.Retryable(); ok {
						t.Errorf("retryable: %v", e)
					}
					testkit.Equal(t, "requests", srv.Count(createPath), 1)
					for _, q := range []merchantauth.CustomerQuery{{ExternalID: req.ExternalID}, {Email: req.Email}} {
						found, err := c.FindCustomers(t.Context(), q)
						if err != nil {
							t.Fatal(err)
						}
						testkit.Equal(t, "found", len(found), 1)
						testkit.Equal(t, "id", found[0].ID, "cust-0001-xyz")
					}
					testkit.Equal(t, "customers", srv.Customers(), 1)
				}, change...)
			})
		}
	}
}

func TestCreationIsRepeatedOnlyWhereKunaDidNotAct(t *testing.T) {
	for name, tc := range map[string]struct {
		fail             func(*merchantauthtest.Server)
		requests, exists int
		ok               bool
	}{
		"429 that says when": {func(s *merchantauthtest.Server) {
			s.FailNext(1, 429, http.Header{"Retry-After": {"2"}}, testkit.Path(createPath))
		}, 2, 1, true},
		"503 that says when": {func(s *merchantauthtest.Server) {
			s.FailNext(1, 503, http.Header{"Retry-After": {"2"}}, testkit.Path(createPath))
		}, 1, 0, false},
		"429 that does not":    {func(s *merchantauthtest.Server) { s.FailNext(1, 429, nil, testkit.Path(createPath)) }, 1, 0, false},
		"503 that does not":    {func(s *merchantauthtest.Server) { s.FailNext(1, 503, nil, testkit.Path(createPath)) }, 1, 0, false},
		"502":                  {func(s *merchantauthtest.Server) { s.FailNext(1, 502, nil, testkit.Path(createPath)) }, 1, 0, false},
		"reset before it acts": {func(s *merchantauthtest.Server) { s.Reset(1, testkit.Path(createPath)) }, 1, 0, false},
		"unusable success":     {func(s *merchantauthtest.Server) { answering(s, createPath, 201, `{"data":{}}`) }, 1, 0, false},
		"expired token":        {func(s *merchantauthtest.Server) { s.ExpireTokens() }, 2, 1, true},
		"revoked token":        {func(s *merchantauthtest.Server) { s.RevokeTokens() }, 2, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				token(t, c)
				tc.fail(srv)
				_, err := c.CreateCustomer(t.Context(), alex())
				if tc.ok != (err == nil) {
					t.Errorf("got %v", err)
				}
				testkit.Equal(t, "requests, customers", fmt.Sprint(srv.Count(createPath), srv.Customers()), fmt.Sprint(tc.requests, tc.exists))
			})
		})
	}
}

func TestSecondCustomerWithAnEmailIsRefusedByTheProvider(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		if _, err := c.CreateCustomer(t.Context(), alex()); err != nil {
			t.Fatal(err)
		}
		_, err := c.CreateCustomer(t.Context(), alex())
		e := errorIs(t, err)
		testkit.Equal(t, "status, code, ambiguous", fmt.Sprint(e.StatusCode, e.Code, e.Ambiguous()), "409CUSTOMER_EXISTSfalse")
	})
}

func TestCustomersAreFoundByEveryCriterionAndByPages(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		bubble(t, merchantauthtest.Options{WrapFound: wrap}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
			for i := range 5 {
				req := whole()
				req.Email = fmt.Sprintf("c%d@smith.example", i)
				req.ExternalID, req.PhoneNumber, req.Comment = fmt.Sprint("ext", i), fmt.Sprint("+3300", i), fmt.Sprint("note", i)
				req.FirstName, req.ReferralID = fmt.Sprint("Alex", i), fmt.Sprint("ref", i)
				if _, err := c.CreateCustomer(t.Context(), req); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
			}
			start := time.Now().Add(-5 * time.Hour)
			for _, tc := range []struct {
				query merchantauth.CustomerQuery
				want  []string
			}{
				{merchantauth.CustomerQuery{Email: "c1@smith.example"}, []string{"cust-0002-xyz"}},
				{merchantauth.CustomerQuery{ExternalID: "ext2"}, []string{"cust-0003-xyz"}},
				{merchantauth.CustomerQuery{PhoneNumber: "+33003"}, []string{"cust-0004-xyz"}},
				{merchantauth.CustomerQuery{WalletID: "wallet-0005-uvw"}, []string{"cust-0005-xyz"}},
				{merchantauth.CustomerQuery{FullName: "Alex0 Smith"}, []string{"cust-0001-xyz"}},
				{merchantauth.CustomerQuery{Comment: "note1"}, []string{"cust-0002-xyz"}},
				{merchantauth.CustomerQuery{ReferralID: "ref4"}, []string{"cust-0005-xyz"}},
				{merchantauth.CustomerQuery{Email: "c1@smith.example", ExternalID: "ext2"}, nil},
				{merchantauth.CustomerQuery{CreatedFrom: start.Add(time.Hour), CreatedTo: start.Add(2 * time.Hour)}, []string{"cust-0002-xyz", "cust-0003-xyz"}},
				{merchantauth.CustomerQuery{CreatedFrom: start, Take: 2, Skip: 1}, []string{"cust-0002-xyz", "cust-0003-xyz"}},
				{merchantauth.CustomerQuery{CreatedFrom: start, Skip: 9}, nil},
			} {
				found, err := c.FindCustomers(t.Context(), tc.query)
				if err != nil || found == nil {
					t.Fatalf("%v, %v", found, err)
				}
				var ids []string
				for _, f := range found {
					ids = append(ids, f.ID)
				}
				testkit.Equal(t, "ids for "+lastBody(t, srv, "/v2/customer/find"), ids, tc.want)
			}
			_, err := c.FindCustomers(t.Context(), merchantauth.CustomerQuery{Email: "x", CreatedFrom: time.Date(2024, 2, 9, 20, 23, 17, 5e6, time.FixedZone("", 3600)), Take: 2, Skip: 1})
			if err != nil {
				t.Fatal(err)
			}
			testkit.Equal(t, "body", lastBody(t, srv, "/v2/customer/find"), `{"email":"x","createdFrom":"2024-02-09T19:23:17.005Z","take":2,"skip":1}`)
			got, err := c.CustomerDetails(t.Context(), "cust-0003-xyz")
			if err != nil {
				t.Fatal(err)
			}
			testkit.Equal(t, "details of", got.ExternalID, "ext2")
			testkit.Equal(t, "asked for by", lastBody(t, srv, "/v2/customer/details"), `{"id":"cust-0003-xyz"}`)
			_, err = c.CustomerDetails(t.Context(), "nobody")
			testkit.Equal(t, "details of nobody", errorIs(t, err).StatusCode, 404)
		})
	}
}

func TestLookUpsAreRepeatedAfterAFailure(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		if _, err := c.CreateCustomer(t.Context(), alex()); err != nil {
			t.Fatal(err)
		}
		srv.LoseAnswers(1, testkit.Path("/v2/customer/find"))
		srv.FailNext(2, 502, nil, testkit.Path("/v2/customer/details"))
		found, err := c.FindCustomers(t.Context(), merchantauth.CustomerQuery{Email: alex().Email})
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		if _, err := c.CustomerDetails(t.Context(), found[0].ID); err != nil {
			t.Error(err)
		}
		testkit.Equal(t, "requests", fmt.Sprint(srv.Count("/v2/customer/find"), srv.Count("/v2/customer/details")), "2 3")
		srv.FailNext(math.MaxInt, 500, nil)
		_, err = c.CustomerDetails(t.Context(), found[0].ID)
		e := errorIs(t, err, providerauth.ErrAmbiguous)
		if _, ok := e.Retryable(); !ok {
			t.Errorf("not retryable, though it does no harm: %v", e)
		}
	})
}

func TestCustomersOfAnAnswerAreRead(t *testing.T) {
	const one = `{"id":"1","comment":null,"createdAt":"2024-02-09T19:23:17.123Z","email":"a@b.c","firstName":"A","lastName":null,"phoneNumber":5,"new":{"x":[1]}}`
	at := time.Date(2024, 2, 9, 19, 23, 17, 123e6, time.UTC)
	for data, want := range map[string][]merchantauth.Customer{
		`[` + one + `]`:                          {{ID: "1", Email: "a@b.c", FirstName: "A", PhoneNumber: "5", CreatedAt: at}},
		`{"items":[` + one + `],"total":1}`:      {{ID: "1", Email: "a@b.c", FirstName: "A", PhoneNumber: "5", CreatedAt: at}},
		`[{"id":17,"createdAt":"yesterday"}]`:    {{ID: "17"}},
		`[{"id":"x","walletId":"x"},{"id":"y"}]`: {{ID: "x", WalletID: "x"}, {ID: "y"}},
		`[]`:                                     {},
		`{"items":[],"total":0}`:                 {},
		`{"items":null,"total":0}`:               nil,
		`{"a":[],"b":[]}`:                        nil,
		`{}`:                                     nil,
		`"x"`:                                    nil,
		`5`:                                      nil,
		`null`:                                   nil,
		`[null]`:                                 nil,
		`["x"]`:                                  nil,
		`[{"id":""}]`:                            nil,
		`[{"id":{}}]`:                            nil,
		`[{"name":"x"}]`:                         nil,
		`{"items":[{}]}`:                         nil,
	} {
		t.Run(data, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
				answering(srv, "/v2/customer/find", 200, `{"data":`+data+`}`)
				got, err := c.FindCustomers(t.Context(), merchantauth.CustomerQuery{Email: "a@b.c"})
				if want == nil {
					errorIs(t, err, providerauth.ErrBadResponse)
					if got != nil {
						t.Errorf("customers beside an error: %v", got)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				ignore := cmp.FilterPath(func(p cmp.Path) bool { return strings.HasSuffix(p.GoString(), ".raw") }, cmp.Ignore())
				if d := cmp.Diff(want, got, ignore); d != "" {
					t.Error(d)
				}
				if strings.Contains(data, one) {
					testkit.Equal(t, "raw", string(got[0].Raw()), one)
					got[0].Raw()[0] = 'x'
					testkit.Equal(t, "raw after a caller changed its copy", string(got[0].Raw()), one)
				}
			}, withKey)
		})
	}
}

func TestCustomerMarshalsAsItIsRead(t *testing.T) {
	in := merchantauth.Customer{ID: "1", WalletID: "2", Email: "a@b.c", Comment: "x", ExternalID: "e", CreatedAt: time.Date(2024, 2, 9, 19, 23, 17, 0, time.UTC)}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out merchantauth.Customer
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Equal(t, "JSON", string(again), string(b))
	testkit.Equal(t, "raw", string(out.Raw()), string(b))
	testkit.Equal(t, "raw of one that was made here", string(in.Raw()), "")
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
			testkit.Do(t, c.HTTPClient(), testkit.Request(t, http.MethodPost, srv.URL()+createPath, "{}"))
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
