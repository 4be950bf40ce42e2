package simulator_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/providerauth/providerauth-go/internal/simulator"
)

func TestShare_Take(t *testing.T) {
	taken := func(s *simulator.Share, path string, of int) (n int) {
		for range of {
			if s.Take(httptest.NewRequest(http.MethodGet, path, nil)) {
				n++
			}
		}
		return n
	}
	t.Run("the zero value takes nothing", func(t *testing.T) {
		var s simulator.Share
		if n := taken(&s, "/", 100); n != 0 {
			t.Errorf("took %d", n)
		}
	})
	t.Run("without a seed it takes every n-th", func(t *testing.T) {
		var s simulator.Share
		s.Add(10, 0)
		var got []int
		for i := range 30 {
			if s.Take(httptest.NewRequest(http.MethodGet, "/", nil)) {
				got = append(got, i)
			}
		}
		if len(got) != 3 || got[0] != 9 || got[1] != 19 || got[2] != 29 || s.Taken() != 3 {
			t.Errorf("took %v, and counts %d", got, s.Taken())
		}
	})
	t.Run("with a seed it takes by chance, the same each time", func(t *testing.T) {
		var a, b simulator.Share
		a.Add(10, 7)
		b.Add(10, 7)
		n := taken(&a, "/", 10_000)
		if m := taken(&b, "/", 10_000); n != m {
			t.Errorf("%d and %d with one seed", n, m)
		}
		if n < 900 || n > 1100 {
			t.Errorf("took %d of 10,000, want about 1,000", n)
		}
	})
	t.Run("of several rules the first that fits decides", func(t *testing.T) {
		var s simulator.Share
		at := func(path string) func(*http.Request) bool {
			return func(r *http.Request) bool { return r.URL.Path == path }
		}
		s.Add(1, 0, at("/always"))
		s.Add(2, 0, at("/half"))
		s.Add(4, 0)
		if a, h, o := taken(&s, "/always", 8), taken(&s, "/half", 8), taken(&s, "/other", 8); a != 8 || h != 4 || o != 2 {
			t.Errorf("took %d, %d and %d of 8, want 8, 4 and 2", a, h, o)
		}
	})
	t.Run("it can be emptied", func(t *testing.T) {
		var s simulator.Share
		s.Add(1, 0)
		s.Add(0, 0)
		if n := taken(&s, "/", 8); n != 0 {
			t.Errorf("took %d", n)
		}
	})
}
