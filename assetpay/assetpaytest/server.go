// Package assetpaytest simulates AssetPay as a test server. The server exchanges
// API keys for client tokens by the rules of AssetPay's OpenAPI document, checks
// the token of client calls and the key of merchant calls, and answers in
// AssetPay's envelopes. Tests can inject faults. The server runs on a socket or,
// for testing/synctest, in memory. It shares no code with package assetpay.
//
//	srv := assetpaytest.Start(t, assetpaytest.Options{}) // closed at the end of the test
//	client, err := assetpay.New(srv.Config())
//
// # Endpoints
//
// POST /auth/authenticate-client; GET /client/inventory, which requires a client
// token, after "Bearer" or bare; GET /secure/prices, which requires the API key.
// [Server.Handle] adds others. The data of the two GETs is invented: an array with
// a single item.
//
// "->" is the body of a request, "<-" the status and body of its answer, and "..."
// any text.
//
//	POST /auth/authenticate-client
//	-> {"clientSteamId":"76561198012345678",
//	  "clientTradeUrl":"https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh",
//	  "clientId":"user-123","clientData":{"totalWager":5000,"kycLevel":2,"fiatDeposits":true}}
//	<- 200 {"requestId":"...","success":true,"data":{"token":"..."}}
//	-> {"clientSteamId":"76561198012345678"}
//	<- 400 {"requestId":"...","success":false,"error":{"code":1001,"key":"VALIDATION_FAILED",
//	  "message":"clientTradeUrl: must match ...","fields":{"clientTradeUrl":"must match ..."}}}
//
//	POST /auth/authenticate-client without the API key
//	-> {}
//	<- 401 {"requestId":"...","success":false,
//	  "error":{"code":1900,"key":"MISSING_API_KEY","message":"API key is required"}}
//
//	GET /client/inventory
//	<- 200 {"requestId":"...","success":true,"data":[{"name":"AK-47 | Redline","price":10.75}]}
//
//	GET /client/inventory without a token
//	<- 401 {"requestId":"...","success":false,
//	  "error":{"code":1108,"key":"MISSING_BEARER","message":"Authorization header is missing or malformed"}}
//
//	GET /secure/prices
//	<- 200 {"requestId":"...","success":true,"data":[{"name":"AK-47 | Redline","price":11.25}]}
//
//	GET /another
//	<- 404 {"requestId":"...","success":false,
//	  "error":{"code":1003,"key":"NOT_FOUND","message":"Not found"}}
//
// clientId and clientData are optional. Other failures: INVALID_API_KEY,
// API_KEY_SCOPE_DENIED, NO_API_SECRET_CONFIGURED and RATE_LIMITED of an exchange;
// INVALID_TOKEN and TOKEN_EXPIRED of a client call.
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
package assetpaytest

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/internal/simulator"
)

// Options of a [Server]. The zero value is a server on a socket with a single
// merchant and no rate limit.
type Options struct {
	// InMemory makes the server listen in memory instead of on a socket, to run
	// inside a testing/synctest bubble. Make the server inside the bubble and close
	// it there.
	InMemory bool
	// APIKey, APISecret and MerchantID are the merchant's credentials. Default
	// "ap_test_0001", "test_api_secret" and "merchant-uuid".
	APIKey, APISecret, MerchantID string
	// TokenLifetime of issued tokens, in whole seconds. Default 24 hours; the
	// sample on AssetPay's page has 365 days.
	TokenLifetime time.Duration
	// ValidationStatus is the status of VALIDATION_FAILED: by AssetPay's pages
	// 400 or 422. Default 400.
	ValidationStatus int
	// MessageArray makes the message of VALIDATION_FAILED an array of strings.
	// AssetPay documents both forms.
	MessageArray bool
	// RateLimit is the number of exchanges accepted per hour; AssetPay accepts 100
	// for unverified merchants. Default 0: no limit.
	RateLimit int
	// RetryAfter is sent with a RATE_LIMITED, in whole seconds. Default 0: no
	// such header, as AssetPay documents none.
	RetryAfter time.Duration
	// NoCoreAccess makes the API key lack the scope for exchanges.
	NoCoreAccess bool
	// NoAPISecret leaves the merchant without an active API secret.
	NoAPISecret bool
}

// A Server is a running simulator, safe for concurrent use.
type Server struct {
	sim *simulator.Server
	opt Options
	mux *http.ServeMux // endpoints added by Handle

	mu        sync.Mutex
	keys      []string // accepted API keys
	secrets   []string // API secrets for verifying; the first signs
	exchanged []time.Time
	data      map[string]string  // client data, by Steam ID
	tokens    map[string]failure // issued or seen; the zero failure: valid
	last      map[string]string  // token, by the body of its exchange

	strayCalls, strayTokens, repeats simulator.Share
}

