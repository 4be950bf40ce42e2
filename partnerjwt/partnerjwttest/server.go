// Package partnerjwttest is PiTrade's Partner API as a test server. It checks
// the signature, the clock and the client of every token, and answers as
// documented. It injects faults on request, runs on a socket or, for
// testing/synctest, in memory, and shares no code with the package under test.
//
//	srv := partnerjwttest.Start(t, partnerjwttest.Options{}) // closed at the end of the test
//	client, err := partnerjwt.New(srv.Config())
//
// # Endpoints
//
// All endpoints require a valid token. [Server.Handle] adds others.
// "->" is the body of a request, "<-" the status and body of its answer, and "..."
// any text.
//
//	GET /portfolio
//	<- 200 [{"ticker":"AAPL","quantity":10,"averagePurchasePrice":145},
//	  {"ticker":"MSFT","quantity":5.25,"averagePurchasePrice":320.5}]
//
//	GET /portfolio without a token
//	<- 401 {"message":"Unauthorized"}
//
//	POST /trade
//	-> {"ticker":"AAPL","orderSide":"BUY"}
//	<- 200 {"id":1,"ticker":"AAPL"}
//	-> {"ticker":"AAPL"}
//	<- 400 {"message":"ticker and orderSide are required"}
//
//	GET /another
//	<- 404 404 page not found
//
// Options.Portfolio replaces the holdings. PiTrade documents no body of a failure.
//
// # Faults
//
// FailNext, FailActed, LoseAnswers, ActLate, Truncate, Reset, Stall, Stream and
// ByteOrderMark are used up in the order of the calls, at most one by each
// request accepted by the optional filters. A count of math.MaxInt is without
// end. A count of 0 or less takes back the rest, and ClearFaults everything.
// net/http repeats a GET by itself where a kept connection breaks without an
// answer, so a single LoseAnswers, ActLate or Reset can pass unnoticed.
//
// StrayCalls rejects a share of the calls although their token is good: every
// n-th, or at random.
package partnerjwttest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/simulator"
	"github.com/providerauth/providerauth-go/partnerjwt"
)

// Options of a [Server]. The zero value is a server on a socket with a single
// client, ClientID with Secret. It tolerates no difference of clocks.
type Options struct {
	// InMemory makes the server listen in memory instead of on a socket, for
	// use inside a testing/synctest bubble. Make it inside the bubble and close
	// it there.
	InMemory bool
	// ClientID and Secret are the accepted credentials. Default "client-1" and
	// "secret-1".
	ClientID, Secret string
	// Leeway is how far iat may be ahead, and exp behind, the server's clock.
	// Default 0.
	Leeway time.Duration
	// Portfolio is the answer of GET /portfolio. Default: two holdings.
	Portfolio []partnerjwt.Holding
}

// A Server is a running simulator, safe for concurrent use.
type Server struct {
	sim  *simulator.Server
	opt  Options
	mux  *http.ServeMux
	mu   sync.Mutex
	keys []string // accepted secrets
	dead map[string]bool
	// trades counts the trades the server has acted on.
	trades int
	seen   map[string]int

	strayCalls simulator.Share
}

// NewServer starts a server; Close it. It panics if no port of the loopback
// interface is free, as net/http/httptest does.
func NewServer(opt Options) *Server {
	if opt.ClientID == "" {
		opt.ClientID = "client-1"
	}
	if opt.Secret == "" {
		opt.Secret = "secret-1"
	}
	if opt.Portfolio == nil {
		opt.Portfolio = []partnerjwt.Holding{
			{Ticker: "AAPL", Quantity: amount("10"), AveragePurchasePrice: amount("145")},
			{Ticker: "MSFT", Quantity: amount("5.25"), AveragePurchasePrice: amount("320.5")},
		}
	}
	s := &Server{opt: opt, mux: http.NewServeMux(), keys: []string{opt.Secret}, dead: map[string]bool{}, seen: map[string]int{}}
	s.mux.HandleFunc("GET /portfolio", s.portfolio)
	s.mux.HandleFunc("POST /trade", s.trade)
	s.sim = simulator.New(s.authenticated(s.mux), simulator.Options{InMemory: opt.InMemory, FailureEnvelope: failureEnvelope})
	return s
}

