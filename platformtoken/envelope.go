package platformtoken

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"

	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// An envelope is what the platform wraps every answer in. Its members are read
// one by one, so that one of an unexpected type does not hide the others.
type envelope struct {
	IsSuccess json.RawMessage `json:"isSuccess"`
	Code      json.RawMessage `json:"code"`
	Message   json.RawMessage `json:"message"`
	Data      json.RawMessage `json:"data"`
}

var (
	errNoSuccess     = errors.New(`the answer is no envelope with a boolean "isSuccess"`)
	errContradiction = errors.New(`the answer has "isSuccess" true and a "code" that is not 0`)
	errFailed        = errors.New(`the answer has "isSuccess" false`)
	errNoData        = errors.New(`the answer has no "data"`)
)

// open decodes the data of a successful answer into out, which may be nil.
func open(body []byte, out any) error {
	var e envelope
	if err := transport.Unmarshal(body, &e); err != nil {
		return err
	}
	switch string(e.IsSuccess) {
	case "true":
	case "false":
		return errFailed
	default:
		return errNoSuccess
	}
	if absent(e.Code) {
		// The flag has said it.
	} else if code, ok := integer(e.Code); !ok || code != 0 {
		return errContradiction
	}
	switch {
	case out == nil:
		return nil
	case absent(e.Data):
		return errNoData
	}
	return transport.Unmarshal(e.Data, out)
}

// succeeds reports whether an answer is the platform's envelope of a success.
func succeeds(body []byte) bool {
	var e envelope
	return json.Unmarshal(body, &e) == nil && string(e.IsSuccess) == "true"
}

// readRefusal reads the platform's failure envelope; ok is false if body is
// none.
func readRefusal(body []byte) (code int, message string, ok bool) {
	var e envelope
	if json.Unmarshal(body, &e) != nil || string(e.IsSuccess) != "false" {
		return 0, "", false
	}
	code, _ = integer(e.Code)
	return code, text.Clip(text.JSONText(e.Message), text.MaxMessage), true
}

// classify reads an answer's failure envelope. The platform's codes are not
// public, so the status decides what each of them proves.
func classify(status int, body []byte) transport.Class {
	if _, _, ok := readRefusal(body); !ok {
		return transport.Unread
	}
	return transport.EnvelopeClass(status)
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// number returns a JSON number, or what a JSON string holds: some servers
// quote their numbers.
func number(raw json.RawMessage) string {
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// integer reads an int32, also one in quotes or with zeros after a point.
func integer(raw json.RawMessage) (int, bool) {
	f, ok := float(number(raw))
	if !ok || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		return 0, false
	}
	return int(f), true
}

// float reads a number of JSON's kind, which strconv's other forms are not.
func float(s string) (float64, bool) {
	if s == "" || len(s) > 64 || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return 0, false
	}
	if !json.Valid([]byte(s)) {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}
