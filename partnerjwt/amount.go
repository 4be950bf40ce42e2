package partnerjwt

import "github.com/providerauth/providerauth-go/internal/decimal"

// An Amount is an exact decimal number: shares, or US dollars. It is never a
// float. In JSON it is a number; the zero Amount is one that was never set and
// does not marshal. Amounts are comparable with ==: 1.50 is stored as 1.5. One
// that was read from JSON may have more digits than ParseAmount takes.
type Amount struct{ d decimal.Decimal }

// ParseAmount reads a plain decimal number of at most 18 digits, such as
// "12.5". Exponents, white space, separators, plus signs, leading zeros and
// minus zero are errors.
func ParseAmount(s string) (Amount, error) {
	d, err := decimal.Parse(s)
	return Amount{d}, err
}

// AmountFromMinor returns units divided by ten to the power of decimals: cents
// with decimals 2. More than 18 digits, or decimals above 18, are errors.
func AmountFromMinor(units int64, decimals uint8) (Amount, error) {
	d, err := decimal.FromMinor(units, decimals)
	return Amount{d}, err
}

// String returns the plain form, "0" for the zero Amount.
func (a Amount) String() string { return a.d.String() }

// IsSet reports whether the Amount was ever set; an Amount of 0 that was is.
func (a Amount) IsSet() bool { return a.d.IsSet() }

// Sign returns -1, 0 or 1.
func (a Amount) Sign() int { return a.d.Sign() }

// Cmp returns -1, 0 or 1 as a is less than, equal to or more than b.
func (a Amount) Cmp(b Amount) int { return a.d.Cmp(b.d) }

// MarshalJSON writes a JSON number; an Amount that was never set is an error.
func (a Amount) MarshalJSON() ([]byte, error) {
	if !a.IsSet() {
		return nil, decimal.ErrSyntax
	}
	return []byte(a.d.String()), nil
}

// UnmarshalJSON reads a JSON number exactly, exponents included, of up to 38
// digits, and 40 after the point.
func (a *Amount) UnmarshalJSON(b []byte) error {
	d, err := decimal.ParseNumber(b)
	if err != nil {
		return err
	}
	a.d = d
	return nil
}
