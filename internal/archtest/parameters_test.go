package archtest

import (
	"go/ast"
	"go/types"
	"testing"
)

// mostParameters is for the parameters beside a context. With more of them, a
// type waits to be named.
const mostParameters = 4

// manyParameters are the functions that have more, each with the reason.
var manyParameters = exceptions{
	"The user, and the four parameters of Call.": `
		assetpay.Client.CallFor platformtoken.Client.CallFor
		internal/testdata/consumer.Desk internal/testdata/consumer.users`,
	"The parts of a token or a signature.": `
		assetpay.Client.sign internal/jwtclaims.Verify`,
	"The parts of a body of the provider.": `
		assetpay/assetpaytest.WriteError klas/klastest.object`,
	"A scenario with all that takes part in it.": `
		examples/operator.session internal/testkit.strays`,
}

func TestParameters(t *testing.T) {
	tree := load(t)
	findings := map[string]string{}
	for _, f := range tree.sources() {
		if f.test {
			continue
		}
		dir := f.dir
		if dir == root {
			dir = "providerauth"
		}
		for name, node := range declarations(f.ast) {
			ast.Inspect(node, func(n ast.Node) bool {
				if typ, ok := n.(*ast.FuncType); ok && parameters(typ) > mostParameters {
					findings[dir+"."+name] = tree.where(typ)
				}
				return true
			})
		}
	}
	excepted(t, "has more than four parameters beside its context, or a function in it has", findings, manyParameters)
}

// declarations returns the functions, types and variables of a file by name.
func declarations(f *ast.File) map[string]ast.Node {
	all := map[string]ast.Node{}
	for _, decl := range f.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			all[functionName(decl)] = decl
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					all[spec.Name.Name] = spec
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						all[name.Name] = spec
					}
				}
			}
		}
	}
	return all
}

// functionName returns Function or Type.Method.
func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	switch generic := receiver.(type) {
	case *ast.IndexExpr:
		receiver = generic.X
	case *ast.IndexListExpr:
		receiver = generic.X
	}
	return types.ExprString(receiver) + "." + f.Name.Name
}

// parameters counts the parameters of a function beside a context.
func parameters(f *ast.FuncType) int {
	n := 0
	for _, field := range f.Params.List {
		if types.ExprString(field.Type) != "context.Context" {
			n += max(1, len(field.Names))
		}
	}
	return n
}
