package jwtclaims

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// maxDate is 9999-12-31T23:59:59Z in Unix seconds. Later times cannot be
// printed as RFC 3339, and far later times overflow.
const maxDate = 253402300799

// maxPeek is the length in bytes of the longest token that a provider may
// issue.
const maxPeek = 16 << 10

// Times are a token's own statements, in UTC. The zero time stands for a claim
// that is absent, not a number, or not between 1970 and the end of the year
// 9999.
type Times struct {
	ExpiresAt time.Time // exp
	IssuedAt  time.Time // iat
	NotBefore time.Time // nbf
}

// Peek reads the times of a token without verification: the provider made the
// token for us with its own key. The times prove nothing. Use them to decide
// when to replace our token, never to decide whether to trust a token. ok is
// false if token is not a JWT of at most 16 KiB; opaque tokens are not.
func Peek(token string) (times Times, ok bool) {
	segments, rule := split(token, maxPeek)
	if rule != "" {
		return Times{}, false
	}
	if peekObject(segments[0]) == nil {
		return Times{}, false
	}
	payload := peekObject(segments[1])
	if payload == nil {
		return Times{}, false
	}
	times.ExpiresAt, _ = date(payload["exp"])
	times.IssuedAt, _ = date(payload["iat"])
	times.NotBefore, _ = date(payload["nbf"])
	return times, true
}

// peekObject returns nil if segment holds no JSON object. If a member comes
// twice, the last counts, as with most readers.
func peekObject(segment string) (members map[string]json.RawMessage) {
	data, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil || json.Unmarshal(data, &members) != nil {
		return nil
	}
	return members
}

// date reads a JSON value as Unix seconds, with or without a fraction.
func date(value json.RawMessage) (time.Time, bool) {
	if len(value) == 0 || value[0] < '0' || value[0] > '9' {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f < 1 || f > maxDate {
		return time.Time{}, false
	}
	sec, frac := math.Modf(f)
	return time.Unix(int64(sec), int64(frac*1e9)).UTC(), true
}
