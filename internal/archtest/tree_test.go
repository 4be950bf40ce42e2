package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	modulePath = "github.com/providerauth/providerauth-go"
	moduleRoot = "../.."
	root       = "." // the directory of package providerauth
)

var (
	providers = []string{"assetpay", "klas", "merchantauth", "partnerjwt", "platformtoken"}
	// public are the packages that operators import.
	public = append([]string{root}, providers...)
	// simulators are the packages that operators import in their tests.
	simulators = []string{
		"assetpay/assetpaytest", "klas/klastest", "merchantauth/merchantauthtest",
		"partnerjwt/partnerjwttest", "platformtoken/platformtokentest",
	}
)

// A tree is the source of the repository, nested modules included.
type tree struct {
	fset *token.FileSet
	dirs map[string][]source // by directory, relative to the root of the repository
}

// A source is a Go file.
type source struct {
	dir  string
	name string
	test bool
	ast  *ast.File
}

// shows reports whether the file shows operators how the module is used. The
// examples with a module of their own are left out: they import packages that this
// module does not require.
func (f source) shows() bool {
	if match("examples/operator examples/postgresstore examples/replicas examples/replicas/*/* examples/tracing", f.dir) {
		return false
	}
	return strings.HasPrefix(f.dir, "examples/") || f.dir == "internal/testdata/consumer" || strings.HasPrefix(f.name, "example") && strings.HasSuffix(f.name, "_test.go")
}

// where returns the place of a node or of a types.Object as file:line.
func (t *tree) where(n interface{ Pos() token.Pos }) string {
	p := t.fset.Position(n.Pos())
	top := moduleRoot
	if filepath.IsAbs(p.Filename) {
		top, _ = filepath.Abs(moduleRoot)
	}
	name, err := filepath.Rel(top, p.Filename)
	if err != nil {
		name = p.Filename
	}
	return fmt.Sprintf("%s:%d", filepath.ToSlash(name), p.Line)
}

// sources returns all files in a fixed order.
func (t *tree) sources() []source {
	var all []source
	for _, dir := range slices.Sorted(maps.Keys(t.dirs)) {
		all = append(all, t.dirs[dir]...)
	}
	return all
}

func load(t *testing.T) *tree {
	t.Helper()
	loaded, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

var loadOnce = sync.OnceValues(func() (*tree, error) {
	loaded := &tree{fset: token.NewFileSet(), dirs: map[string][]source{}}
	err := filepath.WalkDir(moduleRoot, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")
			if name != moduleRoot && hidden || d.Name() == "vendor" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(loaded.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(moduleRoot, filepath.Dir(name))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		loaded.dirs[dir] = append(loaded.dirs[dir], source{dir, d.Name(), strings.HasSuffix(name, "_test.go"), f})
		return nil
	})
	return loaded, err
})

// A program is the packages of the module as the compiler exports them.
type program struct {
	*tree
	importer types.Importer
}

func compile(t *testing.T) *program {
	t.Helper()
	compiled, err := compileOnce()
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

var compileOnce = sync.OnceValues(func() (*program, error) {
	loaded, err := loadOnce()
	if err != nil {
		return nil, err
	}
	// The export data of what is checked here and of what that imports. After a
	// build it is in the build cache.
	arguments := append([]string{"list", "-buildvcs=false", "-deps", "-export", "-f", "{{with .Export}}{{$.ImportPath}} {{.}}{{end}}"}, needed(loaded)...)
	list := exec.Command("go", arguments...)
	list.Dir = moduleRoot
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			exports[name] = file
		}
	}
	open := func(name string) (io.ReadCloser, error) {
		file, ok := exports[name]
		if !ok {
			return nil, errors.New("go list has no export data of it")
		}
		return os.Open(file)
	}
	return &program{loaded, importer.ForCompiler(loaded.fset, "gc", open)}, nil
})

// needed returns the public packages and what examples import, by their paths.
func needed(loaded *tree) []string {
	var paths []string
	for _, dir := range slices.Concat(public, simulators) {
		paths = append(paths, path.Join(modulePath, dir))
	}
	for _, f := range loaded.sources() {
		if f.shows() {
			for _, spec := range f.ast.Imports {
				name, _ := strconv.Unquote(spec.Path.Value)
				paths = append(paths, name)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// imported returns the package of a directory.
func (p *program) imported(t *testing.T, dir string) *types.Package {
	t.Helper()
	pkg, err := p.importer.Import(path.Join(modulePath, dir))
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

// check returns the types of those files that are built here. They are of one
// package.
func (p *program) check(t *testing.T, files []source) *types.Info {
	t.Helper()
	var built []*ast.File
	for _, f := range files {
		match, err := build.Default.MatchFile(filepath.Join(moduleRoot, f.dir), f.name)
		if err != nil {
			t.Fatal(err)
		}
		if match {
			built = append(built, f.ast)
		}
	}
	info := &types.Info{
		Types:     map[ast.Expr]types.TypeAndValue{},
		Defs:      map[*ast.Ident]types.Object{},
		Uses:      map[*ast.Ident]types.Object{},
		Instances: map[*ast.Ident]types.Instance{},
	}
	config := types.Config{Importer: p.importer}
	if _, err := config.Check(built[0].Name.Name, p.fset, built, info); err != nil {
		t.Fatal(err)
	}
	return info
}

// exceptions are what a rule does not hold for, by the reason: names that are
// separated by white space.
type exceptions map[string]string

// excepted fails t for findings without an exception and for exceptions
// without a finding. A finding is a name and its place; broken says what is
// wrong with it.
func excepted(t *testing.T, broken string, findings map[string]string, allowed exceptions) {
	t.Helper()
	names := map[string]bool{}
	for _, list := range allowed {
		for _, name := range strings.Fields(list) {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(findings)) {
		if !names[name] {
			t.Errorf("%s: %s %s", findings[name], name, broken)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if _, ok := findings[name]; !ok {
			t.Errorf("the exception for %s is not needed: remove it", name)
		}
	}
}
