package testkit

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew instead of comparing with them")

var (
	goldenDir = filepath.Join("testdata", "golden")

	goldenMu   sync.Mutex
	goldenUsed = map[string]bool{} // by file name
)

// Golden compares got with testdata/golden/<name>.txt beside the test, byte for
// byte. With the flag -update it writes the file instead, unless the test has
// failed already. The failure prints both texts: tests pass no credentials but
// constants of their own.
func Golden(t testing.TB, name, got string) {
	t.Helper()
	file := name + ".txt"
	goldenMu.Lock()
	goldenUsed[file] = true
	goldenMu.Unlock()
	path := filepath.Join(goldenDir, file)
	if *update {
		if t.Failed() {
			return
		}
		if err := os.MkdirAll(goldenDir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%v; -update writes the file", err)
		return
	}
	if string(want) == got {
		return
	}
	lines := func(s string) []string { return strings.Split(s, "\n") }
	t.Errorf("%s differs (-want +got); -update accepts the change:\n%s", path, cmp.Diff(lines(string(want)), lines(got)))
}

// GoldenMain runs the tests for the TestMain of a package with golden files. If
// all tests ran, it fails for every golden file unused by the tests.
func GoldenMain(m *testing.M) {
	code := m.Run()
	if code == 0 && allRan() {
		for _, file := range unusedGoldens() {
			fmt.Fprintf(os.Stderr, "no test uses %s: delete the file\n", filepath.Join(goldenDir, file))
			code = 1
		}
	}
	os.Exit(code)
}

// allRan reports whether no flag kept a test from running.
func allRan() bool {
	for name, off := range map[string]string{"run": "", "skip": "", "list": "", "fuzzworker": "false"} {
		if f := flag.Lookup("test." + name); f != nil && f.Value.String() != off {
			return false
		}
	}
	return true
}

func unusedGoldens() []string {
	entries, err := os.ReadDir(goldenDir)
	if err != nil {
		return nil // a missing file fails in Golden
	}
	goldenMu.Lock()
	defer goldenMu.Unlock()
	var unused []string
	for _, e := range entries {
		if !goldenUsed[e.Name()] {
			unused = append(unused, e.Name())
		}
	}
	return unused
}

// A Sheet is the text of a golden file, section by section.
type Sheet struct{ strings.Builder }

// Add appends a section.
func (s *Sheet) Add(title, text string) {
	if s.Len() > 0 {
		s.WriteByte('\n')
	}
	fmt.Fprintf(s, "== %s\n%s\n", title, strings.TrimSuffix(text, "\n"))
}

// Refused stands in a golden file for an error. Its text is no part of the wire.
const Refused = "refused"

// Outcome returns the line of a golden file for an input: the input and the result
// got, or Refused for an error.
func Outcome(in, got string, err error) string {
	if err != nil {
		got = Refused
	}
	return in + " => " + got + "\n"
}

// Marshalled returns the JSON of the values by json.Marshal, or Refused, a line
// each.
func Marshalled(values ...any) string {
	lines := make([]string, len(values))
	for i, v := range values {
		b, err := json.Marshal(v)
		if err != nil {
			b = []byte(Refused)
		}
		lines[i] = string(b)
	}
	return strings.Join(lines, "\n")
}

// Reads returns a line for each input: the input and its value from
// json.Unmarshal, printed by show, or Refused.
func Reads[T any](show func(T) string, inputs ...string) string {
	var b strings.Builder
	for _, in := range inputs {
		var v T
		text := ""
		err := json.Unmarshal([]byte(in), &v)
		if err == nil {
			text = show(v)
		}
		b.WriteString(Outcome(in, text, err))
	}
	return b.String()
}
