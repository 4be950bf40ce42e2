package archtest

import (
	"go/ast"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unused are the exported names that nothing shows in use, each with the reason
// why it stays.
var unused = exceptions{
	"A result that no example looks at.": `
		platformtoken.SignInput.Timestamp`,

	"The client or the webhook calls it; operators write the function.": `
		platformtoken.Signer.Sign platformtoken.SignerFunc.Sign providerauth.SecretFunc providerauth.SecretsFunc`,
}

// callers are the methods that fmt, slog, errors, encoding/json or net/http call
// for a program.
var callers = strings.Fields(`
	Error Format GoString Is LogValue MarshalJSON MarshalText RoundTrip ServeHTTP String Unwrap UnmarshalJSON UnmarshalText`)

// A name that no example needs is a name that operators may not need either.
func TestAPI_isShownInUse(t *testing.T) {
	program := compile(t)
	u := usage{used: map[types.Object]bool{}}
	for _, dir := range public {
		u.public = append(u.public, program.imported(t, dir))
	}
	for _, files := range program.dirs {
		files = slices.DeleteFunc(slices.Clone(files), func(f source) bool { return !f.shows() })
		if len(files) > 0 {
			u.add(t, program, files)
		}
	}
	u.addText(code(t, "README.md"))

	findings := map[string]string{}
	for name, obj := range u.names() {
		if !u.used[obj] {
			findings[name] = program.where(obj)
		}
	}
	excepted(t, "is in no example, not in the README and not in internal/testdata/consumer", findings, unused)
}

// usage is which exported names of the public packages are used.
type usage struct {
	public []*types.Package
	used   map[types.Object]bool
}

// names returns the exported names: package-level ones, methods and fields.
func (u *usage) names() map[string]types.Object {
	names := map[string]types.Object{}
	for _, pkg := range u.public {
		for _, name := range pkg.Scope().Names() {
			obj := pkg.Scope().Lookup(name)
			if !obj.Exported() {
				continue
			}
			full := pkg.Name() + "." + name
			names[full] = obj
			if typ, ok := obj.(*types.TypeName); ok && !typ.IsAlias() {
				for _, member := range members(typ.Type().(*types.Named)) {
					if member.Exported() && !slices.Contains(callers, member.Name()) {
						names[full+"."+member.Name()] = member
					}
				}
			}
		}
	}
	return names
}

// members returns the methods and fields that the declaration of a type names.
// Fields with a JSON name are the provider's: it is the provider that uses them.
func members(named *types.Named) []types.Object {
	var all []types.Object
	for method := range named.Methods() {
		all = append(all, method)
	}
	switch t := named.Underlying().(type) {
	case *types.Struct:
		for i := range t.NumFields() {
			if tag := reflect.StructTag(t.Tag(i)); tag.Get("json") == "" {
				all = append(all, t.Field(i))
			}
		}
	case *types.Interface:
		for method := range t.ExplicitMethods() {
			all = append(all, method)
		}
	}
	return all
}

// add takes what the files of one package use: the names in them, the types of
// their expressions, and the methods by which a type serves as an interface.
func (u *usage) add(t *testing.T, program *program, files []source) {
	t.Helper()
	info := program.check(t, files)
	for _, obj := range info.Uses {
		u.used[origin(obj)] = true
		if v, ok := obj.(*types.Var); ok {
			u.shown(v.Type())
		}
	}
	for _, value := range info.Types {
		u.shown(value.Type)
	}
	for ident, instance := range info.Instances {
		if f, ok := info.Uses[ident].(*types.Func); ok {
			parameters := f.Signature().TypeParams()
			for i, argument := range slices.Collect(instance.TypeArgs.Types()) {
				u.serve(argument, parameters.At(i).Constraint())
			}
		}
	}
	for _, f := range files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			// var _ Interface = (*Type)(nil)
			if spec, ok := n.(*ast.ValueSpec); ok && spec.Type != nil {
				for _, value := range spec.Values {
					u.serve(info.TypeOf(value), info.TypeOf(spec.Type))
				}
			}
			return true
		})
	}
	for _, obj := range info.Defs {
		if obj, ok := obj.(*types.TypeName); ok {
			u.implement(obj.Type())
		}
	}
}

// shown takes the named type that t is, points to, or has as its elements.
func (u *usage) shown(t types.Type) {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		u.used[t.Obj()] = true
	case interface{ Elem() types.Type }:
		u.shown(t.Elem())
	}
}

// serve takes the methods of t that an interface asks for.
func (u *usage) serve(t, asked types.Type) {
	i, ok := asked.Underlying().(*types.Interface)
	if !ok {
		return
	}
	for method := range i.Methods() {
		if found, _, _ := types.LookupFieldOrMethod(t, true, nil, method.Name()); found != nil {
			u.used[origin(found)] = true
		}
	}
}

// implement takes the interfaces that the operator's type t implements.
func (u *usage) implement(t types.Type) {
	for _, pkg := range u.public {
		for _, name := range pkg.Scope().Names() {
			obj := pkg.Scope().Lookup(name)
			i, ok := obj.Type().Underlying().(*types.Interface)
			if _, declared := obj.(*types.TypeName); !ok || !declared || !obj.Exported() {
				continue
			}
			if types.Implements(t, i) || types.Implements(types.NewPointer(t), i) {
				u.used[obj] = true
				u.serve(obj.Type(), i)
			}
		}
	}
}

// addText takes the names in code of the README. Of a package's own names it
// wants the package with them; members of that name count in all packages,
// which have their forms in common.
func (u *usage) addText(code string) {
	for name, obj := range u.names() {
		words := strings.Split(name, ".")
		word := words[len(words)-1]
		if len(words) == 2 {
			word = name
		}
		if regexp.MustCompile(`\b` + regexp.QuoteMeta(word) + `\b`).MatchString(code) {
			u.used[obj] = true
		}
	}
}

// code returns the Go code and the code spans of a document.
func code(t *testing.T, document string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(moduleRoot, document))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n.*?```").FindAllString(string(b), -1)
	rest := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(string(b), "")
	spans := regexp.MustCompile("`[^`\n]+`").FindAllString(rest, -1)
	return strings.Join(slices.Concat(blocks, spans), "\n")
}

// origin returns the declaration of an instantiated method or field.
func origin(obj types.Object) types.Object {
	switch obj := obj.(type) {
	case *types.Func:
		return obj.Origin()
	case *types.Var:
		return obj.Origin()
	}
	return obj
}
