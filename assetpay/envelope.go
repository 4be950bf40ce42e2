package assetpay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// An envelope is what AssetPay wraps every answer in. Its members are read one
// by one, so that one of an unexpected type does not hide the others.
type envelope struct {
	ID      json.RawMessage `json:"requestId"`
	Success json.RawMessage `json:"success"`
	Data    json.RawMessage `json:"data"`
	Error   json.RawMessage `json:"error"`
}

type refusal struct {
	Code    json.RawMessage `json:"code"`
	Key     json.RawMessage `json:"key"`
	Message json.RawMessage `json:"message"`
	Fields  json.RawMessage `json:"fields"`
	Details json.RawMessage `json:"details"`
}

var (
	errNoSuccess  = errors.New(`the answer is no envelope with "success" true`)
	errNoData     = errors.New(`the answer has no "data"`)
	errTokenValue = errors.New("data.token is missing, or not 1 to 8192 characters of A-Z a-z 0-9 - . _ ~ + / =")
)

// open decodes the data of a successful answer into out, which may be nil.
func (e *envelope) open(body []byte, out any) error {
	if err := transport.Unmarshal(body, e); err != nil {
		return err
	}
	switch {
	case string(e.Success) != "true":
		return errNoSuccess
	case out == nil:
		return nil
	case len(e.Data) == 0, string(e.Data) == "null":
		return errNoData
	}
	return transport.Unmarshal(e.Data, out)
}

func (e *envelope) requestID(h http.Header) string {
	return text.Clip(cmp.Or(text.JSONText(e.ID), h.Get("X-Request-Id")), text.MaxCode)
}

// classify reads an answer's failure envelope. AssetPay's own SDK takes every
// key under a 5xx for definitive, except SERVER_ERROR, the key of a fault that
// nobody foresaw, which proves nothing under any status. No key is documented for
// 408.
func classify(status int, body []byte) transport.Class {
	key, ok := failureKey(body)
	switch {
	case !ok:
		return transport.Unread
	case key == "SERVER_ERROR":
		return transport.MayHave
	case status >= http.StatusInternalServerError && isKey(key):
		return transport.Refused
	}
	return transport.EnvelopeClass(status)
}

// failureKey returns the key of AssetPay's failure envelope; ok is false if body
// is none.
func failureKey(body []byte) (key string, ok bool) {
	var e envelope
	if json.Unmarshal(body, &e) != nil || string(e.Success) != "false" || len(e.Error) == 0 || e.Error[0] != '{' {
		return "", false
	}
	var r refusal
	_ = json.Unmarshal(e.Error, &r)
	_ = json.Unmarshal(r.Key, &key) // a number is no key
	return text.Clip(key, text.MaxCode), true
}

// read fills in what the answer says. Whatever cannot be read is left out.
func (e *Error) read(body []byte, h http.Header) {
	var env envelope
	_ = json.Unmarshal(body, &env)
	e.RequestID = env.requestID(h)
	var r refusal
	if json.Unmarshal(env.Error, &r) != nil {
		e.Message = text.Clip(text.JSONText(env.Error), text.MaxMessage)
		return
	}
	e.Code, _ = strconv.Atoi(text.JSONText(r.Code))
	e.Key = text.Clip(text.JSONText(r.Key), text.MaxCode)
	e.Message = message(r.Message)
	if fields := text.Members(r.Fields); len(fields) > 0 {
		e.Fields = make(map[string]string, len(fields))
		for name, rule := range fields {
			e.Fields[name] = message(rule)
		}
	}
	if string(r.Details) != "null" && len(r.Details) <= text.MaxDetails {
		e.details = bytes.Clone(r.Details) // or the whole answer would be kept
	}
}

// message reads a string or an array of them.
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
