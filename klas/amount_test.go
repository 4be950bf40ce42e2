package klas_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/klas"
)

func TestParseAmountTakesPlainDecimals(t *testing.T) {
	for in, expected := range map[string]string{
		"0": "0", "30": "30", "12.5": "12.5", "1.50": "1.5", "-0.05": "-0.05", "100.00": "100",
		"999999999999999999": "999999999999999999", "0.000000000000000001": "0.000000000000000001",
	} {
		a, err := klas.ParseAmount(in)
		if err != nil || a.String() != expected || !a.IsSet() {
			t.Errorf("%q: %v, %v", in, a, err)
		}
	}
	for _, in := range []string{
		"", " 1", "1 ", "1\n", "1e3", "1E3", "1,000", "1_000", "+1", "-0", "-0.0", "007", ".5", "5.", "0x1", "NaN", "Inf", "١", "1.2.3",
		strings.Repeat("1", 19), strings.Repeat("1", 1<<20), "0.0000000000000000001",
	} {
		a, err := klas.ParseAmount(in)
		if err == nil || a.IsSet() {
			t.Errorf("%.30q: %v, want an error", in, a)
		}
		if err != nil && len(in) > 3 && strings.Contains(err.Error(), in) {
			t.Errorf("%.30q is quoted", in)
		}
	}
}

func TestAmountFromMinorIsExact(t *testing.T) {
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
		a, err := klas.AmountFromMinor(c.units, c.decimals)
		if (err == nil) != (c.want != "") || a.IsSet() != (c.want != "") || err == nil && a.String() != c.want {
			t.Errorf("%d, %d: %v, %v", c.units, c.decimals, a, err)
		}
	}
}

func TestAmountsAreStringsInJSON(t *testing.T) {
	type wallet struct {
		Amount klas.Amount `json:"amount"`
	}
	b, err := json.Marshal(wallet{amount(t, "12.50")})
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

func TestAmountsCompare(t *testing.T) {
	if amount(t, "1.50") != amount(t, "1.5") {
		t.Error("1.50 is not 1.5")
	}
	if amount(t, "2").Cmp(amount(t, "10")) != -1 || amount(t, "-1").Sign() != -1 || (klas.Amount{}).Sign() != 0 {
		t.Error("order")
	}
	if (klas.Amount{}).String() != "0" || (klas.Amount{}).IsSet() || !amount(t, "0").IsSet() {
		t.Error("the zero Amount")
	}
}
