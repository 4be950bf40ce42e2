package decimal_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/internal/decimal"
)

func TestParseTakesPlainForm(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"0", "0"},
		{"7", "7"},
		{"-7", "-7"},
		{"12.5", "12.5"},
		{"1.50", "1.5"},
		{"-1.50", "-1.5"},
		{"100", "100"},
		{"100.00", "100"},
		{"0.00", "0"},
		{"0.05", "0.05"},
		{"-0.05", "-0.05"},
		{"999999999999999999", "999999999999999999"},
		{"-999999999999999999", "-999999999999999999"},
		{"123456789.123456789", "123456789.123456789"},
		{"0.000000000000000001", "0.000000000000000001"},
		{"10000000000000000.000", "10000000000000000"},
	} {
		got, err := decimal.Parse(test.in)
		if err != nil || got.String() != test.want || !got.IsSet() {
			t.Errorf("Parse(%q) = %v, %v; want %s", test.in, got, err, test.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct {
		in   string
		want error
	}{
		{"", decimal.ErrSyntax},
		{"-", decimal.ErrSyntax},
		{"+1", decimal.ErrSyntax},
		{"--1", decimal.ErrSyntax},
		{"-0", decimal.ErrSyntax},
		{"-0.00", decimal.ErrSyntax},
		{"007", decimal.ErrSyntax},
		{"00", decimal.ErrSyntax},
		{"-01", decimal.ErrSyntax},
		{".5", decimal.ErrSyntax},
		{"5.", decimal.ErrSyntax},
		{".", decimal.ErrSyntax},
		{"1.2.3", decimal.ErrSyntax},
		{"1e2", decimal.ErrSyntax},
		{"1E2", decimal.ErrSyntax},
		{"1e", decimal.ErrSyntax},
		{"1e99", decimal.ErrSyntax},
		{" 1", decimal.ErrSyntax},
		{"1 ", decimal.ErrSyntax},
		{"30\n", decimal.ErrSyntax},
		{"1,000", decimal.ErrSyntax},
		{"1_000", decimal.ErrSyntax},
		{"0x10", decimal.ErrSyntax},
		{"NaN", decimal.ErrSyntax},
		{"Inf", decimal.ErrSyntax},
		{"null", decimal.ErrSyntax},
		{"١٢", decimal.ErrSyntax},
		{"1\x00", decimal.ErrSyntax},
		{"1000000000000000000", decimal.ErrDigits},
		{"0.0000000000000000001", decimal.ErrDigits},
		{"1.000000000000000001", decimal.ErrDigits},
		{strings.Repeat("9", 1<<20), decimal.ErrDigits},
	} {
		got, err := decimal.Parse(test.in)
		if !errors.Is(err, test.want) || got.IsSet() {
			t.Errorf("Parse(%.30q) = %v, %v; want %v", test.in, got, err, test.want)
		}
	}
}

func TestParseNumberReadsExponentsExactly(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"12.50", "12.5"},
		{"-0", "0"},
		{"-0.0", "0"},
		{"0e5", "0"},
		{"0e999999999999999999999", "0"},
		{"1.5e2", "150"},
		{"1.5E+2", "150"},
		{"1.5e+002", "150"},
		{"-25e-1", "-2.5"},
		{"25E-3", "0.025"},
		{"1e17", "100000000000000000"},
		{"1e-18", "0.000000000000000001"},
		{"0.30000000000000004", "0.30000000000000004"},
		{"100000000000000000000e-3", "100000000000000000"},
		{"1.4210854715202004e-14", "0.000000000000014210854715202004"},
		{"-8.673617379884035e-19", "-0.0000000000000000008673617379884035"},
		{"33.333333333333333333", "33.333333333333333333"},
		{"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"},
		{"12345678901234567890123456789012345678", "12345678901234567890123456789012345678"},
		{"1234567890123456789.0123456789012345678", "1234567890123456789.0123456789012345678"},
		{"1e37", "10000000000000000000000000000000000000"},
		{"1e-40", "0.0000000000000000000000000000000000000001"},
		{"10000000000000000000e-59", "0.0000000000000000000000000000000000000001"},
		{"150.00000000000000000000000000000", "150"},
	} {
		got, err := decimal.ParseNumber([]byte(test.in))
		if err != nil || got.String() != test.want || !got.IsSet() {
			t.Errorf("ParseNumber(%q) = %v, %v; want %s", test.in, got, err, test.want)
		}
	}
}

func TestParseNumberRefuses(t *testing.T) {
	for _, test := range []struct {
		in   string
		want error
	}{
		{"", decimal.ErrSyntax},
		{"null", decimal.ErrSyntax},
		{`"12.5"`, decimal.ErrSyntax},
		{"true", decimal.ErrSyntax},
		{" 1", decimal.ErrSyntax},
		{"+1", decimal.ErrSyntax},
		{"01", decimal.ErrSyntax},
		{"1.", decimal.ErrSyntax},
		{"1e", decimal.ErrSyntax},
		{"1e+", decimal.ErrSyntax},
		{"1e1.5", decimal.ErrSyntax},
		{"1e1e1", decimal.ErrSyntax},
		{"1e38", decimal.ErrLength},
		{"1e-41", decimal.ErrLength},
		{"1e300", decimal.ErrLength},
		{"1e-300", decimal.ErrLength},
		{"1e9223372036854775807", decimal.ErrLength},
		{"1e-9223372036854775808", decimal.ErrLength},
		{"1e99999999999999999999", decimal.ErrLength},
		{"123456789012345678901234567890123456789", decimal.ErrLength},
		{"1.23456789012345678901234567890123456789", decimal.ErrLength},
		{"0.1000000000000000055511151231257827021181583404541015625", decimal.ErrLength},
		{"1" + strings.Repeat("0", 1<<20), decimal.ErrLength},
	} {
		got, err := decimal.ParseNumber([]byte(test.in))
		if !errors.Is(err, test.want) || got.IsSet() {
			t.Errorf("ParseNumber(%.30q) = %v, %v; want %v", test.in, got, err, test.want)
		}
	}
}

