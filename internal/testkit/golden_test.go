package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A judge is a testing.TB that keeps its failures.
type judge struct {
	testing.TB
	failures []string
}

func (j *judge) Helper()      {}
func (j *judge) Failed() bool { return len(j.failures) > 0 }
func (j *judge) Errorf(format string, args ...any) {
	j.failures = append(j.failures, fmt.Sprintf(format, args...))
}

func golden(t *testing.T, content string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.MkdirAll(goldenDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(goldenDir, "a.txt"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGolden(t *testing.T) {
	t.Run("the same bytes pass", func(t *testing.T) {
		golden(t, "x\ny\n")
		j := &judge{TB: t}
		Golden(j, "a", "x\ny\n")
		if j.failures != nil {
			t.Error(j.failures)
		}
	})
	t.Run("a difference shows both lines", func(t *testing.T) {
		golden(t, "x\ny\n")
		j := &judge{TB: t}
		Golden(j, "a", "x\nz\n")
		if len(j.failures) != 1 || !strings.Contains(j.failures[0], `"y"`) || !strings.Contains(j.failures[0], `"z"`) {
			t.Errorf("got %q", j.failures)
		}
	})
	t.Run("a missing newline at the end fails", func(t *testing.T) {
		golden(t, "x\n")
		j := &judge{TB: t}
		Golden(j, "a", "x")
		if len(j.failures) != 1 {
			t.Errorf("got %q", j.failures)
		}
	})
	t.Run("a missing file fails", func(t *testing.T) {
		golden(t, "x\n")
		j := &judge{TB: t}
		Golden(j, "missing", "x\n")
		if len(j.failures) != 1 || !strings.Contains(j.failures[0], "-update") {
			t.Errorf("got %q", j.failures)
		}
	})
	t.Run("a file that no test uses is reported", func(t *testing.T) {
		golden(t, "x\n")
		if err := os.WriteFile(filepath.Join(goldenDir, "left-over.txt"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		Golden(&judge{TB: t}, "a", "x\n")
		if got := unusedGoldens(); len(got) != 1 || got[0] != "left-over.txt" {
			t.Errorf("got %q", got)
		}
	})
}

func TestReadable(t *testing.T) {
	for _, tc := range []struct{ name, raw, want string }{
		{"header lines are sorted and keep their spelling", "GET / HTTP/1.1\r\nb: 1\r\nA: 2\r\n\r\n", "GET / HTTP/1.1\nA: 2\nb: 1\n"},
		{"a body is cut by its length", "POST /1 HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}POST /2 HTTP/1.1\r\n\r\n", "POST /1 HTTP/1.1\ncontent-length: 2\n\n{}\n--\nPOST /2 HTTP/1.1\n"},
		{"chunks are shown", "POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "POST /1 HTTP/1.1\nTransfer-Encoding: chunked\n\n2\n{}\n0\n\n\n--\nGET /2 HTTP/1.1\n"},
		{"half a message is shown as such", "GET / HT", `broken off: "GET / HT"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := readable(tc.raw); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
