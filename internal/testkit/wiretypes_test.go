package testkit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// wireTypes are the exported types with a JSON form of their own, and the golden
// file of each. The file has a section with the type's name, and if the type can
// be read from JSON, another with "<type>, read".
var wireTypes = map[string]string{
	"assetpay.Error":              "assetpay/testdata/golden/types.txt",
	"assetpay.Token":              "assetpay/testdata/golden/types.txt",
	"providerauth.Amount":         "testdata/golden/amount.txt",
	"providerauth.Number":         "testdata/golden/number.txt",
	"klas.AuthenticateRequest":    "klas/testdata/golden/types.txt",
	"klas.Error":                  "klas/testdata/golden/types.txt",
	"klas.Timestamp":              "klas/testdata/golden/types.txt",
	"merchantauth.Customer":       "merchantauth/testdata/golden/types.txt",
	"merchantauth.Error":          "merchantauth/testdata/golden/types.txt",
	"merchantauth.Token":          "merchantauth/testdata/golden/types.txt",
	"partnerjwt.Holding":          "partnerjwt/testdata/golden/types.txt",
	"partnerjwt.Error":            "partnerjwt/testdata/golden/types.txt",
	"partnerjwt.Token":            "partnerjwt/testdata/golden/types.txt",
	"platformtoken.Direction":     "platformtoken/testdata/golden/types.txt",
	"platformtoken.Error":         "platformtoken/testdata/golden/types.txt",
	"platformtoken.Token":         "platformtoken/testdata/golden/types.txt",
	"platformtoken.TransferState": "platformtoken/testdata/golden/types.txt",
}

const moduleRoot = "../.."

func TestWireTypes(t *testing.T) {
	types := declaredTypes(t)
	for name, typ := range types {
		if typ.wire() && wireTypes[name] == "" {
			t.Errorf("%s has a JSON form and no golden: add sections to a golden file of its package, and a line to wireTypes", name)
		}
	}
	for name, file := range wireTypes {
		typ, ok := types[name]
		if !ok {
			t.Errorf("wireTypes has %s, which no package declares", name)
			continue
		}
		b, err := os.ReadFile(filepath.Join(moduleRoot, file))
		if err != nil {
			t.Error(err)
			continue
		}
		sections := strings.Split(string(b), "\n")
		if !slices.Contains(sections, "== "+name) {
			t.Errorf("%s has no section %s", file, name)
		}
		if typ.read && !slices.Contains(sections, "== "+name+", read") {
			t.Errorf("%s has no section %s, read", file, name)
		}
	}
}

func TestDeclaredTypes(t *testing.T) {
	types := map[string]*wireType{}
	declare(t, types, "p.go", `package p
type Plain struct{ A int }
type Tagged struct{ A int `+"`json:\"a\"`"+` }
type hidden struct{ A int `+"`json:\"a\"`"+` }
type Writer struct{}
func (Writer) MarshalJSON() ([]byte, error) { return nil, nil }
type Reader int
func (*Reader) UnmarshalText([]byte) error { return nil }
type Generic[T any] struct{}
func (Generic[T]) MarshalText() ([]byte, error) { return nil, nil }
type Embedding struct{ Writer }
type EmbeddingOther struct{ *q.Tagged }
type Defined Tagged
type Alias = Embedding
type hiddenWriter struct{ Writer }
`)
	declare(t, types, "q.go", "package q\ntype Tagged struct{ A int `json:\"a\"` }")
	inherit(types)
	got := map[string][2]bool{}
	for name, typ := range types {
		if typ.wire() {
			got[name] = [2]bool{typ.written, typ.read}
		}
	}
	want := map[string][2]bool{
		"p.Tagged": {true, true}, "p.Writer": {true, false}, "p.Reader": {false, true}, "p.Generic": {true, false}, "p.Embedding": {true, false},
		"p.EmbeddingOther": {true, true}, "p.Defined": {true, true}, "p.Alias": {true, false}, "q.Tagged": {true, true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A wireType is a declared type.
type wireType struct {
	exported      bool
	written, read bool     // by a method, or by the tags of its fields
	from          []string // the types that it embeds, or is defined by
}

func (w *wireType) wire() bool { return w.exported && (w.written || w.read) }

// declaredTypes returns the types of all packages that operators import, by
// "package.Type".
func declaredTypes(t *testing.T) map[string]*wireType {
	t.Helper()
	types := map[string]*wireType{}
	files := 0
	err := filepath.WalkDir(moduleRoot, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		switch {
		case path == moduleRoot:
		case d.IsDir() && (name[0] == '.' || slices.Contains([]string{"internal", "examples", "testdata", "tools", "vendor"}, name)):
			return fs.SkipDir
		case d.IsDir(), !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
		default:
			files++
			declare(t, types, path, nil)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatal("there are no files to check")
	}
	inherit(types)
	return types
}

// declare adds the types of a file. src is as for parser.ParseFile.
func declare(t *testing.T, types map[string]*wireType, path string, src any) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	pkg := file.Name.Name
	at := func(name string) *wireType { // a method may come before its type
		key := pkg + "." + name
		if types[key] == nil {
			types[key] = &wireType{exported: ast.IsExported(name)}
		}
		return types[key]
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil {
				continue
			}
			name := typeName(decl.Recv.List[0].Type)
			switch decl.Name.Name {
			case "MarshalJSON", "MarshalJSONTo", "MarshalText", "AppendText":
				at(name).written = true
			case "UnmarshalJSON", "UnmarshalJSONFrom", "UnmarshalText":
				at(name).read = true
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok {
					at(spec.Name.Name).define(pkg, spec.Type)
				}
			}
		}
	}
}

func (w *wireType) define(pkg string, expr ast.Expr) {
	origin := func(expr ast.Expr) {
		if name := typeName(expr); strings.Contains(name, ".") {
			w.from = append(w.from, name)
		} else if name != "" {
			w.from = append(w.from, pkg+"."+name)
		}
	}
	fields, ok := expr.(*ast.StructType)
	if !ok {
		origin(expr)
		return
	}
	for _, f := range fields.Fields.List {
		if len(f.Names) == 0 {
			origin(f.Type)
		}
		if f.Tag != nil && strings.Contains(f.Tag.Value, `json:"`) {
			w.written, w.read = true, true
		}
	}
}

// inherit gives types the JSON form of those that they embed, or are defined
// by. A defined type has no methods of the other; it is listed all the same.
func inherit(types map[string]*wireType) {
	for changed := true; changed; {
		changed = false
		for _, w := range types {
			for _, name := range w.from {
				from := types[name]
				if from == nil {
					continue
				}
				if from.written && !w.written || from.read && !w.read {
					w.written, w.read, changed = w.written || from.written, w.read || from.read, true
				}
			}
		}
	}
}

// typeName returns "T" or "p.T" for a named type or a pointer to one, else "".
func typeName(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.Ident:
		return expr.Name
	case *ast.StarExpr:
		return typeName(expr.X)
	case *ast.IndexExpr:
		return typeName(expr.X)
	case *ast.IndexListExpr:
		return typeName(expr.X)
	case *ast.SelectorExpr:
		return typeName(expr.X) + "." + expr.Sel.Name
	}
	return ""
}
