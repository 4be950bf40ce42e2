package jwtclaims

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"unicode/utf8"
)

// RFC 7515 and RFC 7519 compare the names of members letter by letter, and
// forbid two members of the same name. encoding/json ignores case and takes the
// last of two members: two readers of the same token could see different users.
// checkObject and decode compare names as the RFCs do: exactly, once escapes
// such as \u0061 are resolved.

// checkObject checks data: a single JSON object in UTF-8, without two members
// of the same name in any object at any depth. part is "header" or "payload".
// The error names a member only if a struct of into has a field for it: any
// other name is content of the token.
func checkObject(part string, data []byte, into ...any) error {
	switch {
	case !utf8.Valid(data):
		return malformed(part, "not UTF-8")
	case !json.Valid(data) || bytes.TrimLeft(data, " \t\r\n")[0] != '{':
		return malformed(part, "not a JSON object")
	}
	types := make([]reflect.Type, len(into))
	for i := range into {
		types[i] = reflect.TypeOf(into[i])
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // no number is out of range
	return checkNames(dec, part, types)
}

// checkNames reads a value, at path, before it is decoded into types.
func checkNames(dec *json.Decoder, path string, types []reflect.Type) error {
	token, err := dec.Token()
	if err != nil {
		return malformed(path, "not valid JSON")
	}
	opening, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		at, of := path, types
		if opening == '{' {
			token, err := dec.Token()
			name, ok := token.(string)
			if err != nil || !ok {
				return malformed(path, "not valid JSON")
			}
			if of = fieldTypes(types, name); of != nil {
				at += "." + name
			}
			switch {
			case seen[name] && of != nil:
				return malformed(at, "comes twice")
			case seen[name]:
				return malformed(at, "a member comes twice")
			}
			seen[name] = true
		}
		if err := checkNames(dec, at, of); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return malformed(path, "not valid JSON")
	}
	return nil
}

// fieldTypes returns the types of all fields for a member, nil if there are
// none.
func fieldTypes(types []reflect.Type, name string) (of []reflect.Type) {
	for _, t := range types {
		if t != nil && t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t == nil || t.Kind() != reflect.Struct {
			continue
		}
		for i := range t.NumField() {
			if f := t.Field(i); jsonName(f) == name {
				of = append(of, f.Type)
			}
		}
	}
	return of
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// decode decodes data, at path, into v. The members of a struct, and of structs
// and pointers to structs in its fields, have exactly the names of the fields'
// json tags; a field without a tag takes none. Any other type is decoded by
// encoding/json, and so must hold no struct.
func decode(path string, data []byte, v reflect.Value) error {
	if v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct && string(data) != "null" {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	_, itself := v.Addr().Interface().(json.Unmarshaler)
	if v.Kind() != reflect.Struct || itself {
		if json.Unmarshal(data, v.Addr().Interface()) != nil {
			return malformed(path, "not of the expected type")
		}
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return malformed(path, "not of the expected type")
	}
	for i := range v.NumField() {
		name := jsonName(v.Type().Field(i))
		value, ok := members[name]
		if !ok || name == "" {
			continue
		}
		if err := decode(path+"."+name, value, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// malformed names a member of the payload without "payload".
func malformed(path, rule string) *Invalid {
	return &Invalid{ErrMalformed, strings.TrimPrefix(path, "payload.") + ": " + rule}
}
