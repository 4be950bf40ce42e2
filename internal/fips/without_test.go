//go:build go1.26

package fips_test

import (
	"crypto/fips140"
	"testing"

	"github.com/providerauth/providerauth-go/internal/fips"
)

func TestHMACKey_WithoutEnforcement(t *testing.T) {
	t.Run("each goroutine has its own result", func(t *testing.T) {
		inMode(t, "fips140=only", func(t *testing.T) {
			before := fips.HMACKey("k")
			fips140.WithoutEnforcement(func() {
				if rule := fips.HMACKey("k"); rule != "" {
					t.Errorf("without enforcement: %q", rule)
				}
			})
			if after := fips.HMACKey("k"); before == "" || after == "" {
				t.Errorf("with enforcement: %q before, %q after", before, after)
			}
		})
	})
}
