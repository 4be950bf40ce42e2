package check_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/providerauth/providerauth-go/internal/check"
)

type inner struct {
	X     int `json:"x"`
	Plain int
}

type Pointed struct {
	Y int `json:"y"`
}

type outer struct {
	inner
	*Pointed
	M    map[string]int    `json:"m"`
	S    map[string]inner  `json:"s"`
	L    []inner           `json:"l"`
	Grid [][2]int          `json:"grid"`
	P    *inner            `json:"p"`
	Deep map[string][]int  `json:"deep"`
	Raw  map[string]*outer `json:"raw,omitempty"`
}

type tree []tree

// Go's versions differ in what they say of it.
func TestFieldIsNamedAsTheTypeHasItWithNothingOfTheBody(t *testing.T) {
	for _, c := range []struct {
		body string
		into any
		want string
	}{
		{`{"x":"v"}`, new(outer), "x"},
		{`{"X":"v"}`, new(outer), "x"},
		{`{"pLAIN":"v"}`, new(outer), "Plain"},
		{`{"y":"v"}`, new(outer), "y"},
		{`{"m":"v"}`, new(outer), "m"},
		{`{"m":{"secret":"v"}}`, new(outer), "m"},
		{`{"s":{"x":{"x":"v"}}}`, new(outer), "s"},
		{`{"l":[{},{"x":"v"}]}`, new(outer), "l.x"},
		{`{"l":[5]}`, new(outer), "l"},
		{`{"l":{"secret":1}}`, new(outer), "l"},
		{`{"grid":[[1,2],[3,"v"]]}`, new(outer), "grid"},
		{`{"P":{"X":"v"}}`, new(outer), "p.x"},
		{`{"deep":{"secret":["v"]}}`, new(outer), "deep"},
		{`{"raw":{"secret":{"p":{"x":"v"}}}}`, new(outer), "raw"},
		{`[{"x":"v"}]`, new([]inner), "x"},
		{`{"secret":"v"}`, new(map[string]int), ""},
		{`{"secret":{"x":"v"}}`, new(map[string]inner), ""},
		{`"secret"`, new(outer), ""},
	} {
		err := json.Unmarshal([]byte(c.body), c.into)
		var mismatch *json.UnmarshalTypeError
		if !errors.As(err, &mismatch) {
			t.Fatalf("%s: %v", c.body, err)
		}
		if got := check.JSONField(new(tree), "x"+mismatch.Field); got != "" {
			t.Errorf("field %q of a list of lists", got)
		}
		if got := check.JSONField(c.into, mismatch.Field); got != c.want {
			t.Errorf("%s: %q is field %q, want %q", c.body, mismatch.Field, got, c.want)
		}
	}
}
