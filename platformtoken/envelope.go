package platformtoken

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"

	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// An envelope is the wrapping of every answer. Members are decoded separately:
// a member of an unexpected type does not hide the others.
type envelope struct {
	IsSuccess json.RawMessage `json:"isSuccess"`
	Code      json.RawMessage `json:"code"`
	Message   json.RawMessage `json:"message"`
	Data      json.RawMessage `json:"data"`

	err error // the body is no JSON object
}

// readEnvelope reads the body of any answer.
func readEnvelope(body []byte) *envelope {
	e := new(envelope)
	e.err = transport.Unmarshal(body, e)
	return e
}

// envelopeOf is the envelope of a successful answer.
func envelopeOf(r *transport.Response) *envelope {
	e, _ := r.Answer.Envelope.(*envelope)
	return e
}

var (
	errNoSuccess     = errors.New(`the answer is no envelope with a boolean "isSuccess"`)
	errContradiction = errors.New(`the answer has "isSuccess" true and a "code" that is not 0`)
	errFailed        = errors.New(`the answer has "isSuccess" false`)
	errNoData        = errors.New(`the answer has no "data"`)
)

// open decodes the data of a successful answer into out, which may be nil.
func (e *envelope) open(out any) error {
	if e.err != nil {
		return e.err
	}
	switch string(e.IsSuccess) {
	case "true":
	case "false":
		return errFailed
	default:
		return errNoSuccess
	}
	if absent(e.Code) {
		// isSuccess decides.
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

// succeeds reports whether the answer is the platform's envelope of a success.
func (e *envelope) succeeds() bool { return e.err == nil && string(e.IsSuccess) == "true" }

// failed reports whether the answer is the platform's failure envelope.
func (e *envelope) failed() bool { return e.err == nil && string(e.IsSuccess) == "false" }

// code returns the code of a failure envelope; 0 for any other answer.
func (e *envelope) code() int {
	if !e.failed() {
		return 0
	}
	code, _ := integer(e.Code)
	return code
}

// message returns the message of a failure envelope.
func (e *envelope) message() string {
	if !e.failed() {
		return ""
	}
	return text.Clip(text.JSONText(e.Message), text.MaxMessage)
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// number returns a JSON number, or the content of a JSON string: some servers
// quote their numbers.
func number(raw json.RawMessage) string {
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// integer reads an int32, also in quotes or with zeros after a point.
func integer(raw json.RawMessage) (int, bool) {
	f, ok := float(number(raw))
	if !ok || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		return 0, false
	}
	return int(f), true
}

// float reads a JSON number. strconv alone accepts other forms too.
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
