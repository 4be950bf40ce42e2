// Package platformtokentest is the GameBox platform as a test server. A new
// token invalidates the player's previous token at once, signatures are checked
// over the received bytes, and the wallet endpoints move money, so tests can
// assert that none was lost. The server injects faults on request, runs on a
// socket or, for testing/synctest, in memory, and shares no code with the
// package under test.
//
//	srv := platformtokentest.Start(t, platformtokentest.Options{}) // closed at the end of the test
//	client, err := platformtoken.New(srv.Config())
//
// # Endpoints
//
// Signed only, and refused with an Authorization header: POST /auth/createToken,
// /player/register, /game/enter, /game/getRecords, which has no records. With a
// token in addition: POST /player/getBalance, /player/transfer,
// /player/getTransferStatus. [Server.Handle] adds others.
//
// "->" is the body of a request, "<-" the status and body of its answer, and "..."
// any text.
//
//	POST /auth/createToken
//	-> {"tenantId":1,"userId":"u1","currency":"BRL"}
//	<- 200 {"isSuccess":true,"code":0,"data":{"token":"...","expires":"2000-01-02 00:00:00"}}
//	-> {"tenantId":2,"userId":"u1"}
//	<- 400 {"isSuccess":false,"code":9001,"message":"tenantId is unknown"}
//	-> {"userId":"u1","tenantId":1}
//	<- 403 {"isSuccess":false,"code":9002,"message":"The signature does not match: ..."}
//
//	POST /player/register
//	-> {"tenantId":1,"siteId":"s1","userId":"u1","nickName":"n1","balance":0,"currency":"BRL"}
//	<- 200 {"isSuccess":true,"code":0,"data":null}
//
//	POST /game/enter
//	-> {"tenantId":1,"userId":"u1","gameId":7,"currency":"BRL","language":"pt"}
//	<- 200 {"isSuccess":true,"code":0,"data":"https://play.example.com/?t=1&g=7&k=launch-key&l=pt"}
//
//	POST /game/getRecords
//	-> {"pageNumber":1}
//	<- 200 {"isSuccess":true,"code":0,
//	  "data":{"count":0,"data":[],"pageNumber":1,"pageSize":10,"totalCount":0}}
//
//	POST /player/getBalance
//	-> {"userId":"u1"}
//	<- 200 {"isSuccess":true,"code":0,"data":{"balance":0}}
//	-> {"userId":"u2"}
//	<- 403 {"isSuccess":false,"code":9005,"message":"The token is another player's"}
//
//	POST /player/getBalance without a token
//	-> {"userId":"u1"}
//	<- 401 {"isSuccess":false,"code":9004,"message":"The token is missing, dead or expired"}
//
//	POST /player/transfer
//	-> {"txId":"t1","transferType":1,"amount":20.5}
//	<- 200 {"isSuccess":true,"code":0,"data":{"txId":"t1","recordId":"r1","status":2}}
//	-> {"txId":"t1","transferType":1,"amount":20.5}
//	<- 409 {"isSuccess":false,"code":9006,"message":"The txId has been used"}
//	-> {"txId":"t2","transferType":2,"amount":100}
//	<- 409 {"isSuccess":false,"code":9007,"message":"There is not enough in the wallet"}
//
//	POST /player/getTransferStatus
//	-> {"recordId":"r1"}
//	<- 200 {"isSuccess":true,"code":0,"data":{"status":2}}
//	-> {"recordId":"r9"}
//	<- 404 {"isSuccess":false,"code":9008,"message":"There is no such record"}
//
//	POST /another
//	<- 404 {"isSuccess":false,"code":9008,"message":"There is no such endpoint"}
//
// siteId, balance, currency and language are optional. A transferType is a
// [platformtoken.Direction], a status a [platformtoken.TransferState]. The constants
// [CodeRequest] and so on list the failures.
//
// The platform's guide requires members in the documented order and types. The
// server refuses bodies that differ from its own encoding in any byte,
// /game/getRecords excepted. Facts missing in the platform's documentation
// (codes, statuses of failures, whether a token's currency matters) are
// invented, and marked where they occur.
//
// # Faults
//
// FailNext, FailActed, LoseAnswers, ActLate, Truncate, Reset, Stall, Stream and
// ByteOrderMark are used up in the order of the calls, at most one by each
// request accepted by the optional filters. A count of math.MaxInt is without
// end. A count of 0 or less takes back the rest, and ClearFaults everything.
//
// StrayCalls and StrayTokens reject a share of the requests although their
// credential is good: every n-th, or at random. RepeatTokens issues a token
// again.
package platformtokentest

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/simulator"
	"github.com/providerauth/providerauth-go/platformtoken"
)

