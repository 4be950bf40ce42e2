package platformtokentest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/providerauth/providerauth-go/internal/simulator"
	"github.com/providerauth/providerauth-go/platformtoken"
)

// An Origin says how a token came into being.
type Origin string

const (
	ByClient  Origin = "client"  // an answered request
	ByLost    Origin = "lost"    // a request whose answer was lost or cut
	ByLate    Origin = "late"    // a request given up by the client
	ByOutside Origin = "outside" // OutsideCreate
)

// A TokenRecord is the server's record of a token.
type TokenRecord struct {
	Number    int // counts the tokens of all players, from 1
	Value     string
	Player    platformtoken.Player
	Origin    Origin
	CreatedAt time.Time // on this machine's clock, as the next two
	ExpiresAt time.Time
	DiedAt    time.Time // when the player's next token invalidated it; zero: it has not
	KilledBy  Origin    // the origin of the next token
}

// Token returns the record of a token.
func (s *Server) Token(value string) (TokenRecord, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tokens[value]; t != nil {
		return *t, true
	}
	return TokenRecord{}, false
}

// Tokens returns all tokens of a player in the order of their creation.
func (s *Server) Tokens(userID string) []TokenRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []TokenRecord
	for _, t := range s.byUser[userID] {
		all = append(all, *t)
	}
	return all
}

// Created is the number of tokens made for a player, including lost and late
// tokens and those of OutsideCreate.
func (s *Server) Created(userID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byUser[userID])
}

// MaxConcurrent is the largest number of simultaneous token requests for the
// player; requests given up by the client do not count.
func (s *Server) MaxConcurrent(userID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most[userID]
}

// OutsideCreate makes a token for the player as another system would, and
// invalidates the previous token. It returns the new token's value.
func (s *Server) OutsideCreate(userID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.create(platformtoken.Player{UserID: userID}, ByOutside).Value
}

// create makes a token. The mutex is held.
func (s *Server) create(p platformtoken.Player, by Origin) *TokenRecord {
	now := s.sim.Now()
	t := &TokenRecord{
		Number: len(s.tokens) + 1, Player: p, Origin: by,
		CreatedAt: time.Now().Round(0),
	}
	t.ExpiresAt = t.CreatedAt.Add(s.opt.TokenLifetime)
	t.Value = simulator.HS256("the platform's own key", []byte(`{"alg":"HS256","typ":"JWT"}`), simulator.Encode(claims{
		SID: strconv.FormatInt(now.Unix(), 16) + strconv.Itoa(t.Number), Sub: p.UserID, Tenant: strconv.FormatInt(s.opt.TenantID, 10),
		NotBefore: now.Unix(), Expires: now.Add(s.opt.TokenLifetime).Unix(), Issuer: "thea", Audience: "thea",
	}))
	if old := s.live(p.UserID); old != nil {
		old.DiedAt, old.KilledBy = t.CreatedAt, by
	}
	s.tokens[t.Value] = t
	s.byUser[p.UserID] = append(s.byUser[p.UserID], t)
	return t
}

// claims are the claims of the sample on the platform's page.
type claims struct {
	SID       string `json:"sid"`
	Sub       string `json:"sub"`
	Tenant    string `json:"tenant"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
}

// live returns the player's last token. The mutex is held.
func (s *Server) live(userID string) *TokenRecord {
	all := s.byUser[userID]
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// bearer returns the player whose live token the request has. The mutex is
// held.
func (s *Server) bearer(r *http.Request) (platformtoken.Player, error) {
	const scheme = "Bearer "
	sent := r.Header.Values("Authorization")
	if len(sent) != 1 || len(sent[0]) <= len(scheme) || sent[0][:len(scheme)] != scheme {
		return platformtoken.Player{}, errToken
	}
	t := s.tokens[sent[0][len(scheme):]]
	if t == nil || t != s.live(t.Player.UserID) || !time.Now().Before(t.ExpiresAt) {
		return platformtoken.Player{}, errToken
	}
	if s.strayCalls.Take(r) {
		return platformtoken.Player{}, errToken
	}
	return t.Player, nil
}

// createToken is POST /auth/createToken.
func (s *Server) createToken(r *http.Request, body []byte) (any, error) {
	var in struct {
		TenantID int64   `json:"tenantId"`
		UserID   string  `json:"userId"`
		Currency *string `json:"currency,omitempty"`
	}
	if err := s.decode(body, &in); err != nil {
		return nil, err
	}
	if err := s.known(in.TenantID, in.UserID); err != nil {
		return nil, err
	}
	by := ByClient
	if fault := r.Header.Get(faultHeader); fault != "" {
		by = Origin(fault)
	}
	if s.strayTokens.Take(r) {
		return nil, errSign
	}
	t := s.live(in.UserID)
	if t == nil || !time.Now().Before(t.ExpiresAt) || !s.repeats.Take(r) {
		t = s.create(platformtoken.Player{UserID: in.UserID, Currency: text(in.Currency)}, by)
	}
	expires := s.sim.Now().Add(time.Until(t.ExpiresAt))
	return struct {
		Token   string `json:"token"`
		Expires string `json:"expires"`
	}{t.Value, expires.UTC().Format(time.DateTime)}, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// tracked counts the token requests under way.
func (s *Server) tracked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(faultHeader) // clients must not set it
		if r.URL.Path != "/auth/createToken" {
			next.ServeHTTP(w, r)
			return
		}
		body, err := readAll(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		var in struct {
			UserID string `json:"userId"`
		}
		_ = json.Unmarshal(body, &in)
		defer s.track(in.UserID, r)()
		next.ServeHTTP(w, r)
	})
}

// track counts a request until the returned function is called.
func (s *Server) track(userID string, r *http.Request) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	running := s.running[userID]
	if running == nil {
		running = map[*http.Request]bool{}
		s.running[userID] = running
	}
	running[r] = true
	n := 0
	for other := range running {
		if other.Context().Err() == nil {
			n++
		}
	}
	s.most[userID] = max(s.most[userID], n)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(running, r); len(running) == 0 {
			delete(s.running, userID)
		}
	}
}
