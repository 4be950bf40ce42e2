// Package decimal holds exact amounts. It does no arithmetic: amounts pass
// through the SDK, they are not computed by it.
package decimal

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
)

// MaxDigits is the number of digits that an amount may have, before and after
// the point together. A zero before the point does not count.
const MaxDigits = 18

// maxText bounds the work on input; the rest of it can only be zeros that do
// not matter.
const maxText = 64

// The errors of this package. Neither quotes the input.
var (
	ErrSyntax = errors.New("must be a decimal number such as 12.5")
	ErrDigits = errors.New("must have at most 18 digits, and at most 18 after the point")
)

// A Decimal is an exact amount. It is a struct rather than a string so that no
// conversion gets around the checks. The zero Decimal is 0, but not [Decimal.IsSet].
type Decimal struct {
	// s is the plain form: no exponent, no zeros that do not matter, no "-0".
	// Empty if the amount was never set.
	s string
}

// Parse reads an amount in plain form: digits, with a minus sign before and a
// point and more digits after if need be. It refuses exponents, plus signs,
// leading zeros, minus zero, white space and separators. Trailing zeros of a
// fraction are dropped: "1.50" is 1.5.
func Parse(s string) (Decimal, error) {
	n, err := scan(s)
	if err != nil {
		return Decimal{}, err
	}
	d, err := n.decimal()
	if n.exponent != "" || n.negative && d.s == "0" {
		return Decimal{}, ErrSyntax
	}
	return d, err
}

// ParseNumber reads a JSON number as another system writes it, exponents and
// minus zero included, exactly. Anything else, a quoted number too, is an error.
func ParseNumber(raw []byte) (Decimal, error) {
	n, err := scan(string(raw))
	if err != nil {
		return Decimal{}, err
	}
	return n.decimal()
}

// FromMinor returns units times ten to the power of minus decimals, an amount
// in cents with decimals 2. decimals above 18 and results of more than 18
// digits are errors.
func FromMinor(units int64, decimals uint8) (Decimal, error) {
	if decimals > MaxDigits {
		return Decimal{}, ErrDigits
	}
	magnitude := uint64(units)
	if units < 0 {
		magnitude = -magnitude
	}
	return plain(units < 0, strconv.FormatUint(magnitude, 10), int(decimals))
}

// IsSet reports whether d was made by a function of this package. A zero
// Decimal is most likely an amount that somebody forgot.
func (d Decimal) IsSet() bool { return d.s != "" }

// String returns the plain form, which is also a JSON number.
func (d Decimal) String() string {
	if d.s == "" {
		return "0"
	}
	return d.s
}

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int {
	switch {
	case d.s == "" || d.s == "0":
		return 0
	case d.s[0] == '-':
		return -1
	}
	return 1
}

// Cmp returns -1 if d is less than other, 0 if they are equal, 1 if it is more.
func (d Decimal) Cmp(other Decimal) int {
	sign := d.Sign()
	if sign == 0 || sign != other.Sign() {
		return cmp.Compare(sign, other.Sign())
	}
	a, aFraction, _ := strings.Cut(strings.TrimPrefix(d.s, "-"), ".")
	b, bFraction, _ := strings.Cut(strings.TrimPrefix(other.s, "-"), ".")
	// In plain form the longer whole part is the greater one, and parts of one
	// length compare as texts do. So do fractions of any length.
	return sign * cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b), cmp.Compare(aFraction, bFraction))
}

// number is a number of JSON's grammar, cut into its parts.
type number struct {
	negative                  bool
	whole, fraction, exponent string // the exponent with its sign, without the e
}

func scan(s string) (n number, err error) {
	if len(s) > maxText {
		return n, ErrDigits
	}
	s, n.negative = strings.CutPrefix(s, "-")
	n.whole, s = digits(s)
	if n.whole == "" || n.whole[0] == '0' && len(n.whole) > 1 {
		return n, ErrSyntax
	}
	if rest, ok := strings.CutPrefix(s, "."); ok {
		if n.fraction, s = digits(rest); n.fraction == "" {
			return n, ErrSyntax
		}
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		n.exponent = s[1:]
		unsigned := n.exponent
		if unsigned != "" && (unsigned[0] == '+' || unsigned[0] == '-') {
			unsigned = unsigned[1:]
		}
		var found string
		if found, s = digits(unsigned); found == "" {
			return n, ErrSyntax
		}
	}
	if s != "" {
		return n, ErrSyntax
	}
	return n, nil
}

// digits cuts s behind the digits that it begins with.
func digits(s string) (found, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

func (n number) decimal() (Decimal, error) {
	exponent := 0
	if n.exponent != "" {
		var err error
		exponent, err = strconv.Atoi(n.exponent)
		if err != nil || exponent > 2*maxText || exponent < -2*maxText {
			exponent = 2 * maxText // out of range with any digits but zeros
		}
	}
	return plain(n.negative, n.whole+n.fraction, len(n.fraction)-exponent)
}

// plain brings digits times ten to the power of minus scale into plain form.
func plain(negative bool, digits string, scale int) (Decimal, error) {
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return Decimal{"0"}, nil
	}
	significant := strings.TrimRight(digits, "0")
	scale -= len(digits) - len(significant)
	if max(len(significant)-min(scale, 0), scale) > MaxDigits {
		return Decimal{}, ErrDigits
	}
	buf := make([]byte, 0, MaxDigits+len("-0."))
	if negative {
		buf = append(buf, '-')
	}
	switch point := len(significant) - scale; {
	case scale <= 0:
		buf = append(buf, significant...)
		buf = append(buf, zeros[:-scale]...)
	case point <= 0:
		buf = append(buf, '0', '.')
		buf = append(buf, zeros[:-point]...)
		buf = append(buf, significant...)
	default:
		buf = append(buf, significant[:point]...)
		buf = append(buf, '.')
		buf = append(buf, significant[point:]...)
	}
	return Decimal{string(buf)}, nil
}

const zeros = "000000000000000000" // MaxDigits of them
