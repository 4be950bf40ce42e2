package testkit

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
)

// Equal fails the test if got and want differ.
func Equal[V any](t testing.TB, what string, got, want V) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Contains fails the test unless the text contains every part.
func Contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in: %s", part, text)
		}
	}
}

// ErrorIs fails the test unless err matches every target. It returns the error
// of type E in err's chain, and stops the test if there is none.
func ErrorIs[E error](t testing.TB, err error, targets ...error) E {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("got %v, want %v", err, target)
		}
	}
	var e E
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want %T", err, err, e)
	}
	return e
}

// ParseAmount returns the amount of a text. It stops the test for any other
// text.
func ParseAmount(t testing.TB, s string) providerauth.Amount {
	t.Helper()
	a, err := providerauth.ParseAmount(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
