package decimal_test

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/internal/decimal"
)

var (
	plainText = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	canonical = regexp.MustCompile(`^(0|-?(0|[1-9][0-9]*)\.[0-9]*[1-9]|-?[1-9][0-9]*)$`)
)

// exactly returns what math/big makes of a number, in plain form, and whether
// that has at most 18 digits; "" if it needs more than 38, or 40 after the
// point.
func exactly(s string) (plain string, short bool) {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return "", false
	}
	plain = r.FloatString(40)
	if back, _ := new(big.Rat).SetString(plain); back.Cmp(r) != 0 {
		return "", false
	}
	plain = strings.TrimSuffix(strings.TrimRight(plain, "0"), ".")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(plain, "-"), ".")
	whole = strings.TrimPrefix(whole, "0")
	if len(strings.TrimLeft(whole+fraction, "0")) > 38 {
		return "", false
	}
	return plain, len(whole)+len(fraction) <= 18
}

func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		want, short := "", false
		if len(s) <= 64 && plainText.MatchString(s) {
			if want, short = exactly(s); want == "0" && s[0] == '-' {
				want = ""
			}
		}
		got, err := decimal.ParseLong(s)
		compare(t, s, want, got, err)
		if !short {
			want = ""
		}
		got, err = decimal.Parse(s)
		compare(t, s, want, got, err)
	})
}

func FuzzParseNumber(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		want := ""
		s := string(raw)
		number := len(s) <= 64 && json.Valid(raw) && strings.Trim(s, "-+.0123456789eE") == ""
		if mantissa, exponent, ok := strings.Cut(strings.ToLower(s), "e"); number && ok && len(strings.TrimLeft(exponent, "+-0")) > 3 {
			// math/big would write out the zeros.
			if strings.Trim(mantissa, "-0.") == "" {
				want = "0"
			}
		} else if number {
			want, _ = exactly(s)
		}
		got, err := decimal.ParseNumber(raw)
		compare(t, s, want, got, err)
	})
}

func compare(t *testing.T, in, want string, got decimal.Decimal, err error) {
	t.Helper()
	if want == "" {
		if err == nil || got.IsSet() {
			t.Fatalf("%q gives %v, %v; want an error", in, got, err)
		}
		return
	}
	if err != nil || got.String() != want {
		t.Fatalf("%q gives %v, %v; want %s", in, got, err, want)
	}
	if !canonical.MatchString(want) {
		t.Fatalf("%s is not in plain form", want)
	}
	again, err := decimal.ParseLong(got.String())
	if err != nil || again != got || again.Cmp(got) != 0 {
		t.Fatalf("%s is read back as %v, %v", got, again, err)
	}
	r, _ := new(big.Rat).SetString(want)
	if got.Sign() != r.Sign() {
		t.Fatalf("sign of %s is %d", want, got.Sign())
	}
}
