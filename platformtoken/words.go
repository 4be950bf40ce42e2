package platformtoken

import (
	"encoding"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
)

// words are the texts of the numbers from 1.
type words []string

var (
	directions = [...]string{"in", "out"}
	states     = [...]string{"processing", "succeeded", "failed"}
)

var errWord = errors.New("is neither a known word nor an integer")

// marshal returns the text of n; of a number without a text, the number.
func (w words) marshal(n int) []byte {
	if n < 1 || n > len(w) {
		return strconv.AppendInt(nil, int64(n), 10)
	}
	return []byte(w[n-1])
}

// read is the inverse of marshal.
func (w words) read(s string) (int, error) {
	if i := slices.Index(w, s); i >= 0 {
		return i + 1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, errWord
	}
	return n, nil
}

// unmarshalWord reads a JSON string or number into v. null changes nothing.
func unmarshalWord(b []byte, v encoding.TextUnmarshaler) error {
	if string(b) == "null" {
		return nil
	}
	var s string
	if json.Unmarshal(b, &s) == nil {
		return v.UnmarshalText([]byte(s))
	}
	return v.UnmarshalText(b)
}
