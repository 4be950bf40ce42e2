package stage

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCreators(t *testing.T) {
	by := func(worker string, ms int) Creation {
		c := created("a", ms)
		c.Worker = worker
		return c
	}
	got := creators([]Creation{by("two", 100), by("late", 50), by("b", 200), by("a", 100), by("two", 200), by("new", 210)}, at(60), at(205))
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Error(diff)
	}
}
