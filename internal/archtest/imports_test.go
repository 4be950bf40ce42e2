package archtest

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A row says what the packages that match a pattern may import, beside the
// standard library. The lists hold patterns of [path.Match], separated by
// spaces: directories of this repository, and full paths of other modules'
// packages.
type row struct {
	packages string
	may      string
	never    string // takes away from may, and from the standard library
	inTests  string // what the test files may import in addition
	testing  bool   // the package is for tests: it may import package testing
	absent   bool   // the package need not exist
}

const (
	// leaves are the packages that the root package is built on.
	leaves = "internal/decimal internal/text"

	// core are the internal packages that the providers are built on. They know
	// no provider.
	core = leaves + " . internal/apierror internal/check internal/clock internal/credential internal/expiry" +
		" internal/fips internal/header internal/hmacsig internal/jwtclaims internal/resend" +
		" internal/session internal/timebox internal/tokencache internal/transport"

	// forTests are for the test files of all packages.
	forTests = core + " internal/testkit internal/simulator integrations/storetest github.com/google/go-cmp/cmp"

	// all is for examples, which show every package.
	all = ". assetpay assetpay/assetpaytest klas klas/klastest merchantauth merchantauth/merchantauthtest" +
		" partnerjwt partnerjwt/partnerjwttest platformtoken platformtoken/platformtokentest"

	// others are the packages of other modules.
	others = "*.*/* *.*/*/* *.*/*/*/* *.*/*/*/*/* *.*/*/*/*/*/*"

	http = "net net/* net/*/*"
)

// The arrows point one way: examples, providers, internal, root, leaves. Of the
// rows that match a package, the first counts.
var rows = []row{
	{packages: ".", may: leaves, never: http, inTests: all}, // its examples show providers
	{packages: "internal/decimal", never: http},
	{packages: "internal/seal", never: http},
	{packages: "internal/text", never: http},

	// Providers. None imports another.
	{packages: "assetpay", may: core, inTests: "assetpay assetpay/assetpaytest"},
	{packages: "klas", may: core, inTests: "klas klas/klastest"},
	{packages: "merchantauth", may: core, inTests: "merchantauth merchantauth/merchantauthtest"},
	{packages: "partnerjwt", may: core, inTests: "partnerjwt partnerjwt/partnerjwttest"},
	{packages: "platformtoken", may: core, inTests: "platformtoken platformtoken/platformtokentest github.com/puzpuzpuz/xsync/v4"},

	// Simulators. They write signatures anew, from the provider's pages: with
	// internal/hmacsig and internal/jwtclaims, they would agree with a mistake.
	{packages: "assetpay/assetpaytest", may: ". assetpay internal/simulator", inTests: "assetpay/assetpaytest", testing: true},
	{packages: "klas/klastest", inTests: "klas klas/klastest", testing: true},
	{packages: "merchantauth/merchantauthtest", may: ". merchantauth internal/simulator", inTests: "merchantauth/merchantauthtest", testing: true},
	{packages: "partnerjwt/partnerjwttest", may: ". partnerjwt internal/simulator", inTests: "partnerjwt/partnerjwttest", testing: true},
	{packages: "platformtoken/platformtokentest", may: ". platformtoken internal/simulator", inTests: "platformtoken/platformtokentest", testing: true},
	{packages: "internal/simulator", testing: true},
	{packages: "internal/testkit", may: ". internal/simulator github.com/google/go-cmp/cmp", testing: true},

	// The core. Only transport knows the retry library, so that it can be
	// replaced; nothing uses its pooled client, which has no time limits and
	// follows redirects. The cache knows nothing of HTTP, transport and session
	// nothing of how tokens are kept.
	{packages: "internal/session", may: core, never: "internal/tokencache"},
	{packages: "internal/tokencache", may: core + " internal/seal github.com/puzpuzpuz/xsync/v4 golang.org/x/sync/semaphore", never: http + " internal/transport internal/session internal/resend internal/header"},
	{packages: "internal/transport", may: core + " github.com/hashicorp/go-retryablehttp", never: "internal/tokencache internal/session"},
	{packages: "internal/apierror", may: core, never: "internal/tokencache internal/session"},
	{packages: "internal/expiry", may: core, never: "internal/tokencache internal/session internal/transport"},
	{packages: "internal/timebox", never: http},
	{packages: "internal/jwtclaims", may: core + " github.com/golang-jwt/jwt/v5"},
	{packages: "internal/check", may: core, never: "internal/tokencache internal/session internal/transport"},
	{packages: "internal/clock"},
	{packages: "internal/credential", may: core, never: http + " internal/tokencache internal/session internal/transport"},
	{packages: "internal/fips"},
	{packages: "internal/header"},
	{packages: "internal/hmacsig", may: "internal/fips"},
	{packages: "internal/resend"},

	// This package knows the others by their source.
	{packages: "internal/archtest", testing: true},

	{packages: "examples/quickstart", may: all + " golang.org/x/sync/errgroup"},
	{packages: "examples/postgresstore", may: ". integrations/storetest " + others}, // a module of its own
	{packages: "examples/replicas", may: all + " integrations/redisstore examples/replicas/internal/stage " + others},
	{packages: "examples/replicas/internal/stage", may: all},
	{packages: "examples/replicas/internal/fleet", may: all + " integrations/redisstore examples/replicas/internal/stage " + others},
	{packages: "examples/operator", may: all + " integrations/prometheus " + others},
	{packages: "examples/tracing", may: all + " " + others},
	{packages: "examples/*", may: all},

	// Other modules, which may need more than this one.
	{packages: "internal/testdata/consumer", may: all},
	{packages: "internal/routertest", may: all + " " + others, absent: true, testing: true},
	{packages: "internal/browsertest", may: all + " " + others, absent: true, testing: true},
	{packages: "internal/benchmarks", may: all + " " + others, absent: true, testing: true},
	{packages: "integrations/storetest", may: ".", absent: true, testing: true},
	{packages: "integrations/redisstore", may: ". " + others, inTests: "integrations/storetest", absent: true},
	{packages: "integrations/prometheus", may: ". klas " + others, inTests: all, absent: true},
}

