package klas_test

import (
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/klas"
)

func TestTheSignatureHeaderIsReadStrictly(t *testing.T) {
	good := sign(secret, compact)
	for _, c := range []struct {
		name   string
		values []string
		want   string
	}{
		{"right", []string{good}, ok},
		{"upper case", []string{strings.ToUpper(good)}, ok},
		{"mixed case", []string{good[:10] + strings.ToUpper(good[10:])}, ok},
		{"white space around", []string{" \t" + good + " \t"}, ok},

		{"missing", nil, integrityFailed},
		{"empty", []string{""}, integrityFailed},
		{"white space", []string{"  "}, integrityFailed},
		{"twice the same", []string{good, good}, integrityFailed},
		{"wrong, then right", []string{strings.Repeat("0", 64), good}, integrityFailed},
		{"right, then wrong", []string{good, strings.Repeat("0", 64)}, integrityFailed},
		{"right, then empty", []string{good, ""}, integrityFailed},
		{"two in one", []string{good + ", " + good}, integrityFailed},
		{"of another secret", []string{sign("other", compact)}, integrityFailed},
		{"of the empty secret", []string{sign("", compact)}, integrityFailed},
		{"of another body", []string{sign(secret, compact+"\n")}, integrityFailed},
		{"one digit short", []string{good[:63]}, integrityFailed},
		{"one digit long", []string{good + "0"}, integrityFailed},
		{"half of it", []string{good[:32]}, integrityFailed},
		{"prefixed", []string{"sha256=" + good}, integrityFailed},
		{"not hexadecimal", []string{"g" + good[1:]}, integrityFailed},
		{"white space inside", []string{good[:32] + " " + good[33:]}, integrityFailed},
		{"zeros", []string{strings.Repeat("0", 64)}, integrityFailed},
		{"very long", []string{strings.Repeat(good, 1000)}, integrityFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var auth klas.Authenticator = unreachable(t)
			if c.want == ok {
				auth = accept(t)
			}
			want(t, send(t, newHook(t).AuthenticateHandler(auth), request(compact, c.values...), secret), c.want)
		})
	}
}

func TestEveryBitOfBodyAndSignatureCounts(t *testing.T) {
	h := newHook(t).AuthenticateHandler(unreachable(t))
	good := sign(secret, compact)
	for i := range len(compact) * 8 {
		b := []byte(compact)
		b[i/8] ^= 1 << (i % 8)
		want(t, send(t, h, request(string(b), good), secret), integrityFailed)
	}
	for i := range good {
		for _, digit := range "0123456789abcdef" {
			s := good[:i] + string(digit) + good[i+1:]
			if got := klas.Verify(secret, []byte(compact), s); got != (s == good) {
				t.Fatalf("digit %d as %c: %v", i, digit, got)
			}
		}
	}
}

func TestTheBodyIsVerifiedBeforeItIsLookedAt(t *testing.T) {
	h := newHook(t).AuthenticateHandler(unreachable(t))
	for _, b := range []string{"", "x", "{}", "\uFEFF{}", compact + "x"} {
		want(t, send(t, h, request(b, sign("other", b)), secret), integrityFailed)
	}
}

func TestSignAndVerifyAreEachOthersInverse(t *testing.T) {
	for _, key := range []string{"k", "test-secret", strings.Repeat("long", 50), "schlüssel", "\x00\x01"} {
		for _, b := range []string{"", "x", compact, strings.Repeat("x", 5000)} {
			s := klas.Sign(key, []byte(b))
			if s != sign(key, b) {
				t.Errorf("Sign(%q, %.10q) = %s", key, b, s)
			}
			if !klas.Verify(key, []byte(b), s) || !klas.Verify(key, []byte(b), "\t"+strings.ToUpper(s)+" ") {
				t.Errorf("Verify(%q, %.10q) is false", key, b)
			}
			if klas.Verify(key+"x", []byte(b), s) || klas.Verify(key, []byte(b+"x"), s) {
				t.Errorf("Verify(%q, %.10q) is true for another secret or body", key, b)
			}
		}
	}
}

func TestTheEmptySecretIsNoSecret(t *testing.T) {
	if got := klas.Sign("", []byte(compact)); got != "" {
		t.Errorf("Sign gives %q", got)
	}
	if klas.Verify("", []byte(compact), sign("", compact)) {
		t.Error("anybody can sign")
	}
}
