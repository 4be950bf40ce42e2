package check

import (
	"reflect"
	"strings"
)

// JSONField returns which field of v path names, in the spelling of v's type;
// path is the Field of a [json.UnmarshalTypeError]. From Go 1.27 on that is the
// body's own text: its spelling, the indices of arrays, and the keys of maps,
// which may be anything. So a field in a map is the map's, and "" is v itself.
func JSONField(v any, path string) string {
	var names []string
	t := reflect.TypeOf(v)
	for _, part := range strings.Split(path, ".") {
		index := strings.Trim(part, "0123456789") == ""
		for range 32 { // a type may be its own element
			list := t.Kind() == reflect.Array || t.Kind() == reflect.Slice
			if !list && t.Kind() != reflect.Pointer {
				break
			}
			if t = t.Elem(); list && index {
				break
			}
		}
		if index {
			continue
		}
		name, of := member(t, part)
		if of == nil {
			break
		}
		if t = of; name != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ".")
}

// member returns the field of a struct that has a name in JSON, however that is
// spelled, and its type; nil if there is none. One that is embedded has no name
// in JSON, but one in the path before Go 1.27.
func member(t reflect.Type, spelled string) (name string, of reflect.Type) {
	if t.Kind() != reflect.Struct {
		return "", nil
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			if f.Name == spelled {
				return "", f.Type
			}
			continue
		case name == "":
			name = f.Name
		}
		if f.IsExported() && strings.EqualFold(name, spelled) {
			return name, f.Type
		}
	}
	return "", nil
}
