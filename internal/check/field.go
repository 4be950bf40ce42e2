package check

import (
	"reflect"
	"strings"
)

// JSONField translates the Field of a [json.UnmarshalTypeError] into the name
// of a field of v, in the spelling of v's type. From Go 1.27 on, path is the
// body's own text: its spelling, the indices of arrays, and the keys of maps
// with any content. For a field in a map, JSONField returns the map's name. ""
// is v itself.
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

// member finds the field of a struct by its JSON name, in any capitalisation,
// and returns its name and type; nil if there is none. An embedded struct has
// no name in JSON, but before Go 1.27 the path holds its name.
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
