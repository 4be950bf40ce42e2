package partnerjwt

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// A Holding is one position of the portfolio.
type Holding struct {
	Ticker               string              `json:"ticker"`
	Quantity             providerauth.Number `json:"quantity"`             // shares
	AveragePurchasePrice providerauth.Number `json:"averagePurchasePrice"` // US dollars a share
}

// Portfolio returns the current holdings (GET /portfolio), exactly as PiTrade
// states them; an empty portfolio, null included, is an empty slice. It is
// repeated where that helps. An answer that is not an array of holdings with
// all three members matches [providerauth.ErrBadResponse].
//
// The page is https://support.pitrade.com/partner-apis/portfolio.
func (c *Client) Portfolio(ctx context.Context) ([]Holding, error) {
	holdings := []Holding{}
	err := c.do(ctx, transport.Call{
		Op: "Portfolio", Method: http.MethodGet, Path: "/portfolio", Policy: transport.Safe,
		Decode: func(r *transport.Response) error {
			var got []Holding
			if err := transport.Unmarshal(r.Body, &got); err != nil {
				return err
			}
			for i, h := range got {
				if h.Ticker == "" || !h.Quantity.IsSet() || !h.AveragePurchasePrice.IsSet() {
					return fmt.Errorf("holding %d: %w", i, errIncomplete)
				}
			}
			holdings = append(holdings, got...)
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return holdings, nil
}

var errIncomplete = errors.New("ticker, quantity or averagePurchasePrice is missing")
