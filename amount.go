package providerauth

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/providerauth/providerauth-go/internal/decimal"
)

// Amount is an exact decimal number of major units, such as 12.5 EUR. It is
// never a float. Amounts are comparable with ==: 1.50 is stored as 1.5.
//
// In JSON, an Amount is a string; it is read from a string or a number. Where a
// provider wants a JSON number, use [Number]. The zero Amount was never set, and
// does not marshal.
//
// An Amount read from JSON or text may have up to 38 digits, more than
// [ParseAmount] takes: providers with float arithmetic write
// 1.4210854715202004e-14 for nothing. Such an Amount is exact as well, but no
// call of this module sends it.
type Amount struct{ d decimal.Decimal }

// ParseAmount reads a plain decimal number of at most 18 digits, such as
// "12.5". Exponents, white space, separators, plus signs, leading zeros and
// minus zero are errors.
func ParseAmount(s string) (Amount, error) {
	d, err := decimal.Parse(s)
	return Amount{d}, err
}

// AmountFromMinor returns units divided by ten to the power of decimals: with
// decimals 2, units are cents. A result of more than 18 digits, or decimals above
// 18, is an error.
func AmountFromMinor(units int64, decimals uint8) (Amount, error) {
	d, err := decimal.FromMinor(units, decimals)
	return Amount{d}, err
}

// Minor returns the Amount in minor units, the inverse of [AmountFromMinor]:
// cents with decimals 2. It is an error if the Amount was never set, has more
// decimals, or does not fit an int64: nothing is rounded.
func (a Amount) Minor(decimals uint8) (units int64, err error) {
	if !a.IsSet() {
		return 0, errors.New("the amount was never set")
	}
	units, ok := a.d.Minor(decimals)
	if !ok {
		return 0, fmt.Errorf("the amount is not a whole number of units with %d decimals, or too large", decimals)
	}
	return units, nil
}

// String returns the plain form, without an exponent; "0" for the zero Amount.
func (a Amount) String() string { return a.d.String() }

// IsSet reports whether the Amount was ever set. It is true for an Amount set
// to 0.
func (a Amount) IsSet() bool { return a.d.IsSet() }

// Sign returns -1, 0 or 1.
func (a Amount) Sign() int { return a.d.Sign() }

// Cmp returns -1 if a is less than b, 0 if they are equal, 1 if it is more.
func (a Amount) Cmp(b Amount) int { return a.d.Cmp(b.d) }

// MarshalText returns the plain form. It fails for an Amount never set.
func (a Amount) MarshalText() ([]byte, error) {
	if !a.IsSet() {
		return nil, decimal.ErrSyntax
	}
	return []byte(a.d.String()), nil
}

// UnmarshalText reads the plain form, of up to 38 digits and 40 after the point.
func (a *Amount) UnmarshalText(text []byte) error {
	d, err := decimal.ParseLong(string(text))
	if err != nil {
		return err
	}
	a.d = d
	return nil
}

// UnmarshalJSON reads a JSON string in the form of [Amount.UnmarshalText], or a
// JSON number, exponents included. null is an error.
func (a *Amount) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		return a.UnmarshalText([]byte(s))
	}
	return a.unmarshalNumber(b)
}

func (a *Amount) unmarshalNumber(b []byte) error {
	d, err := decimal.ParseNumber(b)
	if err != nil {
		return err
	}
	a.d = d
	return nil
}

// Number is an [Amount] in the form of GameBox and PiTrade. In JSON it is a
// number, in its shortest form without an exponent. It is read from numbers
// only. Use it in your own structs for Call of platformtoken and partnerjwt.
type Number struct{ Amount }

// MarshalJSON writes a JSON number. It fails for a Number never set.
func (n Number) MarshalJSON() ([]byte, error) { return n.MarshalText() }

// UnmarshalJSON reads a JSON number exactly, exponents included, of up to 38
// digits and 40 after the point. Strings and null are errors.
func (n *Number) UnmarshalJSON(b []byte) error { return n.unmarshalNumber(b) }
