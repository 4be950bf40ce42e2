package text

import (
	"bytes"
	"encoding/json"
	"strings"
)

// The longest parts of an answer in an error. An answer may be as long as its
// sender likes, and errors are kept.
const (
	MaxMessage   = 1 << 10 // bytes of a message
	MaxCode      = 128     // bytes of a code, name or request id
	MaxElements  = 16      // entries of a list
	MaxDetails   = 4 << 10 // bytes of JSON
	shortMessage = 256     // of a message kept within a back-off
)

// Clip returns at most the first n bytes of s, in memory of its own: the rest
// of s is not kept.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(strings.Clone(s[:n]), "")
}

// ClipShort is Clip to the length of a message kept within a back-off.
func ClipShort(s string) string { return Clip(s, shortMessage) }

// Elements returns the first elements of a JSON array, at most MaxElements,
// without looking at the others. ok is false if raw is no array.
func Elements(raw json.RawMessage) (list []json.RawMessage, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, false
	}
	for dec.More() && len(list) < MaxElements {
		var element json.RawMessage
		if dec.Decode(&element) != nil {
			return nil, false
		}
		list = append(list, element)
	}
	return list, true
}

// Members returns the first members of a JSON object, at most MaxElements, with
// names of at most MaxCode bytes, without looking at the others. It returns nil
// if raw is no object.
func Members(raw json.RawMessage) map[string]json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	members := make(map[string]json.RawMessage)
	for dec.More() && len(members) < MaxElements {
		t, err := dec.Token()
		if err != nil {
			return nil
		}
		name, _ := t.(string)
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil
		}
		members[Clip(name, MaxCode)] = value
	}
	return members
}

// JSONText returns a JSON value as a short text: a string as it is, a number or
// true or false as written, anything else as "".
func JSONText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return ""
	}
	return string(raw)
}
