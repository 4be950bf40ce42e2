package assetpay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// An envelope wraps every answer. Its members are read separately: a member of an
// unexpected type does not hide the others.
type envelope struct {
	ID      json.RawMessage `json:"requestId"`
	Success json.RawMessage `json:"success"`
	Data    json.RawMessage `json:"data"`
	Error   json.RawMessage `json:"error"`

	err     error   // the body is no JSON object
	failure failure // the readable members of Error
	failed  bool    // success is false, and Error an object
}

type failure struct {
	Code    json.RawMessage `json:"code"`
	Key     json.RawMessage `json:"key"`
	Message json.RawMessage `json:"message"`
	Fields  json.RawMessage `json:"fields"`
	Details json.RawMessage `json:"details"`

	object bool
}

// readEnvelope reads the body of any answer.
func readEnvelope(body []byte) *envelope {
	e := new(envelope)
	e.err = transport.Unmarshal(body, e)
	e.failure.object = json.Unmarshal(e.Error, &e.failure) == nil
	e.failed = e.err == nil && string(e.Success) == "false" && len(e.Error) > 0 && e.Error[0] == '{'
	return e
}

// envelopeOf is the envelope of a successful answer.
func envelopeOf(r *transport.Response) *envelope {
	e, _ := r.Answer.Envelope.(*envelope)
	return e
}

// key returns the error key of AssetPay's failure envelope; "" if the body is no
// failure envelope. A number is no key.
func (e *envelope) key() string {
	var key string
	if !e.failed || json.Unmarshal(e.failure.Key, &key) != nil {
		return ""
	}
	return text.Clip(key, text.MaxCode)
}

var (
	errNoSuccess  = errors.New(`the answer is no envelope with "success" true`)
	errNoData     = errors.New(`the answer has no "data"`)
	errTokenValue = errors.New("data.token is missing, or not " + check.TokenForm)
)

// open decodes the data of a successful answer into out, which may be nil.
func (e *envelope) open(out any) error {
	switch {
	case e.err != nil:
		return e.err
	case string(e.Success) != "true":
		return errNoSuccess
	case out == nil:
		return nil
	case len(e.Data) == 0, string(e.Data) == "null":
		return errNoData
	}
	return transport.Unmarshal(e.Data, out)
}

func requestID(id json.RawMessage, h http.Header) string {
	return text.Clip(cmp.Or(text.JSONText(id), h.Get("X-Request-Id")), text.MaxCode)
}

// read fills in the fields from the answer, except unreadable members.
func (e *Error) read(env *envelope) {
	f := &env.failure
	if !f.object {
		e.Message = text.Clip(text.JSONText(env.Error), text.MaxMessage)
		return
	}
	e.Code, _ = strconv.Atoi(text.JSONText(f.Code))
	e.Key = text.Clip(text.JSONText(f.Key), text.MaxCode)
	e.Message = message(f.Message)
	if fields := text.Members(f.Fields); len(fields) > 0 {
		e.Fields = make(map[string]string, len(fields))
		for name, rule := range fields {
			e.Fields[name] = message(rule)
		}
	}
	if string(f.Details) != "null" && len(f.Details) <= text.MaxDetails {
		e.details = bytes.Clone(f.Details) // or the whole answer would be kept
	}
}

// message reads a string or an array of strings.
func message(raw json.RawMessage) string {
	parts, ok := text.Elements(raw)
	if !ok {
		return text.Clip(text.JSONText(raw), text.MaxMessage)
	}
	lines := make([]string, len(parts))
	for i, part := range parts {
		lines[i] = text.JSONText(part)
	}
	return text.Clip(strings.Join(lines, "; "), text.MaxMessage)
}
