package klas

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A wire is what this package reads of the body of a webhook or an answer.
type wire struct {
	RequestID, SessionID, PlayerID string
	Timestamp                      int64
	StatusCode                     string
	misfit                         string // the name of a member that has another type, and no value
	answer                         bool   // a member is called status_code, in any case
}

// defect returns why a JSON object is no webhook: the member and the rule that
// it breaks. Requests and answers are signed alike, so an answer that is sent
// back verifies as a request. Every answer has a status_code, and no documented
// webhook has.
func (w *wire) defect() (name, rule string) {
	switch {
	case w.answer:
		return "status_code", "must not be in a webhook: answers have it"
	case w.misfit == "request_id":
		return "request_id", "has the wrong type"
	case w.RequestID == "":
		return "request_id", "is missing or empty"
	}
	return "", ""
}

// decode reads body into w and returns the rule that keeps it from being one
// JSON object. Of a member that comes twice the last counts.
//
// Decoding is the greater part of a webhook's cost. encoding/json takes
// Player_ID for player_id and, up to Go 1.26, three times as long, because it
// goes over a body twice. From Go 1.27 on jsontext is the standard library's own,
// of which the module is a copy for older versions.
func (x *exchange) decode(body []byte, w *wire) (rule string) {
	if rule := object(body); rule != "" {
		return rule
	}
	x.in = *bytes.NewBuffer(body)
	if len(body) > firstRead { // it can be nested deeply, and the decoder holds on to it
		defer func() {
			x.in = bytes.Buffer{}
			x.dec.Reset(&x.in)
		}()
	}
	// An unknown member may hold what it will; the known ones are looked at.
	x.dec.Reset(&x.in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	_, err := x.dec.ReadToken()
	for err == nil && x.dec.PeekKind() == '"' {
		err = w.member(x.dec)
	}
	if err == nil {
		_, err = x.dec.ReadToken()
	}
	switch {
	case err != nil:
		return "is not valid JSON"
	case len(trimSpace(body[x.dec.InputOffset():])) > 0:
		return "goes on after the JSON object"
	}
	return ""
}

// member reads a name and its value.
func (w *wire) member(d *jsontext.Decoder) error {
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	name := token.String()
	w.answer = w.answer || strings.EqualFold(name, "status_code")
	switch name {
	case "request_id":
		return w.text(d, "request_id", &w.RequestID)
	case "session_id":
		return w.text(d, "session_id", &w.SessionID)
	case "player_id":
		return w.text(d, "player_id", &w.PlayerID)
	case "timestamp":
		return w.number(d, "timestamp", &w.Timestamp)
	case "status_code":
		return w.text(d, "status_code", &w.StatusCode)
	}
	return d.SkipValue()
}

func (w *wire) text(d *jsontext.Decoder, name string, to *string) error {
	if d.PeekKind() != '"' {
		*to, w.misfit = "", name
		return d.SkipValue()
	}
	token, err := d.ReadToken()
	if err == nil {
		*to = token.String()
		w.fits(name)
	}
	return err
}

// number takes one without fraction and exponent that fits an int64.
func (w *wire) number(d *jsontext.Decoder, name string, to *int64) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	if *to, err = strconv.ParseInt(string(value), 10, 64); err != nil {
		*to, w.misfit = 0, name
		return nil
	}
	w.fits(name)
	return nil
}

// fits forgets a misfit of that name, which came before.
func (w *wire) fits(name string) {
	if w.misfit == name {
		w.misfit = ""
	}
}

// encode returns the answer. One that is not OK holds no more than the one that
// Klas documents.
func (x *exchange) encode(code StatusCode) []byte {
	x.out.Reset()
	x.enc.Reset(&x.out, jsontext.AllowDuplicateNames(true)) // nothing to look for
	x.put(jsontext.BeginObject)
	if code == StatusOK {
		x.put(jsontext.String("currency"), jsontext.String(x.accepted.currency))
		x.put(jsontext.String("balance"), jsontext.String(x.accepted.balance))
	}
	x.put(jsontext.String("status_code"), jsontext.String(string(code)))
	x.put(jsontext.EndObject)
	return bytes.TrimSuffix(x.out.Bytes(), newline)
}

var newline = []byte("\n") // the encoder ends with one, Klas's samples do not

// put cannot fail: the buffer takes everything, and all texts are UTF-8.
func (x *exchange) put(tokens ...jsontext.Token) {
	for _, t := range tokens {
		_ = x.enc.WriteToken(t)
	}
}

// object returns the rule that keeps body from being a JSON object, as far as
// that shows without parsing it.
func object(body []byte) (rule string) {
	text := trimSpace(body)
	switch {
	case len(text) == 0:
		return "is empty"
	case text[0] != '{':
		return "is not a JSON object"
	case !utf8.Valid(body):
		return "is not valid UTF-8"
	}
	return ""
}

// trimSpace cuts the white space of JSON, which is not that of Unicode.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\r' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}
