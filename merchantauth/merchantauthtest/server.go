// Package merchantauthtest simulates Kuna Core as a test server. The server logs
// in, refreshes and expires tokens, checks the credential of every private call,
// keeps customers, and answers in Kuna's envelopes. Tests can inject faults. The
// server runs on a socket or, for testing/synctest, in memory. It shares no code
// with package merchantauth.
//
//	srv := merchantauthtest.Start(t, merchantauthtest.Options{}) // closed at the end of the test
//	client, err := merchantauth.New(srv.Config())    // or srv.KeyConfig()
//
// # Endpoints
//
// POST /v2/auth/login and /v2/auth/refresh require the header merchant_id. POST
// /v2/customer/create, /v2/customer/details and /v2/customer/find, and GET
// /v2/rate/equivalent, require an access token or the API key, but not both, and no
// merchant_id. [Server.Handle] adds further private endpoints.
//
// "->" is the body of a request, "<-" the status and body of its answer, and "..."
// any text.
//
//	POST /v2/auth/login
//	-> {"token":"owner@merchant.example","password":"password-1"}
//	<- 200 {"data":{"accessToken":"...","expiresIn":946686600,"refreshToken":"..."}}
//	-> {"token":"owner@merchant.example","password":"wrong"}
//	<- 401 {"errors":[{"code":"INVALID_CREDENTIALS","message":"Invalid credentials"}]}
//
//	POST /v2/auth/login without merchant_id
//	-> {"token":"owner@merchant.example","password":"password-1"}
//	<- 400 {"errors":[{"code":"BAD_REQUEST","message":"merchant_id is required"}]}
//
//	POST /v2/auth/refresh
//	-> {"refreshToken":"..."}
//	<- 200 {"data":{"accessToken":"...","expiresIn":946686600,"refreshToken":"..."}}
//	-> {"refreshToken":"..."}
//	<- 401 {"errors":[{"code":"INVALID_CREDENTIALS","message":"Invalid token"}]}
//
//	POST /v2/customer/create
//	-> {"email":"ana@example.com","firstName":"Ana","lastName":"Lima","country":"BR",
//	  "verificationDocumentId":"D1","residenceAddress":"Rua 1"}
//	<- 200 {"data":{"id":"cust-0001-xyz","walletId":"wallet-0001-uvw","email":"ana@example.com",
//	  "phoneNumber":"","firstName":"Ana","lastName":"Lima","comment":null,"externalId":"",
//	  "referralId":"","country":"BR","verificationDocumentId":"D1","residenceAddress":"Rua 1",
//	  "itn":"","createdAt":"2000-01-01T00:00:00.000Z","status":"Active"}}
//	-> {"email":"ana@example.com","firstName":"Ana","lastName":"Lima","country":"BR",
//	  "verificationDocumentId":"D1","residenceAddress":"Rua 1"}
//	<- 409 {"errors":[{"code":"CUSTOMER_EXISTS","message":"email must be unique"}]}
//	-> {"email":"eva@example.com"}
//	<- 400 {"errors":[{"code":"BAD_REQUEST","message":"a required field is missing"}]}
//
//	POST /v2/customer/details
//	-> {"id":"cust-0001-xyz"}
//	<- 200 {"data":{"id":"cust-0001-xyz",...,"status":"Active"}}
//	-> {"id":"unknown"}
//	<- 404 {"errors":[{"code":"CUSTOMER_NOT_FOUND","message":"no customer with this id"}]}
//
//	POST /v2/customer/find
//	-> {"email":"ana@example.com"}
//	<- 200 {"data":[{"id":"cust-0001-xyz",...,"status":"Active"}]}
//
//	POST /v2/customer/find without a credential
//	-> {}
//	<- 401 {"errors":[{"code":"UNAUTHORIZED","message":"one of Authorization and Api-key is required"}]}
//
//	GET /v2/rate/equivalent
//	<- 200 {"data":[{"asset":"BTC","equivalent":{"USD":"43012.55"}}]}
//
// phoneNumber, comment, externalId, referralId and itn are optional in create. find
// takes email, walletId, phoneNumber, fullName, comment, externalId, referralId,
// createdFrom, createdTo, take (default 100) and skip, all optional.
//
// Kuna documents two errors, without their statuses. All other answers and all
// statuses are invented, and can be chosen in [Options].
//
// # Faults
//
// FailNext, FailActed, LoseAnswers, ActLate, Truncate, Reset, Stall, Stream and
// ByteOrderMark are used up in the order of their calls, at most one fault per
// request accepted by the optional filters. A count of math.MaxInt never ends. A
// count of 0 or less removes the remaining faults of its kind, ClearFaults removes
// all faults. If a kept connection breaks without an answer, net/http repeats a GET
// by itself, so a single LoseAnswers, ActLate or Reset can pass unnoticed.
//
// StrayCalls and StrayTokens reject a share of the requests with a valid
// credential: every n-th, or at random. RepeatTokens issues a token again.
package merchantauthtest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/simulator"
	"github.com/providerauth/providerauth-go/merchantauth"
)

