package transport

import (
	"net/http"
	"strings"
)

// idempotencyKey reports whether h has a header that makes net/http send a
// request of any method again by itself.
func idempotencyKey(h http.Header) bool {
	const name = "X-Idempotency-Key"
	for key := range h {
		if short := len(name) - len(key); (short == 0 || short == 2) && strings.EqualFold(key, name[short:]) {
			return true
		}
	}
	return false
}

// unsendable names the part of h that HTTP cannot carry, or returns "". It
// never returns a value of h: a value may be a credential.
func unsendable(h http.Header) string {
	for name, values := range h {
		if !isToken(name) {
			return "a header name has characters that HTTP does not allow"
		}
		for _, v := range values {
			for i := range len(v) {
				if b := v[i]; b < ' ' && b != '\t' || b == 0x7f {
					return "header " + name + " has control characters"
				}
			}
		}
	}
	return ""
}

// isToken reports whether s can be a method or the name of a header.
func isToken(s string) bool {
	for i := range len(s) {
		b := s[i]
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
