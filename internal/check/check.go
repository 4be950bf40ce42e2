// Package check validates configurations and requests. The methods of [Problems]
// collect all broken rules, and never repeat a value: it may be a credential, or
// hold one.
package check

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/text"
)

// Problems are the broken rules, by field. The zero value is ready for use and
// allocates nothing until there is a problem.
type Problems map[string]string

const required = "required"

// Add records that field breaks rule.
func (p *Problems) Add(field, rule string) {
	if *p == nil {
		*p = Problems{}
	}
	if earlier := (*p)[field]; earlier != "" {
		rule = earlier + "; " + rule
	}
	(*p)[field] = rule
}

// BaseURL parses raw. It returns nil if raw breaks a rule: raw is required and
// must be absolute, https or, for a loopback host, http, without userinfo,
// query or fragment.
func (p *Problems) BaseURL(field, raw string) *url.URL {
	if raw == "" {
		p.Add(field, required)
		return nil
	}
	u, rule := baseURL(raw)
	if rule != "" {
		p.Add(field, rule)
		return nil
	}
	return u
}

func baseURL(raw string) (*url.URL, string) {
	if strings.TrimFunc(raw, unicode.IsSpace) != raw {
		return nil, "must not begin or end with white space"
	}
	if !utf8.ValidString(raw) || strings.ContainsFunc(raw, text.Control) {
		return nil, "must be valid UTF-8 without control characters"
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Opaque != "" || u.Hostname() == "" {
		return nil, "must be an absolute URL with a host"
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "must be an https URL"
	case u.User != nil:
		return nil, "must not contain a user name or password"
	case strings.ContainsAny(raw, "?#"):
		return nil, "must not have a query or fragment"
	case !validPort(u):
		return nil, "must have a port from 1 to 65535, or none and no colon"
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, "must be an https URL; http is for loopback hosts only"
	}
	return u, ""
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}

// HTTPClient checks a client before the SDK copies it; nil is fine.
func (p *Problems) HTTPClient(c *http.Client) {
	if c == nil {
		return
	}
	if c.Jar != nil {
		p.Add("HTTPClient.Jar", "must be nil: cookies would tie tokens together")
	}
	p.Duration("HTTPClient.Timeout", c.Timeout)
}

// maxDuration keeps sums and multiples of durations from overflowing.
const maxDuration = 10 * 365 * 24 * time.Hour

// Duration refuses negative durations and durations beyond ten years.
func (p *Problems) Duration(field string, d time.Duration) {
	switch {
	case d < 0:
		p.Add(field, "must not be negative")
	case d > maxDuration:
		p.Add(field, "must be at most ten years")
	}
}

// maxBackdate is the default of a Backdate.
const maxBackdate = 5 * time.Second

// Backdate returns how far in the past the iat of a token of the given life
// lies: d, by default 5 s or a twelfth of the life, or 0 if d is negative. It
// refuses fractions of a second, and a d as long as the life or longer.
func (p *Problems) Backdate(field string, d, life time.Duration) time.Duration {
	switch {
	case d == 0:
		return min(maxBackdate, life/12).Truncate(time.Second)
	case d < 0:
		return 0
	case d%time.Second != 0 || d >= life:
		p.Add(field, "must be whole seconds, less than the life of the tokens")
	}
	return d
}

// Count refuses negative numbers.
func (p *Problems) Count(field string, n int) {
	if n < 0 {
		p.Add(field, "must not be negative")
	}
}

// Require checks an identifier, an email address or another text that is sent
// as it is. The text must not be empty, and must keep the rules of
// [Problems.Optional].
func (p *Problems) Require(field, value string) {
	if value == "" {
		p.Add(field, required)
		return
	}
	p.Optional(field, value)
}

// Optional checks a text; "" is fine. The text must be UTF-8 (two ids of bad
// bytes could become the same id), without control characters and without white
// space at its ends.
func (p *Problems) Optional(field, value string) {
	switch {
	case value == "":
	case !utf8.ValidString(value):
		p.Add(field, "must be valid UTF-8")
	default:
		if rule := text.Defect(value); rule != "" {
			p.Add(field, rule)
		}
	}
}

// AtMost checks that a text has at most runes code points.
func (p *Problems) AtMost(runes int, field, value string) {
	if utf8.ValidString(value) && utf8.RuneCountInString(value) > runes {
		p.Add(field, fmt.Sprintf("must have at most %d characters", runes))
	}
}

// Missing is the rule of a missing secret. StaticNote is its part about static
// secrets.
const (
	Missing    = "required " + StaticNote
	StaticNote = "(a static secret that is empty, begins or ends with white space, or holds control characters counts as missing)"
)

// RequireSecret checks the presence of a secret. It does not call f.
func (p *Problems) RequireSecret(field string, f providerauth.SecretFunc) {
	if f == nil {
		p.Add(field, Missing)
	}
}

// HMACKey checks a key of HMAC, which may be missing: FIPS 140-only mode refuses
// some static keys. Any other f is not called.
func (p *Problems) HMACKey(field string, f providerauth.SecretFunc) {
	if key, ok := credential.StaticValue(f); ok {
		if rule := fips.HMACKey(key); rule != "" {
			p.Add(field, rule)
		}
	}
}

// RequireHMACKeys checks the presence of a list of keys, and each key by the
// rule of [Problems.HMACKey].
func (p *Problems) RequireHMACKeys(field string, f providerauth.SecretsFunc) {
	if f == nil {
		p.Add(field, Missing)
	}
	keys, _ := credential.StaticValues(f)
	for _, key := range keys {
		if rule := fips.HMACKey(key); rule != "" {
			p.Add(field, "each "+rule)
			return
		}
	}
}

// LogSecret describes a credential for a log without its value.
func LogSecret(f providerauth.SecretFunc) string {
	if f == nil {
		return "not set"
	}
	return "set"
}

// MaxToken is the length of the longest token of a provider, in bytes.
const MaxToken = 16 << 10

// TokenForm is the rule of [TokenValue], for errors.
const TokenForm = "1 to 16384 visible ASCII characters without spaces"

// TokenValue reports whether s can be a token in an Authorization header.
// Opaque tokens have characters forbidden by RFC 6750, such as the "|" of
// Laravel Sanctum.
func TokenValue(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= MaxToken
}

// LogURL returns a base URL for a log. For an invalid URL it returns the broken
// rule: the URL may hold a password.
func LogURL(raw string) string {
	if raw == "" {
		return ""
	}
	u, rule := baseURL(raw)
	if rule != "" {
		return "invalid: " + rule
	}
	return u.String()
}

// Out refuses a place for an answer that cannot be written to: the call would
// be made and its answer lost. nil is fine: no answer is wanted.
func (p *Problems) Out(field string, out any) {
	if v := reflect.ValueOf(out); out != nil && (v.Kind() != reflect.Pointer || v.IsNil()) {
		p.Add(field, "must be nil or a pointer that is not nil")
	}
}