// NewServer starts a server; Close it. It panics without a free port on the
// loopback interface, as net/http/httptest does.
func NewServer(opt Options) *Server {
	opt.APIKey = cmp.Or(opt.APIKey, "ap_test_0001")
	opt.APISecret = cmp.Or(opt.APISecret, "test_api_secret")
	opt.MerchantID = cmp.Or(opt.MerchantID, "merchant-uuid")
	opt.TokenLifetime = cmp.Or(opt.TokenLifetime, 24*time.Hour)
	opt.ValidationStatus = cmp.Or(opt.ValidationStatus, http.StatusBadRequest)
	s := &Server{
		opt: opt, mux: http.NewServeMux(),
		keys: []string{opt.APIKey}, secrets: []string{opt.APISecret},
		data: map[string]string{}, tokens: map[string]failure{}, last: map[string]string{},
	}
	s.sim = simulator.New(http.HandlerFunc(s.serve), simulator.Options{InMemory: opt.InMemory, FailBody: failBody, FailureEnvelope: failureEnvelope})
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

// Config returns the configuration of a client of this server, with all credentials
// of Options. The client exchanges tokens; set Mint to MintLocal to sign them.
func (s *Server) Config() assetpay.Config {
	return assetpay.Config{
		APIKey: providerauth.StaticSecret(s.opt.APIKey), APISecret: providerauth.StaticSecret(s.opt.APISecret),
		MerchantID: s.opt.MerchantID, BaseURL: s.URL(), HTTPClient: s.Client(),
	}
}

// Handle adds an endpoint, by a pattern of [http.ServeMux] such as "POST
// /client/deposit". Below /client it receives only requests with a valid client
// token, below /secure and /auth only requests with the API key, elsewhere all
// requests. Faults apply to it. It takes precedence over a built-in endpoint, and
// may call the Server. Handle panics for the patterns for which
// [http.ServeMux.Handle] panics.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// RotateAPIKeys replaces the accepted API keys by keys.
func (s *Server) RotateAPIKeys(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = slices.Clone(keys)
}

// RotateAPISecrets replaces the API secrets by secrets. All of them verify client
// tokens; the first signs issued tokens. Without secrets, the server answers
// exchanges with NO_API_SECRET_CONFIGURED.
func (s *Server) RotateAPISecrets(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = slices.Clone(secrets)
}

// Revoke makes the server reject the token as INVALID_TOKEN. The token is not
// issued again: a successor in the same second would be equal to it, and gets a
// later iat.
func (s *Server) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = errInvalidToken
}

// RevokeTokens revokes every token issued or seen so far.
func (s *Server) RevokeTokens() { s.end(errInvalidToken) }

// ExpireTokens is RevokeTokens with the rejection TOKEN_EXPIRED.
func (s *Server) ExpireTokens() { s.end(errTokenExpired) }

func (s *Server) end(why failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, f := range s.tokens {
		if f.status == 0 {
			s.tokens[token] = why
		}
	}
}

// Tokens is the number of different tokens issued here, or minted elsewhere and
// accepted.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens)
}

// ClientData is the client data of the user's last exchange, as compact JSON; "" if
// the exchange had no client data, or there was no exchange.
func (s *Server) ClientData(steamID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[steamID]
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if f := s.answer(w, r); f.status != 0 {
		f.write(w)
	}
}

// answer serves a request, or returns the failure to answer.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) failure {
	var f failure
	switch {
	case strings.HasPrefix(r.URL.Path, "/client/"):
		if f = s.checkToken(r); f.status == 0 && s.strayCalls.Take(r) {
			f = errInvalidToken
		}
	case strings.HasPrefix(r.URL.Path, "/secure/"), strings.HasPrefix(r.URL.Path, "/auth/"):
		f = s.checkKey(r)
	}
	if f.status != 0 {
		return f
	}
	if _, pattern := s.mux.Handler(r); pattern != "" {
		s.mux.ServeHTTP(w, r)
		return failure{}
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /auth/authenticate-client":
		return s.authenticate(w, r)
	case "GET /client/inventory":
		WriteData(w, []map[string]any{{"name": "AK-47 | Redline", "price": 10.75}})
	case "GET /secure/prices":
		WriteData(w, []map[string]any{{"name": "AK-47 | Redline", "price": 11.25}})
	default:
		return errNotFound
	}
	return failure{}
}

