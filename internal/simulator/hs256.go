package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"
)

var segment = base64.RawURLEncoding.Strict()

// HS256 makes a JSON Web Token of exactly these bytes.
func HS256(secret string, headerJSON, payloadJSON []byte) string {
	signed := segment.EncodeToString(headerJSON) + "." + segment.EncodeToString(payloadJSON)
	return signed + "." + segment.EncodeToString(mac(secret, signed))
}

// CheckHS256 returns the decoded header and payload of a token whose signature
// is HMAC-SHA256 under the secret and whose header says so; ok is false, and
// both are nil, for anything else: an empty secret, another alg or none, a crit
// header, characters outside base64url. It does not look at the claims.
func CheckHS256(secret, token string) (header, payload []byte, ok bool) {
	parts := strings.Split(token, ".")
	// The decoder would skip line ends.
	if secret == "" || len(parts) != 3 || strings.ContainsAny(token, "\r\n") {
		return nil, nil, false
	}
	var decoded [3][]byte
	for i, p := range parts {
		var err error
		if decoded[i], err = segment.DecodeString(p); err != nil {
			return nil, nil, false
		}
	}
	if !hmac.Equal(decoded[2], mac(secret, parts[0]+"."+parts[1])) {
		return nil, nil, false
	}
	var fields map[string]any // not a struct: those match names in any case
	if json.Unmarshal(decoded[0], &fields) != nil || fields["alg"] != "HS256" {
		return nil, nil, false
	}
	if _, critical := fields["crit"]; critical {
		return nil, nil, false
	}
	return decoded[0], decoded[1], true
}

// A NumericDate is a date of a token, in seconds since 1970. RFC 7519 allows
// fractions.
type NumericDate float64

// Time returns the date in UTC.
func (d NumericDate) Time() time.Time {
	sec, frac := math.Modf(float64(d))
	return time.Unix(int64(sec), int64(frac*1e9)).UTC()
}

func mac(secret, signed string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(signed))
	return h.Sum(nil)
}