// A RefreshMode decides the fate of a refresh token after its use. Kuna does not
// document it.
type RefreshMode int

const (
	// RefreshRotates answers with a new refresh token, and invalidates the old
	// token.
	RefreshRotates RefreshMode = iota
	// RefreshRepeats answers with the same refresh token, as the sample on Kuna's
	// page does.
	RefreshRepeats
	// RefreshOmits answers without a refresh token, and the old token stays valid.
	RefreshOmits
)

// Options of a [Server]. The zero value is a server on a socket with a single
// merchant and rotating refresh tokens.
type Options struct {
	// InMemory makes the server listen in memory instead of on a socket, to run
	// inside a testing/synctest bubble. Make the server inside the bubble and close
	// it there.
	InMemory bool
	// MerchantID, Email, Password and APIKey are the merchant's credentials.
	// Default "merchant-1", "owner@merchant.example", "password-1" and "api-key-1".
	MerchantID, Email, Password, APIKey string
	// Refresh decides the fate of a refresh token after its use. Default
	// RefreshRotates.
	Refresh RefreshMode
	// TokenLifetime and RefreshLifetime of the tokens, in whole seconds.
	// Default 30 minutes and 2 days.
	TokenLifetime, RefreshLifetime time.Duration
	// OpaqueRefresh makes refresh tokens without a readable expiry.
	OpaqueRefresh bool
	// Status is the status of a success. Default 200; Kuna's pages show 201.
	Status int
	// ErrorStatus is the status of the two documented errors, and of other refused
	// credentials. Default 401.
	ErrorStatus int
	// RefusalCode is the code for a login with wrong credentials and for a refresh
	// with an unknown or replaced token. Kuna does not document it. Default
	// "INVALID_CREDENTIALS".
	RefusalCode string
	// WrapFound answers /v2/customer/find with an object around the array, instead
	// of the array itself.
	WrapFound bool
}

// A Server is a running simulator, safe for concurrent use.
type Server struct {
	sim *simulator.Server
	opt Options
	mux *http.ServeMux

	mu        sync.Mutex
	password  string
	access    map[string]*accessToken
	refresh   map[string]*refreshToken
	serial    int
	logins    int
	refreshes int
	replays   int
	customers []customer
	last      string // access token

	strayCalls, strayTokens, repeats simulator.Share
}

// NewServer starts a server; Close it. It panics without a free port on the
// loopback interface, as net/http/httptest does.
func NewServer(opt Options) *Server {
	opt.MerchantID = cmp.Or(opt.MerchantID, "merchant-1")
	opt.Email = cmp.Or(opt.Email, "owner@merchant.example")
	opt.Password = cmp.Or(opt.Password, "password-1")
	opt.APIKey = cmp.Or(opt.APIKey, "api-key-1")
	opt.TokenLifetime = cmp.Or(opt.TokenLifetime, 30*time.Minute)
	opt.RefreshLifetime = cmp.Or(opt.RefreshLifetime, 48*time.Hour)
	opt.Status = cmp.Or(opt.Status, http.StatusOK)
	opt.ErrorStatus = cmp.Or(opt.ErrorStatus, http.StatusUnauthorized)
	opt.RefusalCode = cmp.Or(opt.RefusalCode, "INVALID_CREDENTIALS")
	s := &Server{
		opt: opt, mux: http.NewServeMux(), password: opt.Password,
		access: map[string]*accessToken{}, refresh: map[string]*refreshToken{},
	}
	s.mux.HandleFunc("POST /v2/auth/login", s.login)
	s.mux.HandleFunc("POST /v2/auth/refresh", s.renew)
	s.Handle("POST /v2/customer/create", http.HandlerFunc(s.create))
	s.Handle("POST /v2/customer/details", http.HandlerFunc(s.details))
	s.Handle("POST /v2/customer/find", http.HandlerFunc(s.find))
	s.Handle("GET /v2/rate/equivalent", http.HandlerFunc(s.rates))
	s.sim = simulator.New(s.mux, simulator.Options{InMemory: opt.InMemory, FailureEnvelope: failureEnvelope})
	return s
}

// Start starts a server that is closed when t and its subtests have ended. In a
// testing/synctest bubble, set InMemory and pass the t of the bubble.
func Start(t testing.TB, opt Options) *Server {
	t.Helper()
	s := NewServer(opt)
	t.Cleanup(s.Close)
	return s
}

