package klas

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A message is the part of a webhook's or an answer's body read by this
// package.
type message struct {
	requestID, sessionID, playerID string
	timestamp                      Timestamp
	statusCode                     string

	mistyped string // the first field of another type; it has no value
	isAnswer bool   // a member is called status_code, in any case
}

// members are the raw values of the known members; nil for a missing member. If
// a name comes twice, the last value counts. Names are case-sensitive, except
// for isAnswer: a status_code in any case sets it.
type members struct {
	requestID, sessionID, playerID, timestamp, statusCode []byte

	isAnswer bool
}

func (m *members) add(name string, value []byte) {
	m.isAnswer = m.isAnswer || strings.EqualFold(name, "status_code")
	switch name {
	case "request_id":
		m.requestID = value
	case "session_id":
		m.sessionID = value
	case "player_id":
		m.playerID = value
	case "timestamp":
		m.timestamp = value
	case "status_code":
		m.statusCode = value
	}
}

// decode reads body and returns the broken rule if it is not a JSON object.
func decode(body []byte) (m message, rule string) {
	switch text := bytes.TrimLeft(body, " \n\r\t"); {
	case len(text) == 0:
		return m, "is empty"
	case text[0] != '{':
		return m, "is not a JSON object"
	case !utf8.Valid(body):
		return m, "is not valid UTF-8"
	}
	values, ok := split(body)
	if !ok {
		return m, "is not valid JSON"
	}
	m.isAnswer = values.isAnswer
	m.requestID = m.text("request_id", values.requestID)
	m.sessionID = m.text("session_id", values.sessionID)
	m.playerID = m.text("player_id", values.playerID)
	m.statusCode = m.text("status_code", values.statusCode)
	m.timestamp = m.number("timestamp", values.timestamp)
	return m, ""
}

// text reads a JSON string.
func (m *message) text(name string, value []byte) string {
	if value == nil {
		return ""
	}
	if value[0] != '"' {
		m.misfit(name)
		return ""
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1])
	}
	var s string
	_ = json.Unmarshal(value, &s) // it is a string
	return s
}

// number reads an int64 without fraction and exponent.
func (m *message) number(name string, value []byte) Timestamp {
	if value == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		m.misfit(name)
		return 0
	}
	return Timestamp(n)
}

func (m *message) misfit(name string) {
	if m.mistyped == "" {
		m.mistyped = name
	}
}

// splitMap reads the members of a JSON object with encoding/json. A map has the
// names as they are; a struct would take Player_ID for player_id.
func splitMap(body []byte) (m members, ok bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return m, false
	}
	for name, value := range object {
		m.add(name, value)
	}
	return m, true
}

// defect returns the field and the broken rule of a JSON object other than a
// webhook. Requests and answers are signed alike, so an answer sent back
// verifies as a request. Every answer has a status_code, and no documented
// webhook has.
func (m *message) defect() (field, rule string) {
	switch {
	case m.isAnswer:
		return "status_code", "must not be in a webhook: answers have it"
	case m.mistyped == "request_id":
		return "request_id", "has the wrong type"
	case m.requestID == "":
		return "request_id", "is missing or empty"
	}
	return "", ""
}

// incomplete returns the field and the broken rule of a webhook unfit for
// /authenticate.
func (m *message) incomplete() (field, rule string) {
	if m.mistyped != "" {
		return m.mistyped, "has the wrong type"
	}
	for _, f := range [...]struct{ name, value string }{
		{"request_id", m.requestID}, {"session_id", m.sessionID}, {"player_id", m.playerID},
	} {
		if f.value == "" {
			return f.name, "is missing or empty"
		}
		// The decoder writes U+FFFD for half a surrogate pair, so two different
		// ids would become equal.
		if strings.Contains(f.value, "\uFFFD") {
			return f.name, "holds a character that cannot be read"
		}
	}
	if m.timestamp <= 0 {
		return "timestamp", "is missing or not above 0"
	}
	return "", ""
}
