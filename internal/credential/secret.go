// Package credential holds values that must not be printed: token values, and
// the functions for keys and passwords.
package credential

import (
	"crypto/sha256"
	"encoding/hex"
)

// A Secret is a token value. Its content sits in a closure, because a pointer
// is not enough. If a verb does not fit a pointer, fmt prints the value behind
// it, as in %s of a struct with the pointer in an unexported field. Other
// printers follow every pointer. A function shows them an address at most. For
// the same reason two Secrets of the same value are not reflect.DeepEqual;
// compare their IDs. The methods may be called on nil, the empty value.
type Secret struct {
	bearer func() string // "Bearer " and the value
	stamp  uint32
}

const scheme = "Bearer "

// New returns value as a Secret; nil for "".
func New(value string) *Secret {
	if value == "" {
		return nil
	}
	bearer := scheme + value
	return &Secret{bearer: func() string { return bearer }}
}

// Signed returns the value of a credential signed here, with the stamp of the
// clock behind its times.
func Signed(value string, stamp uint32) *Secret {
	s := New(value)
	if s != nil {
		s.stamp = stamp
	}
	return s
}

// Stamp returns the stamp given to Signed; 0 for any other secret.
func (s *Secret) Stamp() uint32 {
	if s == nil {
		return 0
	}
	return s.stamp
}

// Value returns the secret in the clear.
func (s *Secret) Value() string {
	if s == nil || s.bearer == nil {
		return ""
	}
	return s.bearer()[len(scheme):]
}

// Bearer returns the value of an Authorization header, nil if the secret is
// empty. The slice is the caller's. A shared slice would save an allocation,
// but a RoundTripper could edit the header in place and so change the token for
// everybody.
func (s *Secret) Bearer() []string {
	if s == nil || s.bearer == nil {
		return nil
	}
	return []string{s.bearer()}
}

// ID identifies the value, in this process and in others. It is computed each
// time: few callers ask, and a hundred thousand tokens are smaller without it.
func (s *Secret) ID() ID {
	value := s.Value()
	if value == "" {
		return ID{}
	}
	sum := sha256.Sum256([]byte(value))
	return ID(sum[:len(ID{})])
}

// An ID identifies a secret without giving it away: the first half of the
// value's SHA-256. It is safe to show for unguessable values such as tokens.
// The ID of an empty value is zero.
type ID [16]byte

// String returns the first 12 hexadecimal digits, enough to tell the tokens
// of a log apart; "" for the zero ID.
func (id ID) String() string {
	if id == (ID{}) {
		return ""
	}
	return hex.EncodeToString(id[:6])
}