func TestImports(t *testing.T) {
	tree := load(t)
	used := map[string]bool{}
	for _, dir := range slices.Sorted(maps.Keys(tree.dirs)) {
		row, ok := find(dir)
		if !ok {
			t.Errorf("package %s is not listed: add a row to imports_test.go that says what it may import", dir)
			continue
		}
		used[row.packages] = true
		for _, f := range tree.dirs[dir] {
			for _, spec := range f.ast.Imports {
				name, _ := strconv.Unquote(spec.Path.Value)
				if !row.allows(dir, name, f.test) {
					t.Errorf("%s: %s must not import %s: see its row in imports_test.go", tree.where(spec), dir, local(name))
				}
			}
		}
	}
	for _, row := range rows {
		if !used[row.packages] && !row.absent {
			t.Errorf("there is no package %s: remove its row from imports_test.go", row.packages)
		}
	}
}

func find(dir string) (row, bool) {
	for _, row := range rows {
		if match(row.packages, dir) {
			return row, true
		}
	}
	return row{}, false
}

// allows reports whether a file of package dir may import a package.
func (r row) allows(dir, imported string, test bool) bool {
	name := local(imported)
	outside := name == imported // the standard library, or another module
	if test && (name == dir || match(forTests, name) || match(r.inTests, name)) {
		return true
	}
	if standard := outside && !strings.Contains(strings.Split(name, "/")[0], "."); standard {
		return test || !match(r.never, name) && (r.testing || !match("testing testing/*", name))
	}
	return match(r.may, name) && (test || !match(r.never, name))
}

// local returns the directory of a package of this module, and the path of any
// other package as it is.
func local(imported string) string {
	if imported == modulePath {
		return root
	}
	if dir, ok := strings.CutPrefix(imported, modulePath+"/"); ok {
		return dir
	}
	return imported
}

// match reports whether one of the patterns matches name.
func match(patterns, name string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}
