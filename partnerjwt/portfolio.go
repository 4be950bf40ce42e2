package partnerjwt

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// A Holding is a position of the portfolio.
type Holding struct {
	Ticker               string              `json:"ticker"`
	Quantity             providerauth.Number `json:"quantity"`             // shares
	AveragePurchasePrice providerauth.Number `json:"averagePurchasePrice"` // US dollars a share
}

// Portfolio returns the current holdings (GET /portfolio), exactly as PiTrade
// states them; an empty portfolio, null included, is an empty slice. The call
// is repeated where useful. Any answer but an array of holdings with all three
// members matches [providerauth.ErrBadResponse].
//
// The page is https://support.pitrade.com/partner-apis/portfolio.
func (c *Client) Portfolio(ctx context.Context) ([]Holding, error) {
	const op = "Portfolio"
	if ctx == nil {
		return nil, nilContext(op)
	}
	resp, err := c.session.Do(ctx, c.partner(), transport.Call{Op: op, Method: http.MethodGet, Path: "/portfolio", Policy: transport.Safe})
	if err != nil {
		return nil, fail(op, err)
	}
	holdings, err := readHoldings(resp.Body)
	if err != nil {
		return nil, fail(op, resp.Unusable(err))
	}
	return holdings, nil
}

func readHoldings(body []byte) ([]Holding, error) {
	var holdings []Holding
	if err := transport.Unmarshal(body, &holdings); err != nil {
		return nil, err
	}
	for i, h := range holdings {
		if h.Ticker == "" || !h.Quantity.IsSet() || !h.AveragePurchasePrice.IsSet() {
			return nil, fmt.Errorf("holding %d: %w", i, errIncomplete)
		}
	}
	if holdings == nil {
		holdings = []Holding{} // null
	}
	return holdings, nil
}

var errIncomplete = errors.New("ticker, quantity or averagePurchasePrice is missing")
