package partnerjwt_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

var (
	provider = testkit.NewProvider(partnerjwttest.NewServer, partnerjwt.New)
	open     = provider.Open
	errorIs  = testkit.ErrorIs[*partnerjwt.Error]
)

// bubble runs f with a server and a client of it in simulated time.
func bubble(t *testing.T, f func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client), change ...func(*partnerjwt.Config)) {
	t.Helper()
	provider.Bubble(t, partnerjwttest.Options{}, f, change...)
}

func portfolio(t *testing.T, c *partnerjwt.Client) {
	t.Helper()
	h, err := c.Portfolio(t.Context())
	if err != nil {
		t.Fatalf("Portfolio: %v", err)
	}
	if len(h) != 2 {
		t.Fatalf("%d holdings, want 2", len(h))
	}
}

func trade(ctx context.Context, c *partnerjwt.Client) error {
	order := map[string]any{"ticker": "AAPL", "orderSide": "BUY", "amount": 10}
	return c.Call(ctx, http.MethodPost, "/trade", order, nil)
}