// Options of a [Server]. The zero value is a server on a socket with a single
// merchant and tokens of 24 hours. It takes any timestamp.
type Options struct {
	// InMemory makes the server listen in memory instead of on a socket, for
	// use inside a testing/synctest bubble. Make it inside the bubble and close
	// it there.
	InMemory bool
	// TenantID and Secret are the merchant's. Default 1 and
	// "0123456789abcdef0123456789abcdef".
	TenantID int64
	Secret   string
	// TokenLifetime of new tokens. Default 24 hours, as the sample on the
	// platform's page; its text says 7 days.
	TokenLifetime time.Duration
	// TimestampTolerance is the greatest difference between a request's
	// timestamp and the server's clock, before and after. Default 0: timestamps
	// are not checked, since the platform's tolerance is not public.
	TimestampTolerance time.Duration
	// FailuresInOK answers all failures with status 200. The Rejected of
	// [Server.Config] then recognises CodeToken.
	FailuresInOK bool
	// Pending leaves transfers pending until [Server.Settle].
	Pending bool
}

// A Server is a running simulator, safe for concurrent use.
type Server struct {
	sim *simulator.Server
	opt Options
	mux *http.ServeMux

	mu        sync.Mutex
	secrets   []string // accepted
	tokens    map[string]*TokenRecord
	byUser    map[string][]*TokenRecord
	running   map[string]map[*http.Request]bool // for a token, by user
	most      map[string]int
	merchant  big.Rat
	wallets   map[platformtoken.Player]*big.Rat
	transfers map[string]*TransferRecord // by txId
	records   map[string]*TransferRecord // by recordId

	strayCalls, strayTokens, repeats simulator.Share
}

