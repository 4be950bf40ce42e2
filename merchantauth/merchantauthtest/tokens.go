package merchantauthtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/providerauth/providerauth-go/internal/simulator"
)

type accessToken struct {
	expires time.Time
	refused *failure      // nil: valid until it expires
	spent   *refreshToken // the refresh token spent on it; nil after a login
}

type refreshToken struct {
	expires  time.Time
	revoked  bool
	replaced bool // by a new refresh token
	seen     bool // the client has used its replacement
	paid     *refreshToken
}

// login expects the e-mail address under Kuna's name for it.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	f := s.checkMerchant(r)
	var body struct{ Token, Password string }
	if f == nil {
		f = read(r, &body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil && (body.Token != s.opt.Email || body.Password != s.password) {
		f = s.errRefused("Invalid credentials")
	}
	if f == nil && s.strayTokens.Take(r) {
		f = errUnauthorized(s.opt.ErrorStatus, "Unauthorized")
	}
	if f != nil {
		f.write(w)
		return
	}
	s.logins++
	s.issue(w, s.repeats.Take(r), "", nil)
}

func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	f := s.checkMerchant(r)
	var body struct{ RefreshToken string }
	if f == nil {
		f = read(r, &body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.refresh[body.RefreshToken]
	if t != nil {
		use(t.paid)
		if t.replaced && t.seen && !simulator.Late(r) {
			s.replays++
		}
	}
	switch {
	case f != nil:
	case t == nil, t.revoked, t.replaced:
		f = s.errRefused("Invalid token")
	case !s.sim.Now().Before(t.expires):
		f = errRefreshExpired(s.opt.ErrorStatus)
	case s.strayTokens.Take(r):
		f = errUnauthorized(s.opt.ErrorStatus, "Unauthorized")
	}
	if f != nil {
		f.write(w)
		return
	}
	s.refreshes++
	s.issue(w, s.repeats.Take(r), body.RefreshToken, t)
}

// use records the client's use of the tokens bought with t, and with the refresh
// tokens before t.
func use(t *refreshToken) {
	for ; t != nil && !t.seen; t = t.paid {
		t.seen = true
	}
}

// issue answers with new tokens, or with the last access token again. The mutex is
// held. value and spent are the refresh token of the request, if any.
func (s *Server) issue(w http.ResponseWriter, again bool, value string, spent *refreshToken) {
	now := s.sim.Now()
	s.serial++
	session := fmt.Sprintf("session-%d", s.serial)
	expires := now.Truncate(time.Second).Add(s.opt.TokenLifetime)
	access := token(struct {
		ID          string `json:"id"`
		Email       string `json:"email"`
		Role        string `json:"role"`
		MerchantID  string `json:"merchantId"`
		Fingerprint string `json:"fingerprint"`
		JWTID       string `json:"jwtId"`
		IssuedAt    int64  `json:"iat"`
		Expires     int64  `json:"exp"`
	}{"user-1", s.opt.Email, "Owner", s.opt.MerchantID, "d7b608ee", session, now.Unix(), expires.Unix()})
	if last := s.access[s.last]; again && last != nil && last.refused == nil && now.Before(last.expires) {
		access, expires = s.last, last.expires
	} else {
		s.access[access] = &accessToken{expires: expires, spent: spent}
		s.last = access
	}

	data := map[string]any{"accessToken": access, "expiresIn": expires.Unix()}
	switch {
	case spent == nil, s.opt.Refresh == RefreshRotates:
		until := now.Truncate(time.Second).Add(s.opt.RefreshLifetime)
		next := "opaque-" + session + "-" + rand.Text()
		if !s.opt.OpaqueRefresh {
			next = token(struct {
				ID               string `json:"id"`
				Fingerprint      string `json:"fingerprint"`
				SessionCreatedAt int64  `json:"sessionCreatedAt"`
				IssuedAt         int64  `json:"iat"`
				Expires          int64  `json:"exp"`
			}{"user-1", "d7b608ee", now.UnixMilli(), now.Unix(), until.Unix()})
		}
		s.refresh[next] = &refreshToken{expires: until, paid: spent}
		if spent != nil {
			spent.replaced = true
		}
		data["refreshToken"] = next
	case s.opt.Refresh == RefreshRepeats:
		data["refreshToken"] = value
	}
	WriteData(w, s.opt.Status, data)
}

// checkToken checks the access token of a private call.
func (s *Server) checkToken(header string) *failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := strings.CutPrefix(header, "Bearer ")
	t := s.access[value]
	if !ok || t == nil {
		return errTokenInvalid(s.opt.ErrorStatus)
	}
	use(t.spent)
	switch {
	case t.refused != nil:
		return t.refused
	case !s.sim.Now().Before(t.expires):
		return errTokenExpired(s.opt.ErrorStatus, t.expires)
	}
	return nil
}

// token makes a JSON Web Token in the form of Kuna's tokens. Clients have no key to
// verify it, so the signature is random, with the length of RSA-2048.
func token(claims any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err) // strings and numbers
	}
	signature := make([]byte, 256)
	_, _ = rand.Read(signature)
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + enc(payload) + "." + enc(signature)
}
