package klas

import (
	"strings"

	"github.com/providerauth/providerauth-go/internal/hmacsig"
)

// SignatureHeader is the header with the signature of the body, in requests and
// in answers.
const SignatureHeader = "X-Signature"

// Sign returns the signature of body: HMAC-SHA256 under the bytes of secret as
// they are, in lower-case hexadecimal. It covers the bytes sent, so sign the
// marshalled bytes and send exactly these. The result is "" if secret is empty,
// and in FIPS 140-only mode if it is shorter than 14 bytes.
//
// A JSON object with a request_id and without a status_code is a webhook to the
// handlers of this package, whoever signed it.
func Sign(secret string, body []byte) string { return hmacsig.Sign(secret, body) }

// Verify reports whether signature is the signature of body as received: a body
// decoded and encoded again does not verify. It takes hexadecimal digits of
// either case, ignores white space around them and nothing else, and compares
// in constant time. It is false if secret is empty, and in FIPS 140-only mode
// if it is shorter than 14 bytes.
func Verify(secret string, body []byte, signature string) bool {
	return hmacsig.Verify(secret, body, strings.TrimSpace(signature))
}

// signatureOf returns the only signature among the header's values, or the
// broken rule.
func signatureOf(values []string) (signature, rule string) {
	switch len(values) {
	case 0:
		return "", "is missing"
	case 1:
		return strings.TrimSpace(values[0]), ""
	}
	return "", "must be there once"
}