func amount(s string) providerauth.Number {
	a, err := providerauth.ParseAmount(s)
	if err != nil {
		panic(err) // a constant of this file
	}
	return providerauth.Number{Amount: a}
}

// Start starts a server that is closed when t and its subtests have ended. In a
// testing/synctest bubble, set InMemory and pass the t of the bubble.
func Start(t testing.TB, opt Options) *Server {
	t.Helper()
	s := NewServer(opt)
	t.Cleanup(s.Close)
	return s
}

// Config returns the configuration of a client of this server.
func (s *Server) Config() partnerjwt.Config {
	return partnerjwt.Config{
		ClientID: s.opt.ClientID, Secret: providerauth.StaticSecret(s.opt.Secret),
		BaseURL: s.URL(), HTTPClient: s.Client(),
	}
}

// Handle adds an endpoint, by a pattern of [http.ServeMux] such as "GET
// /orders/{id}". It receives only requests with a valid token. Faults apply to it.
// It may call the Server. Handle panics for the patterns for which
// [http.ServeMux.Handle] panics, such as the pattern of a built-in endpoint.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Rotate replaces the accepted secrets. Two secrets are an overlap.
func (s *Server) Rotate(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = slices.Clone(secrets)
}

// RevokeTokens rejects every token seen so far.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token := range s.seen {
		s.dead[token] = true
	}
}

// Tokens is the number of different accepted tokens.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// Trades is the number of trades acted on, lost answers included.
func (s *Server) Trades() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trades
}

func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || len(r.Header.Values("Authorization")) != 1 || !s.valid(token) || s.strayCalls.Take(r) {
			simulator.WriteJSON(w, http.StatusUnauthorized, map[string]string{"message": "Unauthorized"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// failureEnvelope is the answer of FailActed. PiTrade documents no such body.
func failureEnvelope(int) (body []byte, contentType string) {
	return []byte(`{"message":"The simulator was asked to fail"}`), "application/json"
}

// valid checks a token by the rules of a strict verifier: expired from exp on,
// and no iat in the future.
func (s *Server) valid(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.keys {
		_, payload, ok := simulator.CheckHS256(key, token)
		if !ok {
			continue
		}
		var c struct {
			ClientID string                 `json:"clientId"`
			IssuedAt *simulator.NumericDate `json:"iat"`
			Expires  *simulator.NumericDate `json:"exp"`
		}
		if json.Unmarshal(payload, &c) != nil || c.IssuedAt == nil || c.Expires == nil || c.ClientID != s.opt.ClientID {
			return false
		}
		now := s.sim.Now()
		if !now.Before(c.Expires.Time().Add(s.opt.Leeway)) || c.IssuedAt.Time().After(now.Add(s.opt.Leeway)) {
			return false
		}
		if s.dead[token] {
			return false
		}
		s.seen[token]++
		return true
	}
	return false
}

func (s *Server) portfolio(w http.ResponseWriter, _ *http.Request) {
	simulator.WriteJSON(w, http.StatusOK, s.opt.Portfolio)
}

func (s *Server) trade(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Ticker    string `json:"ticker"`
		OrderSide string `json:"orderSide"`
	}
	if json.NewDecoder(r.Body).Decode(&order) != nil || order.Ticker == "" || order.OrderSide == "" {
		simulator.WriteJSON(w, http.StatusBadRequest, map[string]string{"message": "ticker and orderSide are required"})
		return
	}
	s.mu.Lock()
	s.trades++
	id := s.trades
	s.mu.Unlock()
	simulator.WriteJSON(w, http.StatusOK, map[string]any{"id": id, "ticker": order.Ticker})
}
