package platformtoken

import (
	"encoding/json"
	"math"
	"strings"
	"time"
)

// firstMilli separates Unix seconds from milliseconds: as seconds it is the
// year 5138, as milliseconds 1973.
const firstMilli = 1e11

// longestLife is ten years in seconds: as a Unix time it is past.
const longestLife = 10 * 365 * 24 * 60 * 60

// readExpires reads the "expires" of an answer. The platform's page shows a
// date and a time with a space between them and no zone. The zone is UTC: the
// time equals the exp of the token beside it to the second. readExpires also
// reads RFC 3339, both forms with fractions of a second, Unix times in seconds
// or milliseconds, and a life of at most ten years in seconds from now, the
// platform's time of the answer. A value missing, null, "" or not after 1970,
// such as the empty DateTime of .NET, 0001-01-01, is the zero time. ok is false
// for any other unreadable value.
func readExpires(raw json.RawMessage, now time.Time) (at time.Time, ok bool) {
	if absent(raw) {
		return time.Time{}, true
	}
	s := strings.ToUpper(strings.TrimSpace(number(raw)))
	if s == "" {
		return time.Time{}, true
	}
	if f, ok := float(s); ok {
		if f > 0 && f <= longestLife {
			return now.Add(time.Duration(f * float64(time.Second))).UTC(), true
		}
		if f >= firstMilli {
			f /= 1000
		}
		if f >= firstMilli {
			return time.Time{}, false
		}
		sec, frac := math.Modf(f)
		return sinceEpoch(time.Unix(int64(sec), int64(frac*1e9)).UTC()), true
	}
	if raw[0] != '"' {
		return time.Time{}, false
	}
	if len(s) > 10 && s[10] == 'T' {
		s = s[:10] + " " + s[11:]
	}
	for _, layout := range [...]string{time.DateTime, "2006-01-02 15:04:05Z07:00"} {
		if at, err := time.Parse(layout, s); err == nil {
			return sinceEpoch(at.UTC()), true
		}
	}
	return time.Time{}, false
}

// sinceEpoch replaces times up to 1970 by the zero time.
func sinceEpoch(at time.Time) time.Time {
	if at.Unix() <= 0 {
		return time.Time{}
	}
	return at
}
