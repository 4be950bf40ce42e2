package klas

import (
	"errors"
	"strconv"
	"time"
)

// A Timestamp is the time of a webhook as Klas wrote it. Klas does not state
// the unit for /authenticate: its pages show seconds in some places and
// milliseconds in others. So the number itself is kept.
type Timestamp int64

// millis is where milliseconds begin: as seconds it is the year 5138, as
// milliseconds 1973.
const millis = 100_000_000_000

var errTimestamp = errors.New("must be a whole JSON number above 0, without exponent")

// Time reads values of 100,000,000,000 and above as milliseconds and smaller
// numbers as seconds since 1970.
func (t Timestamp) Time() time.Time {
	if t >= millis {
		return time.UnixMilli(int64(t)).UTC()
	}
	return time.Unix(int64(t), 0).UTC()
}

// UnmarshalJSON accepts a whole JSON number above 0 within int64, and refuses
// quoted numbers, fractions, exponents and null.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n <= 0 || b[0] == '+' {
		return errTimestamp
	}
	*t = Timestamp(n)
	return nil
}

// seconds since 1970, less than 2^60 in any case.
func (t Timestamp) seconds() int64 {
	if t >= millis {
		return int64(t) / 1000
	}
	return int64(t)
}

// defect returns the broken rule of the timestamp and its sentinel. Without
// maxAge no timestamp is refused.
func (t Timestamp) defect(now time.Time, maxAge time.Duration) (rule string, reason error) {
	if maxAge == 0 {
		return "", nil
	}
	if t <= 0 {
		return "is missing or cannot be read", ErrBody
	}
	age, most := now.Unix()-t.seconds(), int64(maxAge/time.Second)
	if age < -most || age > most {
		return "is further from now than MaxAge", ErrStale
	}
	return "", nil
}
