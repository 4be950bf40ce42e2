package assetpay_test

import (
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
)

// BenchmarkFreshToken is what a caller pays for a token that is kept: with the
// request checked each time, and once.
func BenchmarkFreshToken(b *testing.B) {
	c := open(b, assetpay.Config{
		Mint: assetpay.MintLocal, APISecret: providerauth.StaticSecret("test_api_secret"), MerchantID: "merchant-uuid",
	})
	defer c.Close()
	req := with(assetpay.ClientData{TotalWager: 5000, KYCLevel: 2, RegistrationDate: time.Unix(1700000000, 0), KYCHash: "0123456789abcdef"})
	req.ClientID = "user-123"
	s := c.TokenSource(req)
	ctx := b.Context()
	for name, f := range map[string]func() (assetpay.Token, error){
		"Token":       func() (assetpay.Token, error) { return c.Token(ctx, req) },
		"TokenSource": func() (assetpay.Token, error) { return s.Token(ctx) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMint is what a token costs that is not kept.
func BenchmarkMint(b *testing.B) {
	c := open(b, assetpay.Config{
		Mint: assetpay.MintLocal, APISecret: providerauth.StaticSecret("test_api_secret"), MerchantID: "merchant-uuid",
	})
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.MintClientToken(b.Context(), user()); err != nil {
			b.Fatal(err)
		}
	}
}
