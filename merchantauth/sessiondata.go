package merchantauth

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/expiry"
	"github.com/providerauth/providerauth-go/internal/jwtclaims"
	"github.com/providerauth/providerauth-go/internal/text"
)

// refreshLife is the life of a refresh token by Kuna's page, for tokens without an
// exp.
const refreshLife = 48 * time.Hour

// sessionData is the data of the answer to login and refresh.
type sessionData struct {
	access, refresh string    // refresh is "" if the answer has none
	expires         time.Time // by expiresIn; zero if expiresIn is no Unix time
}

var (
	errAccessToken  = errors.New("data.accessToken is missing, or not " + check.TokenForm)
	errRefreshToken = errors.New("data.refreshToken is not a text of at most 16384 characters without control characters")
)

// read reads the data of an answer. It reads the refresh token first: the Client
// must know of its replacement even if the rest is unusable.
func (s *sessionData) read(env *envelope) error {
	var data struct {
		AccessToken  json.RawMessage `json:"accessToken"`
		ExpiresIn    json.RawMessage `json:"expiresIn"`
		RefreshToken json.RawMessage `json:"refreshToken"`
	}
	if err := env.open(&data); err != nil {
		return err
	}
	if len(data.RefreshToken) > 0 {
		if json.Unmarshal(data.RefreshToken, &s.refresh) != nil || len(s.refresh) > check.MaxToken ||
			s.refresh != "" && text.Defect(s.refresh) != "" {
			return errRefreshToken
		}
	}
	if json.Unmarshal(data.AccessToken, &s.access) != nil || !check.TokenValue(s.access) {
		return errAccessToken
	}
	s.expires = deadline(data.ExpiresIn)
	return nil
}

// The bounds of a plausible Unix time in seconds: 1985, to accept the clocks of
// simulated time, and the end of the year 9999. A duration is below, and a time in
// milliseconds above.
const minUnix, maxUnix = 500_000_000, 253402300799

// deadline reads expiresIn, a number or a text with a number.
func deadline(raw json.RawMessage) time.Time {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	if !json.Valid(raw) { // ParseFloat also reads hexadecimal numbers and "Inf"
		return time.Time{}
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f < minUnix || f > maxUnix {
		return time.Time{}
	}
	return time.Unix(int64(math.Floor(f)), 0)
}

// received makes a token of an answer received at the given time. If the answer
// repeats the refresh token or leaves it out, the refresh token of before stays.
func (c *Client) received(s *sessionData, at expiry.Timing, before Token) (issued, error) {
	times, _ := jwtclaims.Peek(s.access)
	expires, _, ignored, err := expiry.Life{
		Deadlines: []expiry.Deadline{{Name: "expiresIn", At: s.expires}, {Name: "exp", At: times.ExpiresAt}},
		Issued:    times.IssuedAt,
	}.Expiry(at)
	if err != nil {
		return issued{}, err
	}
	t := Token{ExpiresAt: expires.Round(0), secret: credential.New(s.access)}
	if s.expires.IsZero() {
		ignored = append(ignored, "expiresIn")
	}
	if c.logger != nil && len(ignored) > 0 {
		c.logger.Warn("a statement of when the token expires is missing or cannot be right, and is ignored",
			"provider", "merchantauth", "token_id", t.ID(), "ignored", ignored)
	}
	t.refresh, t.RefreshExpiresAt = before.refresh, before.RefreshExpiresAt
	if s.refresh != "" && s.refresh != before.RefreshToken() {
		t.refresh, t.RefreshExpiresAt = credential.New(s.refresh), refreshExpiry(s.refresh, at)
	}
	return issued{Token: t, ID: t.secret.ID(), ExpiresAt: expires}, nil
}

// refreshExpiry returns when a refresh token expires by its own exp, or else
// refreshLife after its receipt.
func refreshExpiry(value string, at expiry.Timing) time.Time {
	times, _ := jwtclaims.Peek(value)
	expires, _, _, err := expiry.Life{
		Deadlines: []expiry.Deadline{{Name: "exp", At: times.ExpiresAt}},
		Issued:    times.IssuedAt, Assumed: refreshLife,
	}.Expiry(at)
	if err != nil { // ErrOvertaken: there is always refreshLife
		return at.Received.Round(0)
	}
	return expires.Round(0)
}

// spentUntil returns when the replaced refresh token of t has expired for certain:
// NewToken accepts any time.
func spentUntil(t Token, at expiry.Timing) time.Time {
	until := refreshExpiry(t.refresh.Value(), at)
	if t.RefreshExpiresAt.After(until) {
		return t.RefreshExpiresAt
	}
	return until
}
