package archtest

import (
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// go doc shows neither the fields nor the methods of an internal type, and a
// program outside the module cannot name it.
func TestAPI_mentionsNoInternalType(t *testing.T) {
	program := compile(t)
	for _, dir := range slices.Concat(public, simulators) {
		pkg := program.imported(t, dir)
		for _, name := range pkg.Scope().Names() {
			obj := pkg.Scope().Lookup(name)
			if !obj.Exported() {
				continue
			}
			for _, internal := range internalTypes(obj) {
				t.Errorf("%s.%s mentions %s: declare a type of its own", pkg.Name(), name, internal)
			}
		}
	}
}

// internalTypes returns the internal types in the exported declaration obj.
func internalTypes(obj types.Object) []string {
	m := mentions{pkg: obj.Pkg()}
	typeName, ok := obj.(*types.TypeName)
	if !ok {
		m.look(obj.Type())
		return m.found
	}
	if alias, ok := obj.Type().(*types.Alias); ok {
		m.look(alias.Rhs())
		return m.found
	}
	named := typeName.Type().(*types.Named)
	m.parameters(named.TypeParams())
	m.look(named.Underlying())
	// The methods of embedded types are exported as well.
	set := types.NewMethodSet(types.NewPointer(named))
	for method := range set.Methods() {
		if method.Obj().Exported() {
			m.look(method.Type())
		}
	}
	return m.found
}

// mentions collects the internal types in the declarations of a package.
type mentions struct {
	pkg   *types.Package
	found []string
}

func (m *mentions) name(obj *types.TypeName, arguments *types.TypeList) {
	if obj.Pkg() != nil && strings.HasPrefix(local(obj.Pkg().Path()), "internal/") {
		m.found = append(m.found, local(obj.Pkg().Path())+"."+obj.Name())
	}
	for argument := range arguments.Types() {
		m.look(argument)
	}
}

func (m *mentions) parameters(list *types.TypeParamList) {
	for parameter := range list.TypeParams() {
		m.look(parameter.Constraint())
	}
}

// look goes through t, but not into the types that t names: each of them is
// exported and has a declaration of its own, or cannot be seen.
func (m *mentions) look(t types.Type) {
	switch t := t.(type) {
	case *types.Named:
		m.name(t.Obj(), t.TypeArgs())
	case *types.Alias:
		m.name(t.Obj(), t.TypeArgs())
	case *types.Signature:
		m.parameters(t.TypeParams())
		m.look(t.Params())
		m.look(t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			m.look(v.Type())
		}
	case *types.Struct:
		for field := range t.Fields() {
			if field.Exported() || field.Embedded() {
				m.look(field.Type())
			}
			if !field.Exported() && field.Embedded() { // its exported fields are promoted
				m.look(dereferenced(field.Type()).Underlying())
			}
		}
	case *types.Interface:
		for method := range t.ExplicitMethods() {
			if token.IsExported(method.Name()) {
				m.look(method.Type())
			}
		}
		for embedded := range t.EmbeddedTypes() {
			m.look(embedded)
		}
	case *types.Union:
		for term := range t.Terms() {
			m.look(term.Type())
		}
	case *types.Map:
		m.look(t.Key())
		m.look(t.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		m.look(t.Elem())
	}
}

func dereferenced(t types.Type) types.Type {
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		return pointer.Elem()
	}
	return t
}