// NewServer starts a server; Close it. It panics if no port of the loopback
// interface is free, as net/http/httptest does.
func NewServer(opt Options) *Server {
	opt.TenantID = cmp.Or(opt.TenantID, 1)
	opt.Secret = cmp.Or(opt.Secret, "0123456789abcdef0123456789abcdef")
	opt.TokenLifetime = cmp.Or(opt.TokenLifetime, 24*time.Hour)
	s := &Server{
		opt: opt, mux: http.NewServeMux(), secrets: []string{opt.Secret},
		tokens: map[string]*TokenRecord{}, byUser: map[string][]*TokenRecord{},
		running: map[string]map[*http.Request]bool{}, most: map[string]int{},
		wallets:   map[platformtoken.Player]*big.Rat{},
		transfers: map[string]*TransferRecord{}, records: map[string]*TransferRecord{},
	}
	s.endpoint("/auth/createToken", signedOnly(s.createToken))
	s.endpoint("/player/register", signedOnly(s.register))
	s.endpoint("/game/enter", signedOnly(s.enter))
	s.endpoint("/game/getRecords", signedOnly(getRecords))
	s.endpoint("/player/getBalance", s.getBalance)
	s.endpoint("/player/transfer", s.transfer)
	s.endpoint("/player/getTransferStatus", s.transferStatus)
	s.sim = simulator.New(http.HandlerFunc(s.serve), simulator.Options{InMemory: opt.InMemory, FailBody: failBody, FailureEnvelope: failureEnvelope})
	s.sim.Intercept(s.tracked)
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

// Config returns the configuration of a client of this server.
func (s *Server) Config() platformtoken.Config {
	cfg := platformtoken.Config{
		BaseURL: s.URL(), TenantID: s.opt.TenantID, Secret: providerauth.StaticSecret(s.opt.Secret),
		HTTPClient: s.Client(),
	}
	if s.opt.FailuresInOK {
		cfg.Rejected = func(_ string, _, code int) bool { return code == CodeToken }
	}
	return cfg
}

// RotateSecrets replaces the accepted secrets.
func (s *Server) RotateSecrets(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = slices.Clone(secrets)
}

// Handle adds an endpoint, by a pattern of [http.ServeMux] such as "POST
// /player/getBets". It receives only signed requests: below /player with a live
// token, elsewhere with a live token or without an Authorization header. Faults
// apply to it. It may call the Server. Handle panics for the patterns for which
// [http.ServeMux.Handle] panics, such as the pattern of a built-in endpoint.
func (s *Server) Handle(pattern string, h http.Handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := s.admit(r); err != nil {
			s.write(w, nil, err)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// admit checks the credentials of a request for an endpoint added by Handle.
func (s *Server) admit(r *http.Request) error {
	_, err := s.answer(r, func(r *http.Request, _ []byte) (any, error) {
		if len(r.Header.Values("Authorization")) == 0 && !strings.HasPrefix(r.URL.Path, "/player/") {
			return nil, nil
		}
		_, err := s.bearer(r)
		return nil, err
	})
	return err
}

// An action acts on a signed request and returns the data of the answer, or a
// *failure. The mutex is held.
type action func(r *http.Request, body []byte) (data any, err error)

// signedOnly refuses requests with an Authorization header.
func signedOnly(act action) action {
	return func(r *http.Request, body []byte) (any, error) {
		if len(r.Header.Values("Authorization")) > 0 {
			return nil, bad("the endpoint takes no Authorization")
		}
		return act(r, body)
	}
}

func (s *Server) endpoint(path string, act action) {
	s.mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		data, err := s.answer(r, act)
		s.write(w, data, err)
	})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	data, err := s.answer(r, func(*http.Request, []byte) (any, error) { return nil, errEndpoint })
	s.write(w, data, err)
}

// answer checks the signature of a request and lets act handle it.
func (s *Server) answer(r *http.Request, act action) (any, error) {
	body, err := readAll(r)
	if err != nil {
		return nil, bad("the body cannot be read")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.signed(r, body); err != nil {
		return nil, err
	}
	return act(r, body)
}

func (s *Server) write(w http.ResponseWriter, data any, err error) {
	var f *failure
	switch {
	case errors.As(err, &f) && s.opt.FailuresInOK:
		WriteFailure(w, http.StatusOK, f.code, f.message)
	case errors.As(err, &f):
		WriteFailure(w, f.status, f.code, f.message)
	default:
		WriteData(w, data)
	}
}

// signed checks the four headers of every call. The mutex is held.
func (s *Server) signed(r *http.Request, body []byte) error {
	for _, name := range []string{"sign", "timestamp", "Accept-Language", "Content-Type"} {
		if v := r.Header.Values(name); len(v) != 1 || v[0] == "" {
			return bad("header %s is required, once", name)
		}
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return bad("header Content-Type must be application/json; charset=utf-8")
	}
	stamp := r.Header.Get("timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || strings.Trim(stamp, "0123456789") != "" {
		return bad("header timestamp must be Unix seconds")
	}
	if !slices.ContainsFunc(s.secrets, func(secret string) bool {
		sum := md5.Sum(slices.Concat([]byte(secret), body, []byte(secret)))
		return hex.EncodeToString(sum[:]) == r.Header.Get("sign")
	}) {
		return errSign
	}
	if off := s.sim.Now().Sub(time.Unix(seconds, 0)); s.opt.TimestampTolerance > 0 && off.Abs() > s.opt.TimestampTolerance {
		return errTimestamp
	}
	return nil
}

// decode reads a body into in, whose members have the documented order. It
// refuses a body that differs from the encoding of in.
func (s *Server) decode(body []byte, in any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return bad("the body is not JSON of the documented members")
	}
	if !bytes.Equal(simulator.Encode(in), body) {
		return errForm
	}
	return nil
}

// readAll reads the body and puts it back.
func readAll(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

func (s *Server) known(tenantID int64, userID string) error {
	switch {
	case tenantID != s.opt.TenantID:
		return bad("tenantId is unknown")
	case userID == "":
		return bad("userId is required")
	}
	return nil
}

// register is POST /player/register. Players need not be registered.
func (s *Server) register(_ *http.Request, body []byte) (any, error) {
	var in struct {
		TenantID int64        `json:"tenantId"`
		SiteID   *string      `json:"siteId,omitempty"`
		UserID   string       `json:"userId"`
		NickName string       `json:"nickName"`
		Balance  *json.Number `json:"balance,omitempty"`
		Currency *string      `json:"currency,omitempty"`
	}
	if err := s.decode(body, &in); err != nil {
		return nil, err
	}
	return nil, s.known(in.TenantID, in.UserID)
}

// enter is POST /game/enter.
func (s *Server) enter(_ *http.Request, body []byte) (any, error) {
	var in struct {
		TenantID int64   `json:"tenantId"`
		UserID   string  `json:"userId"`
		GameID   int64   `json:"gameId"`
		Currency *string `json:"currency,omitempty"`
		Language *string `json:"language,omitempty"`
	}
	if err := s.decode(body, &in); err != nil {
		return nil, err
	}
	if err := s.known(in.TenantID, in.UserID); err != nil {
		return nil, err
	}
	return "https://play.example.com/?t=" + strconv.FormatInt(in.TenantID, 10) + "&g=" + strconv.FormatInt(in.GameID, 10) +
		"&k=launch-key&l=" + cmp.Or(text(in.Language), "en"), nil
}

// getRecords is POST /game/getRecords.
func getRecords(*http.Request, []byte) (any, error) {
	return map[string]any{"totalCount": 0, "count": 0, "pageNumber": 1, "pageSize": 10, "data": []any{}}, nil
}
