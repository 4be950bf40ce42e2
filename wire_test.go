package providerauth_test

import (
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestMain(m *testing.M) { testkit.GoldenMain(m) }

func TestWire_Amount(t *testing.T) {
	testkit.Golden(t, "amount", testkit.AmountSheet("Amount", providerauth.ParseAmount, providerauth.AmountFromMinor))
}

func TestWire_Number(t *testing.T) {
	minor := func(units int64, decimals uint8) (providerauth.Number, error) {
		a, err := providerauth.AmountFromMinor(units, decimals)
		return providerauth.Number{Amount: a}, err
	}
	testkit.Golden(t, "number", testkit.AmountSheet("Number", testkit.ParseNumber, minor))
}
