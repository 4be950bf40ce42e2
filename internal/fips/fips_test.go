package fips_test

import (
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// inMode runs f in a process whose GODEBUG has this setting: the mode cannot be
// changed after the start.
func inMode(t *testing.T, setting string, f func(t *testing.T)) {
	t.Helper()
	if testkit.InProcess(t, setting) {
		f(t)
	}
}

func TestHMACKey(t *testing.T) {
	t.Run("outside FIPS mode every key can be used", func(t *testing.T) {
		for n := range 40 {
			if rule := fips.HMACKey(strings.Repeat("k", n)); rule != "" {
				t.Errorf("%d bytes: %q", n, rule)
			}
		}
	})
	t.Run("in FIPS mode every key can be used", func(t *testing.T) {
		inMode(t, "fips140=on", func(t *testing.T) {
			if rule := fips.HMACKey("k"); rule != "" {
				t.Errorf("1 byte: %q", rule)
			}
		})
	})
	t.Run("in FIPS 140-only mode a key has at least 112 bits", func(t *testing.T) {
		inMode(t, "fips140=only", func(t *testing.T) {
			for n := range 40 {
				want := ""
				if n < 14 {
					want = "must have at least 14 bytes in FIPS 140-only mode"
				}
				if rule := fips.HMACKey(strings.Repeat("k", n)); rule != want {
					t.Errorf("%d bytes: %q, want %q", n, rule, want)
				}
			}
		})
	})
}

func TestMD5(t *testing.T) {
	t.Run("outside FIPS mode it can be used", func(t *testing.T) {
		if rule := fips.MD5(); rule != "" {
			t.Errorf("%q", rule)
		}
	})
	t.Run("in FIPS mode it can be used", func(t *testing.T) {
		inMode(t, "fips140=on", func(t *testing.T) {
			if rule := fips.MD5(); rule != "" {
				t.Errorf("%q", rule)
			}
		})
	})
	t.Run("in FIPS 140-only mode it is not allowed", func(t *testing.T) {
		inMode(t, "fips140=only", func(t *testing.T) {
			if got, want := fips.MD5(), "MD5 is not allowed in FIPS 140-only mode"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	})
}
