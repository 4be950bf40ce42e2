package transport

import (
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	backoffBase   = 200 * time.Millisecond
	backoffCap    = 5 * time.Second
	maxRetryAfter = 10 * time.Second // a longer Retry-After is the caller's to wait for
)

// backoff returns how long to wait after the given number of attempts: any time
// up to a bound that doubles. Callers that failed together then do not come
// back together.
func backoff(attempts int) time.Duration {
	bound := backoffCap
	if attempts <= 5 {
		bound = min(bound, backoffBase<<(attempts-1))
	}
	return rand.N(bound + 1)
}

// retryAfter reads the Retry-After header, in either of its two forms, and
// reports whether there was a readable header. A date is judged by the Date of
// the same answer, or else by now. The result is never negative.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	if len(h["Retry-After"]) == 0 {
		return 0, false
	}
	if len(h["Date"]) > 0 {
		if date, err := http.ParseTime(h["Date"][0]); err == nil {
			now = date
		}
	}
	return parseRetryAfter(h["Retry-After"][0], now)
}

func parseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	if value == "" {
		return 0, false
	}
	for i := range len(value) {
		if value[i] >= '0' && value[i] <= '9' {
			continue
		}
		date, err := http.ParseTime(value)
		if err != nil {
			return 0, false
		}
		return max(0, date.Sub(now)), true
	}
	if len(value) > 10 {
		return 0, false
	}
	seconds, _ := strconv.ParseInt(value, 10, 64) // which reads any ten digits
	if seconds > int64(math.MaxInt64/time.Second) {
		return math.MaxInt64, true
	}
	return time.Duration(seconds) * time.Second, true
}
