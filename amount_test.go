package providerauth_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestAmount_JSON(t *testing.T) {
	type both struct {
		A providerauth.Amount
		N providerauth.Number
		M map[providerauth.Amount]int
	}
	a := testkit.ParseAmount(t, "25.50")
	in := both{a, providerauth.Number{Amount: a}, map[providerauth.Amount]int{a: 1}}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), `{"A":"25.5","N":25.5,"M":{"25.5":1}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var out both
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if out.A != a || out.N.Amount != a || out.M[a] != 1 {
		t.Errorf("got %+v", out)
	}
}

func TestAmount_UnmarshalJSON(t *testing.T) {
	for in, want := range map[string]string{
		`25.5`: "25.5 25.5", `"25.5"`: "25.5 -", `1e2`: "100 100", `"1e2"`: "- -", `null`: "- -", `""`: "- -", `true`: "- -", `"0x1"`: "- -",
		`1.4210854715202004e-14`: "0.000000000000014210854715202004 0.000000000000014210854715202004",
	} {
		read := func(v interface {
			json.Unmarshaler
			fmt.Stringer
		},
		) string {
			if v.UnmarshalJSON([]byte(in)) != nil {
				return "-"
			}
			return v.String()
		}
		if got := read(new(providerauth.Amount)) + " " + read(new(providerauth.Number)); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestAmount_NeverSet(t *testing.T) {
	for _, v := range []any{providerauth.Amount{}, providerauth.Number{}, map[providerauth.Amount]int{{}: 1}} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T marshals as %s", v, b)
		}
	}
	if _, err := (providerauth.Amount{}).Minor(2); err == nil {
		t.Error("it has minor units")
	}
}

func TestAmount_Minor(t *testing.T) {
	for _, tc := range []struct {
		s        string
		decimals uint8
		want     int64
		ok       bool
	}{
		{"12.5", 2, 1250, true},
		{"12.5", 1, 125, true},
		{"12.5", 0, 0, false},
		{"-0.01", 2, -1, true},
		{"0", 18, 0, true},
		{"0", 255, 0, true},
		{"1", 18, 1e18, true},
		{"1", 19, 0, false},
		{"10", 18, 0, false},
		{"0.000000000000000001", 18, 1, true},
		{"100", 0, 100, true},
	} {
		got, err := testkit.ParseAmount(t, tc.s).Minor(tc.decimals)
		if got != tc.want || (err == nil) != tc.ok {
			t.Errorf("%s with %d decimals: %d, %v", tc.s, tc.decimals, got, err)
		}
	}
	for _, units := range []int64{math.MaxInt64 / 10, math.MinInt64 / 10, 0, -1, 999} {
		a, err := providerauth.AmountFromMinor(units, 3)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := a.Minor(3); back != units || err != nil {
			t.Errorf("%d came back as %d, %v", units, back, err)
		}
	}
	var most providerauth.Amount
	for s, ok := range map[string]bool{
		"9223372036854775807": true, "9223372036854775808": false, "-9223372036854775808": true, "-9223372036854775809": false,
	} {
		if err := most.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if _, err := most.Minor(0); (err == nil) != ok {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestParseAmount(t *testing.T) {
	for in, expected := range map[string]string{
		"0": "0", "30": "30", "12.5": "12.5", "1.50": "1.5", "-0.05": "-0.05", "100.00": "100",
		"999999999999999999": "999999999999999999", "0.000000000000000001": "0.000000000000000001",
	} {
		a, err := providerauth.ParseAmount(in)
		if err != nil || a.String() != expected || !a.IsSet() {
			t.Errorf("%q: %v, %v", in, a, err)
		}
	}
	for _, in := range []string{
		"", " 1", "1 ", "1\n", "1e3", "1E3", "1,000", "1_000", "+1", "-0", "-0.0", "007", ".5", "5.", "0x1", "NaN", "Inf", "١", "1.2.3",
		strings.Repeat("1", 19), strings.Repeat("1", 1<<20), "0.0000000000000000001",
	} {
		a, err := providerauth.ParseAmount(in)
		if err == nil || a.IsSet() {
			t.Errorf("%.30q: %v, want an error", in, a)
		}
		if err != nil && len(in) > 3 && strings.Contains(err.Error(), in) {
			t.Errorf("%.30q is quoted", in)
		}
	}
}

func TestAmountFromMinor(t *testing.T) {
	for _, c := range []struct {
		units    int64
		decimals uint8
		want     string
	}{
		{3000, 2, "30"},
		{1, 2, "0.01"},
		{-5, 2, "-0.05"},
		{0, 2, "0"},
		{12345, 0, "12345"},
		{1, 18, "0.000000000000000001"},
		{math.MaxInt64, 2, ""},
		{math.MinInt64, 2, ""},
		{1, 19, ""},
		{1, 255, ""},
	} {
		a, err := providerauth.AmountFromMinor(c.units, c.decimals)
		if (err == nil) != (c.want != "") || a.IsSet() != (c.want != "") || err == nil && a.String() != c.want {
			t.Errorf("%d, %d: %v, %v", c.units, c.decimals, a, err)
		}
	}
}

func TestAmount_inStruct(t *testing.T) {
	type wallet struct {
		Amount providerauth.Amount `json:"amount"`
	}
	b, err := json.Marshal(wallet{testkit.ParseAmount(t, "12.50")})
	if err != nil || string(b) != `{"amount":"12.5"}` {
		t.Errorf("%s, %v", b, err)
	}
	if b, err := json.Marshal(wallet{}); err == nil {
		t.Errorf("an amount that was never set is written: %s", b)
	}
	for in, expected := range map[string]string{
		`{"amount":"100"}`: "100", `{"amount":"0"}`: "0", `{"amount":"\u0031"}`: "1",
		`{"amount":100}`: "100", `{"amount":1.5e1}`: "15",
		`{"amount":1.4210854715202004e-14}`:  "0.000000000000014210854715202004",
		`{"amount":"33.333333333333333333"}`: "33.333333333333333333", `{"amount":1e-41}`: "", `{"amount":"1234567890123456789012345678901234567890"}`: "",
		`{"amount":""}`: "", `{"amount":"1e3"}`: "", `{"amount":" 1"}`: "", `{"amount":"abc"}`: "",
		`{"amount":null}`: "", `{"amount":true}`: "", `{"amount":{}}`: "", `{"amount":["1"]}`: "",
	} {
		var w wallet
		err := json.Unmarshal([]byte(in), &w)
		if (err == nil) != (expected != "") || err == nil && w.Amount.String() != expected {
			t.Errorf("%s: %v, %v", in, w.Amount, err)
		}
	}
}

func TestAmount_Cmp(t *testing.T) {
	if testkit.ParseAmount(t, "1.50") != testkit.ParseAmount(t, "1.5") {
		t.Error("1.50 is not 1.5")
	}
	if testkit.ParseAmount(t, "2").Cmp(testkit.ParseAmount(t, "10")) != -1 || testkit.ParseAmount(t, "-1").Sign() != -1 || (providerauth.Amount{}).Sign() != 0 {
		t.Error("order")
	}
	if (providerauth.Amount{}).String() != "0" || (providerauth.Amount{}).IsSet() || !testkit.ParseAmount(t, "0").IsSet() {
		t.Error("the zero Amount")
	}
}
