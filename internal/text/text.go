// Package text decides which texts are fit to be a credential, an identifier or
// part of an error, and how much of an answer is kept.
package text

import (
	"strings"
	"unicode"
)

// Defect returns the broken rule of a credential, "" for a usable credential:
// it must not be empty, begin or end with white space or hold control
// characters, as the content of a mounted file often does. The value is not
// repeated.
func Defect(value string) string {
	switch {
	case value == "":
		return "is empty"
	case strings.TrimFunc(value, blank) != value:
		return "must not begin or end with white space, a line break or a byte order mark"
	case strings.ContainsFunc(value, Control):
		return "must not contain control characters or line breaks"
	}
	return ""
}

func blank(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' }

// Control reports whether r has no place in a credential or an identifier:
// control characters and the line and paragraph separators of Unicode.
func Control(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// Word returns s if it is a single word of at most 64 letters, digits and . _ -
// and so fit to be printed, else "". It is for words from the operator: a
// provider's word may be a key.
func Word(s string) string {
	for i := range len(s) {
		c := s[i]
		if ('a' > c || c > 'z') && ('A' > c || c > 'Z') && ('0' > c || c > '9') && c != '.' && c != '_' && c != '-' {
			return ""
		}
	}
	if len(s) > 64 {
		return ""
	}
	return s
}

// IsCode reports whether s looks like a code and not like a key or token: at most
// 48 characters, either capitals, digits and _, or small letters and _.
func IsCode(s string) bool {
	if s == "" || len(s) > 48 {
		return false
	}
	var upper, lower, digit bool
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z':
			upper = true
		case 'a' <= c && c <= 'z':
			lower = true
		case '0' <= c && c <= '9':
			digit = true
		case c != '_':
			return false
		}
	}
	return !lower || !upper && !digit
}

// IsField reports whether s is letters and dots only, as names of fields are.
func IsField(s string) bool {
	for i := range len(s) {
		if c := s[i]; ('a' > c || c > 'z') && ('A' > c || c > 'Z') && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// IsUUID reports whether s has the form of a UUID.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		hex := '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash && c != '-' || !dash && !hex {
			return false
		}
	}
	return true
}

// PathTemplate returns path with {id} for each segment that may be a person's
// id or a secret: every segment but 1 to 32 letters, _ . or -, or "v" and a
// number.
func PathTemplate(path string) string {
	segments := strings.Split(path, "/")
	found := false
	for i, s := range segments {
		if s != "" && !isWord(s) && !isVersion(s) {
			segments[i], found = "{id}", true
		}
	}
	if !found {
		return path
	}
	return strings.Join(segments, "/")
}

func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; ('a' > c || c > 'z') && ('A' > c || c > 'Z') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return len(s) <= 32
}

func isVersion(s string) bool {
	number, ok := strings.CutPrefix(s, "v")
	return ok && number != "" && len(number) <= 2 && strings.Trim(number, "0123456789") == ""
}