// Config returns the configuration of a client of this server in session mode.
func (s *Server) Config() merchantauth.Config {
	return merchantauth.Config{
		BaseURL: s.URL(), HTTPClient: s.Client(),
		MerchantID: s.opt.MerchantID, Email: s.opt.Email, Password: providerauth.StaticSecret(s.opt.Password),
	}
}

// KeyConfig returns the configuration of a client of this server in key mode.
func (s *Server) KeyConfig() merchantauth.Config {
	return merchantauth.Config{
		BaseURL: s.URL(), HTTPClient: s.Client(), APIKey: providerauth.StaticSecret(s.opt.APIKey),
	}
}

// Handle adds a private endpoint, by a pattern of [http.ServeMux] such as "POST
// /v2/balance". It receives only requests with a valid credential. Faults apply to
// it. It may call the Server. Handle panics for the patterns for which
// [http.ServeMux.Handle] panics, such as the pattern of a built-in endpoint.
func (s *Server) Handle(pattern string, h http.Handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		f := s.checkCredential(r)
		if f == nil && s.strayCalls.Take(r) {
			f = errTokenExpired(s.opt.ErrorStatus, s.sim.Now())
		}
		if f != nil {
			f.write(w)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// SetPassword changes the password. Sessions go on.
func (s *Server) SetPassword(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}

// ExpireTokens makes the server reject every access token issued so far as expired.
func (s *Server) ExpireTokens() { s.endTokens(errTokenExpired(s.opt.ErrorStatus, s.sim.Now())) }

// RevokeTokens makes the server reject every access token issued so far, with a
// JsonWebTokenError instead of an expiry.
func (s *Server) RevokeTokens() { s.endTokens(errTokenInvalid(s.opt.ErrorStatus)) }

func (s *Server) endTokens(why *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.access {
		if t.refused == nil {
			t.refused = why
		}
	}
}

// RevokeSessions makes the server refuse every refresh token issued so far.
func (s *Server) RevokeSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.refresh {
		t.revoked = true
	}
}

// Logins is the number of successful logins, lost answers included.
func (s *Server) Logins() int { return s.count(&s.logins) }

// Refreshes is the number of successful refreshes, lost answers included.
func (s *Server) Refreshes() int { return s.count(&s.refreshes) }

// Replays counts refresh tokens sent by a client after it has used their
// replacement. A correct client never sends such a token. A request of ActLate does
// not count: it was sent earlier.
func (s *Server) Replays() int { return s.count(&s.replays) }

func (s *Server) count(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *n
}

// Customers is the number of created customers, lost answers included.
func (s *Server) Customers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.customers)
}

// checkCredential checks the headers of a private call: an access token or the API
// key, and no merchant_id.
func (s *Server) checkCredential(r *http.Request) *failure {
	bearer, key := r.Header.Values("Authorization"), r.Header.Values("Api-Key")
	switch {
	case len(r.Header.Values(merchantHeader)) > 0:
		return errRequest("merchant_id belongs to login and refresh only")
	case len(bearer)+len(key) != 1:
		return errUnauthorized(s.opt.ErrorStatus, "one of Authorization and Api-key is required")
	case len(key) == 1 && key[0] != s.opt.APIKey:
		return errUnauthorized(s.opt.ErrorStatus, "Invalid API key")
	case len(key) == 1:
		return nil
	}
	return s.checkToken(bearer[0])
}

// checkMerchant checks the headers of an authentication call.
func (s *Server) checkMerchant(r *http.Request) *failure {
	id := r.Header.Values(merchantHeader)
	switch {
	case len(id) != 1:
		return errRequest("merchant_id is required")
	case len(r.Header.Values("Authorization"))+len(r.Header.Values("Api-Key")) > 0:
		return errRequest("this call has no credential in its headers")
	case id[0] != s.opt.MerchantID:
		return s.errRefused("Merchant not found")
	}
	return nil
}

// merchantHeader is merchant_id as net/http canonicalises it on receipt.
const merchantHeader = "Merchant_id"

// read decodes the body of a POST.
func read(r *http.Request, into any) *failure {
	if !slices.Contains(r.Header.Values("Content-Type"), "application/json") {
		return errRequest("the body must be application/json")
	}
	if json.NewDecoder(r.Body).Decode(into) != nil {
		return errRequest("the body is not the JSON object that this call takes")
	}
	return nil
}

func (s *Server) rates(w http.ResponseWriter, _ *http.Request) {
	WriteData(w, http.StatusOK, []map[string]any{{"asset": "BTC", "equivalent": map[string]string{"USD": "43012.55"}}})
}