func (s *Server) checkKey(r *http.Request) failure {
	sent := r.Header.Values("api-key")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(sent) == 0:
		return errMissingKey
	case len(sent) != 1 || !slices.Contains(s.keys, sent[0]):
		return errInvalidKey
	}
	return failure{}
}

// authenticate is called after the API key has been checked.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) failure {
	if s.opt.NoCoreAccess {
		return errScopeDenied
	}
	if s.strayTokens.Take(r) {
		return errInvalidKey
	}
	now := s.sim.Now()
	if !s.admit(now) {
		if s.opt.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(s.opt.RetryAfter/time.Second)))
		}
		return errRateLimited
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return s.invalid(map[string]string{"body": "cannot be read"})
	}
	x, problems := parse(body)
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		problems["body"] = "must be application/json"
	}
	if len(problems) > 0 {
		return s.invalid(problems)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opt.NoAPISecret || len(s.secrets) == 0 {
		return errNoAPISecret
	}
	s.data[x.steamID] = string(x.clientData)
	token, known := s.last[string(body)]
	if !known || s.tokens[token].status != 0 || !s.repeats.Take(r) {
		token = s.issue(x, now)
		s.last[string(body)] = token
	}
	WriteData(w, map[string]string{"token": token})
	return failure{}
}

// admit counts an exchange, if the limit allows it.
func (s *Server) admit(now time.Time) bool {
	if s.opt.RateLimit <= 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exchanged = slices.DeleteFunc(s.exchanged, func(at time.Time) bool { return now.Sub(at) >= time.Hour })
	if len(s.exchanged) >= s.opt.RateLimit {
		return false
	}
	s.exchanged = append(s.exchanged, now)
	return true
}

type header struct {
	Alg    string `json:"alg"`
	UserID string `json:"userId"`
}

type payload struct {
	MerchantID string `json:"merchantId"`
	Client     struct {
		SteamID    string          `json:"steamID"`
		TradeURL   string          `json:"tradeUrl"`
		ClientID   string          `json:"clientId,omitempty"`
		ClientData json.RawMessage `json:"clientData,omitempty"`
	} `json:"client"`
	IssuedAt simulator.NumericDate  `json:"iat"`
	Expires  *simulator.NumericDate `json:"exp"`
}

// issue signs a token. The mutex is held.
func (s *Server) issue(x exchange, now time.Time) string {
	var p payload
	p.MerchantID = s.opt.MerchantID
	p.Client.SteamID, p.Client.TradeURL, p.Client.ClientID, p.Client.ClientData = x.steamID, x.tradeURL, x.clientID, x.clientData
	for at := now.Unix(); ; at++ {
		expires := simulator.NumericDate(at + int64(s.opt.TokenLifetime/time.Second))
		p.IssuedAt, p.Expires = simulator.NumericDate(at), &expires
		token := simulator.HS256(s.secrets[0], simulator.Encode(header{"HS256", s.opt.MerchantID}), simulator.Encode(p))
		if f, known := s.tokens[token]; !known || f.status == 0 {
			s.tokens[token] = failure{}
			return token
		}
	}
}

// checkToken checks the token of a client call as AssetPay's guard does: the
// header's userId finds the secret, and the claim must agree with it. A token
// minted elsewhere must not be issued in the future: some verifiers are strict
// about iat.
func (s *Server) checkToken(r *http.Request) failure {
	sent := r.Header.Values("Authorization")
	if len(sent) != 1 {
		return errMissingBearer
	}
	token, bearer := strings.CutPrefix(sent[0], "Bearer ")
	if token == "" || token == "Bearer" || !bearer && strings.Contains(token, " ") {
		return errMissingBearer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.secrets {
		head, claims, ok := simulator.CheckHS256(secret, token)
		if !ok {
			continue
		}
		var h header
		var p payload
		if json.Unmarshal(head, &h) != nil || json.Unmarshal(claims, &p) != nil ||
			h.UserID != s.opt.MerchantID || p.MerchantID != s.opt.MerchantID ||
			p.Client.SteamID == "" || p.Client.TradeURL == "" || p.Expires == nil {
			return errInvalidToken
		}
		if !s.sim.Now().Before(p.Expires.Time()) {
			return errTokenExpired
		}
		f, known := s.tokens[token]
		if !known && p.IssuedAt.Time().After(s.sim.Now()) { // issue gives a revoked token's successor a later iat
			return errInvalidToken
		}
		s.tokens[token] = f
		return f
	}
	return errInvalidToken
}
