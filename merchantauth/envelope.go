package merchantauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// An envelope wraps every answer: data or errors.
type envelope struct {
	Data   json.RawMessage `json:"data"` // nil if absent, "null" if null
	Errors json.RawMessage `json:"errors"`

	err     error        // the body is no JSON object
	entries []ErrorEntry // of Errors
}

// readEnvelope reads the body of any answer.
func readEnvelope(body []byte) *envelope {
	e := new(envelope)
	e.err = transport.Unmarshal(body, e)
	if e.err == nil {
		e.entries = entries(e.Errors)
	}
	return e
}

// envelopeOf is the envelope of a successful answer.
func envelopeOf(r *transport.Response) *envelope {
	e, _ := r.Answer.Envelope.(*envelope)
	return e
}

var (
	errNoData = errors.New(`the answer has no "data"`)
	errBoth   = errors.New(`the answer has "data" and "errors"`)
)

// open decodes the data of a successful answer into out. If out is nil, data may be
// null but must be present.
func (e *envelope) open(out any) error {
	switch {
	case e.err != nil:
		return e.err
	case len(e.entries) > 0: // beside data: errors alone are no success
		return errBoth
	case len(e.Data) == 0, out != nil && e.empty():
		return errNoData
	case out == nil:
		return nil
	}
	return transport.Unmarshal(e.Data, out)
}

func (e *envelope) empty() bool { return len(e.Data) == 0 || string(e.Data) == "null" }

// An ErrorEntry is an error in the list of an answer. Its texts may quote the
// request.
type ErrorEntry struct {
	// Code is Kuna's name of the error. Only UNAUTHORIZED and REFRESH_TOKEN_EXPIRED
	// are documented.
	Code string
	// Message is the text, of at most 1 KiB, from any form of the message: a text,
	// a number, the "message" of an object, or several of these joined by "; ".
	Message string
	// Name is the "name" of an object as the message, such as TokenExpiredError.
	Name string
	// ExpiredAt is the "expiredAt" of such an object; zero if there is none.
	ExpiredAt time.Time
	// Raw is the entry as it came; nil if it is longer than 4 KiB.
	Raw json.RawMessage
}

// entries reads the member "errors": an array, or an object for a single error.
// Anything else, and an empty list or object, is no error.
func entries(raw json.RawMessage) []ErrorEntry {
	list, ok := text.Elements(raw)
	if !ok {
		if len(text.Members(raw)) == 0 {
			return nil
		}
		list = []json.RawMessage{raw}
	}
	var read []ErrorEntry
	for _, r := range list {
		read = append(read, entry(r))
	}
	return read
}

func entry(raw json.RawMessage) ErrorEntry {
	var e ErrorEntry
	if len(raw) <= text.MaxDetails {
		e.Raw = bytes.Clone(raw) // or the whole answer would be kept
	}
	var members struct {
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(raw, &members) != nil {
		e.Message = text.Clip(text.JSONText(raw), text.MaxMessage)
		return e
	}
	e.Code = text.Clip(text.JSONText(members.Code), text.MaxCode)
	e.Message = text.Clip(message(members.Message), text.MaxMessage)
	var object struct {
		Name      json.RawMessage `json:"name"`
		ExpiredAt json.RawMessage `json:"expiredAt"`
	}
	if json.Unmarshal(members.Message, &object) == nil {
		e.Name = text.Clip(text.JSONText(object.Name), text.MaxCode)
		if at, err := time.Parse(time.RFC3339, text.JSONText(object.ExpiredAt)); err == nil {
			e.ExpiredAt = at
		}
	}
	return e
}

// message reads a message in any of its forms.
func message(raw json.RawMessage) string {
	if list, ok := text.Elements(raw); ok {
		lines := make([]string, 0, len(list))
		for _, r := range list {
			if line := line(r); line != "" {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "; ")
	}
	return line(raw)
}

// line reads a message, or the "message" inside an object.
func line(raw json.RawMessage) string {
	var object struct {
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(raw, &object) == nil {
		raw = object.Message
	}
	return text.JSONText(raw)
}

const (
	codeUnauthorized   = "UNAUTHORIZED"
	codeRefreshExpired = "REFRESH_TOKEN_EXPIRED"
	nameTokenExpired   = "TokenExpiredError"
)

// expired reports whether the entry is for an expired access token.
func expired(e ErrorEntry) bool { return e.Code == codeUnauthorized && e.Name == nameTokenExpired }
