package archtest

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A ban is on names of a package of the standard library, "*" for all of them,
// or on built-in functions, where pkg is empty.
type ban struct {
	pkg, names string
	why        string
}

// bans hold for the code that operators run.
var bans = []ban{
	{"net/http", "DefaultClient Get Head Post PostForm", "only the client of the configuration sends"},
	{"math/rand", "*", "use math/rand/v2"},
	{"fmt", "Print Printf Println", "a library prints nothing"},
	{"log", "Print Printf Println Fatal Fatalf Fatalln Panic Panicf Panicln", "a library logs to the logger of the configuration"},
	{"log/slog", "Debug Info Warn Error DebugContext InfoContext WarnContext ErrorContext Default", "a library logs to the logger of the configuration"},
	{"os", "Getenv LookupEnv Environ Exit", "a library neither reads the environment nor ends the process"},
	{"", "print println", "a library prints nothing"},
	{"", "panic", "bad input is an error"},
}

// mayPanic reports whether f belongs to a simulator. A simulator panics where
// net/http/httptest does, and where net/http breaks off an answer.
func mayPanic(f source) bool {
	return f.dir == "internal/simulator" || strings.HasSuffix(f.dir, "test")
}

// forOperators reports whether f is code that operators run.
func forOperators(f source) bool {
	others := strings.HasPrefix(f.dir, "examples/") || strings.Contains(f.dir, "testdata/") || f.dir == "internal/testkit"
	return !f.test && !others
}

func TestSource_callsNothingBanned(t *testing.T) {
	tree := load(t)
	for _, f := range tree.sources() {
		if !forOperators(f) {
			continue
		}
		imported := importNames(f.ast)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			pkg, name := "", ""
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok {
					pkg, name = imported[x.Name], n.Sel.Name
				}
				if pkg == "" {
					return true
				}
			case *ast.CallExpr:
				if builtin, ok := n.Fun.(*ast.Ident); ok {
					name = builtin.Name
				}
			}
			for _, ban := range bans {
				if name == "" || ban.pkg != pkg || ban.names != "*" && !slices.Contains(strings.Fields(ban.names), name) {
					continue
				}
				if name != "panic" || !mayPanic(f) {
					t.Errorf("%s: %s: %s", tree.where(n), strings.TrimPrefix(pkg+"."+name, "."), ban.why)
				}
			}
			return true
		})
	}
}

// A test that can be skipped tests nothing.
func TestSource_skipsNoTest(t *testing.T) {
	tree := load(t)
	for _, f := range tree.sources() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(sel.Sel.Name, "Skip") {
				if x, ok := sel.X.(*ast.Ident); ok && f.test && slices.Contains([]string{"t", "b", "f", "tb"}, x.Name) {
					t.Errorf("%s: %s.%s: no test is skipped", tree.where(n), x.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestSource_isFinished(t *testing.T) {
	marks := regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)
	tree := load(t)
	for _, f := range tree.sources() {
		for _, group := range f.ast.Comments {
			for _, comment := range group.List {
				if mark := marks.FindString(comment.Text); mark != "" {
					t.Errorf("%s: %s: finish it, or open an issue", tree.where(comment), mark)
				}
			}
		}
	}
}

// importNames returns the paths of the imported packages by their names in f.
func importNames(f *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range f.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(imported)
		if strings.HasPrefix(name, "v") && strings.Contains(imported, "/") && strings.Trim(name[1:], "0123456789") == "" {
			name = path.Base(path.Dir(imported))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imported
	}
	return names
}