func TestParseLongTakesPlainFormOfMoreDigits(t *testing.T) {
	for in, want := range map[string]string{
		"12.50":                                  "12.5",
		"33.333333333333333333":                  "33.333333333333333333",
		"-0.000000000000014210854715202004":      "-0.000000000000014210854715202004",
		"12345678901234567890123456789012345678": "12345678901234567890123456789012345678",
	} {
		got, err := decimal.ParseLong(in)
		if err != nil || got.String() != want || !got.IsSet() {
			t.Errorf("ParseLong(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]error{
		"1e2": decimal.ErrSyntax, "-0": decimal.ErrSyntax, "+1": decimal.ErrSyntax, "": decimal.ErrSyntax,
		"123456789012345678901234567890123456789": decimal.ErrLength,
		"0." + strings.Repeat("0", 40) + "1":      decimal.ErrLength,
		strings.Repeat("9", 1<<20):                decimal.ErrLength,
	} {
		got, err := decimal.ParseLong(in)
		if !errors.Is(err, want) || got.IsSet() {
			t.Errorf("ParseLong(%.50q) = %v, %v; want %v", in, got, err, want)
		}
	}
}

func TestFromMinor(t *testing.T) {
	for _, test := range []struct {
		units    int64
		decimals uint8
		want     string
	}{
		{0, 0, "0"},
		{0, 18, "0"},
		{1050, 2, "10.5"},
		{-1050, 2, "-10.5"},
		{5, 2, "0.05"},
		{-5, 2, "-0.05"},
		{50, 1, "5"},
		{42, 0, "42"},
		{100, 0, "100"},
		{1, 18, "0.000000000000000001"},
		{999999999999999999, 0, "999999999999999999"},
		{999999999999999999, 18, "0.999999999999999999"},
		{1000000000000000000, 2, "10000000000000000"},
	} {
		got, err := decimal.FromMinor(test.units, test.decimals)
		if err != nil || got.String() != test.want || !got.IsSet() {
			t.Errorf("FromMinor(%d, %d) = %v, %v; want %s", test.units, test.decimals, got, err, test.want)
		}
	}
}

func TestFromMinorRefusesWhatDoesNotFit(t *testing.T) {
	for _, test := range []struct {
		units    int64
		decimals uint8
	}{
		{1000000000000000000, 0},
		{math.MaxInt64, 0},
		{math.MaxInt64, 18},
		{math.MinInt64, 0},
		{math.MinInt64, 18},
		{0, 19},
		{1, 255},
	} {
		got, err := decimal.FromMinor(test.units, test.decimals)
		if !errors.Is(err, decimal.ErrDigits) || got.IsSet() {
			t.Errorf("FromMinor(%d, %d) = %v, %v; want ErrDigits", test.units, test.decimals, got, err)
		}
	}
}

func TestZeroDecimalIsZeroButNotSet(t *testing.T) {
	var d decimal.Decimal
	if d.String() != "0" || d.Sign() != 0 || d.Cmp(parse(t, "0")) != 0 {
		t.Errorf("zero Decimal is %q with sign %d, want 0", d, d.Sign())
	}
	if d.IsSet() {
		t.Error("zero Decimal is set")
	}
	if !parse(t, "0").IsSet() {
		t.Error("0 that was parsed is not set")
	}
}

func TestCmpOrdersByValue(t *testing.T) {
	ordered := []string{
		"-12345678901234567890", "-999999999999999999", "-100", "-10.5", "-10", "-9.99", "-1", "-0.5", "-0.49", "-0.05",
		"0", "0.000000000000000000000000000000000001", "0.000000000000000001", "0.05", "0.49", "0.5", "1", "1.00000000000000001", "1.5", "9.99", "10", "10.25", "10.5", "100", "999999999999999999", "12345678901234567890",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			if i != j {
				want = 1
				if i < j {
					want = -1
				}
			}
			if i != j && a == b {
				t.Fatalf("%s is listed twice", a)
			}
			if got := parse(t, a).Cmp(parse(t, b)); got != want {
				t.Errorf("%s.Cmp(%s) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestSign(t *testing.T) {
	got := []int{parse(t, "-0.5").Sign(), parse(t, "0.00").Sign(), parse(t, "0.5").Sign()}
	if want := []int{-1, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("signs %v, want %v", got, want)
	}
}

func parse(t *testing.T, s string) decimal.Decimal {
	t.Helper()
	d, err := decimal.ParseLong(s)
	if err != nil {
		t.Fatalf("ParseLong(%q): %v", s, err)
	}
	return d
}
