package testkit

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// A Body is a value for the in of a Call.
type Body struct {
	Name string
	In   any
}

// Bodies returns values whose JSON is easily changed by another encoder. Invalid
// UTF-8 is not among them: up to Go 1.26 encoding/json writes \ufffd for it, and
// from Go 1.27 on the character itself.
func Bodies() []Body {
	type inner struct {
		B string `json:"b"`
		A *int   `json:"a"`
	}
	return []Body{
		{"nil", nil},
		{"typed nil pointer", (*inner)(nil)},
		{"empty struct", struct{}{}},
		{"struct in the order of its fields", struct {
			Z       int    `json:"z"`
			A       string `json:"a"`
			Empty   string `json:"empty,omitempty"`
			Quoted  int    `json:"quoted,string"`
			Inner   inner  `json:"inner"`
			NoTag   bool
			Skipped string `json:"-"`
		}{Z: 1, A: "x", Quoted: 7}},
		{"map, sorted", map[string]any{"b": 1, "a": []any{nil, true, "x"}, "B": map[int]string{10: "ten", 9: "nine"}}},
		{"nil map and nil slice", struct {
			M map[string]int `json:"m"`
			S []int          `json:"s"`
			E []int          `json:"e"`
		}{E: []int{}}},
		{"RawMessage", json.RawMessage("{ \"b\": 1.50,\n\t\"a\": \"<&>\", \"n\": 12345678901234567890.10, \"b\": 1e2 }")},
		{"nil RawMessage", json.RawMessage(nil)},
		{"HTML characters", map[string]string{"<&>": "a < b && c > d"}},
		{"other characters", "quote \" slash / backslash \\ tab \t newline \n delete \x7f é € 😀 \u2028 \u2029"},
		{"integers", []any{int64(math.MaxInt64), int64(math.MinInt64), uint64(math.MaxUint64)}},
		{"floats", []any{25.5, 10.0, 0.30000000000000004, 1e20, 1e21, 1e-6, 1e-7, math.MaxFloat64, float32(0.1), math.Copysign(0, -1)}},
		{"json.Number", []json.Number{"12345678901234567890.12345678901234567890", "1e400", "1.50"}},
		{"bytes", []byte("bytes")},
		{"time", time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.FixedZone("", 2*60*60))},
		{"not a number", math.NaN()},
		{"channel", make(chan int)},
	}
}

// An Amount is the Amount or Number of the root package.
type Amount interface {
	comparable
	fmt.Stringer
	IsSet() bool
}

// Amounts returns values with amounts in them.
func Amounts[A Amount](parse func(string) (A, error)) []Body {
	amount := func(s string) (a A) {
		a, err := parse(s)
		if err != nil {
			panic(err)
		}
		return a
	}
	type fields struct {
		Value    A  `json:"value"`
		Pointer  *A `json:"pointer"`
		Nil      *A `json:"nil"`
		OmitNil  *A `json:"omitNil,omitempty"`
		OmitZero A  `json:"omitZero,omitzero"`
	}
	a, zero := amount("25.5"), *new(A)
	var long A // UnmarshalJSON takes more digits than ParseAmount
	if err := json.Unmarshal([]byte("-1234567890123456789012345678.9012345678"), &long); err != nil {
		panic(err)
	}
	return []Body{
		{"Amount", a},
		{"Amount 0", amount("0")},
		{"Amount never set", zero},
		{"Amount negative", amount("-1.50")},
		{"Amount of 18 digits", amount("123456789.123456789")},
		{"Amount of 18 digits after the point", amount("0.000000000000000001")},
		{"Amount longer than ParseAmount takes", long},
		{"Amount in a struct", fields{Value: a, Pointer: &a, OmitZero: a}},
		{"Amount in a pointer to a struct", &fields{Value: a}},
		{"Amount never set in a struct", fields{}},
		{"Amount never set behind a pointer", fields{Value: a, Pointer: &zero}},
		{"Amount never set, omitempty", struct {
			A A `json:"a,omitempty"`
		}{}},
		{"Amount in a map", map[string]A{"b": a, "a": amount("1")}},
		{"Amount in a map of any", map[string]any{"b": a, "a": &a}},
		{"Amount as the key of a map", map[A]int{a: 1}},
		{"Amount in a slice", []A{a, amount("-3")}},
		{"Amount in a slice of pointers", []*A{&a, nil}},
		{"Amount in an array", [1]A{a}},
		{"nil slice of Amount", []A(nil)},
	}
}

// ParseNumber is providerauth.ParseAmount for a Number.
func ParseNumber(s string) (providerauth.Number, error) {
	a, err := providerauth.ParseAmount(s)
	return providerauth.Number{Amount: a}, err
}

// AmountSheet returns the text of a golden file: the JSON of the root package's
// type of amounts with the given name, and its values read from JSON.
func AmountSheet[A Amount](typ string, parse func(string) (A, error), minor func(int64, uint8) (A, error)) string {
	var s Sheet
	for _, b := range Amounts(parse) {
		s.Add("providerauth."+strings.Replace(b.Name, "Amount", typ, 1), Marshalled(b.In))
	}
	text := ""
	for _, m := range []struct {
		units    int64
		decimals uint8
	}{{2550, 2}, {-5, 3}, {100, 2}, {0, 2}, {7, 0}, {math.MaxInt64, 2}} {
		a, err := minor(m.units, m.decimals)
		text += Outcome(fmt.Sprintf("%d, %d", m.units, m.decimals), Marshalled(a), err)
	}
	s.Add("providerauth.AmountFromMinor, "+typ, text)
	text = ""
	for _, in := range []string{"25.5", "0", "-1.50", "123456789012345678", "1234567890123456789", "1e2", "-0", "01", "", " 1", "1,5", "+1"} {
		a, err := parse(in)
		text += Outcome(in, Marshalled(a), err)
	}
	s.Add("providerauth.ParseAmount, "+typ, text)

	s.Add("providerauth."+typ+", read", Reads(func(a A) string { return fmt.Sprintf("%s, set %v", a, a.IsSet()) },
		`25.5`, `0`, `-0`, `-1.50`, `1e2`, `1.4210854715202004e-14`, `12345678901234567890123456789012345678`,
		`0.0000000000000000000000000000000000000001`, `123456789012345678901234567890123456789`, `1e400`,
		`"25.5"`, `"0"`, `"-0"`, `"-1.50"`, `"1e2"`, `"12345678901234567890123456789012345678"`, `"\u0031"`, `""`, `" 1"`, `"01"`,
		`null`, `true`, `[]`, `{}`, `01`, `+1`, `1.`, `.5`, `NaN`))
	type fields struct {
		Value   A
		Pointer *A
	}
	s.Add("providerauth."+typ+" in a struct, read", Reads(func(f fields) string {
		return fmt.Sprintf("%s, set %v; pointer nil %v", f.Value, f.Value.IsSet(), f.Pointer == nil)
	},
		`{}`, `{"Value":1.50,"Pointer":2}`, `{"Value":1,"Pointer":null}`, `{"Value":null}`, `{"Value":"1"}`, `{"Pointer":"1"}`))
	s.Add("providerauth."+typ+" in a slice, read", Reads(func(l []A) string { return fmt.Sprint(l) }, `[1,2.50]`, `["1"]`, `[null]`, `[]`, `null`))
	return s.String()
}
