// Package decimal holds exact amounts. It does no arithmetic: amounts pass
// through the SDK, they are not computed by it.
package decimal

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
)

// MaxDigits is the longest length in digits of an amount from us, before and
// after the point together. A zero before the point does not count.
const MaxDigits = 18

// maxText bounds the work on input; the rest can only be leading or trailing
// zeros.
const maxText = 64

// The errors of this package. None quotes the input.
var (
	ErrSyntax = errors.New("must be a decimal number such as 12.5")
	ErrDigits = errors.New("must have at most 18 digits, and at most 18 after the point")
	ErrLength = errors.New("must have at most 38 digits, and at most 40 after the point")
)

// A limit is the longest length of an amount.
//
// Amounts from other systems are taken as written, within bounds. A system with
// float arithmetic writes 17 digits wherever the point may be, and
// 1.4210854715202004e-14 for zero. The decimal types of databases hold 38
// digits, and a float has up to 40 digits after the point for amounts with
// eight decimals. Amounts from us are short enough for every system.
type limit struct {
	digits, scale int
	err           error
}

var (
	ours   = limit{MaxDigits, MaxDigits, ErrDigits}
	theirs = limit{38, 40, ErrLength}
)

// A Decimal is an exact amount. It is a struct: a conversion to a string type
// would get around the checks. The zero Decimal is 0, but not [Decimal.IsSet].
type Decimal struct {
	// s is the plain form: no exponent, no superfluous zeros, no "-0". Empty if
	// the amount was never set.
	s string
}

// Parse reads an amount in plain form: digits, with a minus sign before and a
// point and more digits after if need be. It refuses exponents, plus signs,
// leading zeros, minus zero, white space and separators. Trailing zeros of a
// fraction are dropped: "1.50" is 1.5. More than [MaxDigits] are ErrDigits.
func Parse(s string) (Decimal, error) { return parse(s, ours) }

// ParseLong is Parse for text from another system: up to 38 digits, and 40
// after the point. More are ErrLength.
func ParseLong(s string) (Decimal, error) { return parse(s, theirs) }

func parse(s string, l limit) (Decimal, error) {
	n, err := scan(s, l)
	if err != nil {
		return Decimal{}, err
	}
	d, err := n.decimal(l)
	if n.exponent != "" || n.negative && d.s == "0" {
		return Decimal{}, ErrSyntax
	}
	return d, err
}

// ParseNumber reads a JSON number as another system writes it, exponents and
// minus zero included, exactly, within the limits of [ParseLong]. Anything
// else, a quoted number too, is an error.
func ParseNumber(raw []byte) (Decimal, error) {
	n, err := scan(string(raw), theirs)
	if err != nil {
		return Decimal{}, err
	}
	return n.decimal(theirs)
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
	return plain(units < 0, strconv.FormatUint(magnitude, 10), int(decimals), ours)
}

// Minor returns d times ten to the power of decimals. ok is false if the result
// is no integer or does not fit into an int64.
func (d Decimal) Minor(decimals uint8) (units int64, ok bool) {
	whole, fraction, _ := strings.Cut(d.String(), ".")
	missing := int(decimals) - len(fraction)
	if missing < 0 {
		return 0, false
	}
	digits := strings.TrimPrefix(whole+fraction, "-")
	if digits = strings.TrimLeft(digits, "0"); digits == "" {
		return 0, true
	}
	if len(digits)+missing > 19 { // as many as an int64 has
		return 0, false
	}
	sign := ""
	if d.Sign() < 0 {
		sign = "-"
	}
	units, err := strconv.ParseInt(sign+digits+zeros[:missing], 10, 64)
	return units, err == nil
}

// IsSet reports whether d was made by a function of this package. A zero
// Decimal is most likely a forgotten amount.
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
	// In plain form the longer whole part is greater. Whole parts of equal
	// length compare as texts do, and so do fractions of any length.
	return sign * cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b), cmp.Compare(aFraction, bFraction))
}

// number is a number of JSON's grammar, cut into its parts.
type number struct {
	negative                  bool
	whole, fraction, exponent string // the exponent with its sign, without the e
}

func scan(s string, l limit) (n number, err error) {
	if len(s) > maxText {
		return n, l.err
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

// digits cuts s after its leading digits.
func digits(s string) (found, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

func (n number) decimal(l limit) (Decimal, error) {
	exponent := 0
	if n.exponent != "" {
		var err error
		exponent, err = strconv.Atoi(n.exponent)
		if err != nil || exponent > 2*maxText || exponent < -2*maxText {
			exponent = 2 * maxText // out of range with any digits but zeros
		}
	}
	return plain(n.negative, n.whole+n.fraction, len(n.fraction)-exponent, l)
}

// plain brings digits times ten to the power of minus scale into plain form.
func plain(negative bool, digits string, scale int, l limit) (Decimal, error) {
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return Decimal{"0"}, nil
	}
	significant := strings.TrimRight(digits, "0")
	scale -= len(digits) - len(significant)
	if len(significant)-min(scale, 0) > l.digits || scale > l.scale {
		return Decimal{}, l.err
	}
	buf := make([]byte, 0, maxText)
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

const zeros = "0000000000000000000000000000000000000000" // as many as an amount may have after the point
