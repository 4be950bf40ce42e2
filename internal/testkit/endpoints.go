package testkit

import (
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// A Documented is a request from the documentation of a simulator's endpoints, with
// its answer. In Answer, "..." stands for any text. send replaces it in Body.
type Documented struct {
	Method, Path string
	Note         string // the words after the path, such as "without a token"
	Body, Answer string // Answer is the status, a space and the body
}

// Endpoints sends the requests that the package comment in a Go file documents, in
// their order, and compares the answers. The comment lists them in code blocks
// below the heading Endpoints:
//
//	POST /path without a token
//	-> the body of a request
//	<- 200 the body of its answer,
//	  continued
//
// send returns an answer in the form of Documented.Answer.
func Endpoints(t *testing.T, file string, send func(x Documented) string) {
	t.Helper()
	all := documented(t, file)
	if len(all) == 0 {
		t.Fatalf("%s documents no endpoint", file)
	}
	for _, x := range all {
		parts := strings.Split(x.Answer, "...")
		for i, part := range parts {
			parts[i] = regexp.QuoteMeta(part)
		}
		form := regexp.MustCompile("(?s)^" + strings.Join(parts, ".+") + "$")
		if got := send(x); !form.MatchString(got) {
			t.Errorf("%s %s %s\n-> %s\n<- %s\nbut the documentation says\n<- %s", x.Method, x.Path, x.Note, x.Body, got, x.Answer)
		}
	}
}

func documented(t *testing.T, file string) (all []Documented) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(f.Doc.Text(), "# Endpoints\n")
	section, _, _ = strings.Cut(section, "\n# ")
	var x Documented
	for _, line := range strings.Split(joined(section), "\n") {
		line, code := strings.CutPrefix(line, "\t")
		if !code {
			continue
		}
		if body, ok := strings.CutPrefix(line, "-> "); ok {
			x.Body = body
		} else if answer, ok := strings.CutPrefix(line, "<- "); ok {
			x.Answer = answer
			all = append(all, x)
			x.Body = ""
		} else if words := strings.SplitN(line, " ", 3); len(words) >= 2 {
			x = Documented{Method: words[0], Path: words[1]}
			if len(words) == 3 {
				x.Note = words[2]
			}
		}
	}
	return all
}

// joined joins the continued lines of code blocks.
func joined(section string) string { return strings.ReplaceAll(section, "\n\t  ", "") }
