package consumer

import (
	"context"
	"errors"
	"net/http"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/partnerjwt"
)

// A Desk is a part of an operator's program with several providers. It states
// its needs as interfaces: the clients of the SDK fit, and so do fakes.
type Desk struct {
	Broker interface {
		Portfolio(ctx context.Context) ([]partnerjwt.Holding, error)
	}
	Items interface {
		CallFor(ctx context.Context, user assetpay.User, method, path string, in, out any) error
	}
}

// An Item is a user's item, with the fields of interest to the desk.
type Item struct {
	Name string `json:"name"`
}

// Holdings returns the broker's positions.
func (d *Desk) Holdings(ctx context.Context) ([]partnerjwt.Holding, error) {
	var held []partnerjwt.Holding
	err := again(ctx, func() (err error) {
		held, err = d.Broker.Portfolio(ctx)
		return err
	})
	return held, err
}

// Inventory returns the user's items.
func (d *Desk) Inventory(ctx context.Context, user assetpay.User) ([]Item, error) {
	var items []Item
	err := again(ctx, func() error {
		return d.Items.CallFor(ctx, user, http.MethodGet, "/client/inventory", nil, &items)
	})
	return items, err
}

// again makes a call until it succeeds, must not be repeated, or ctx ends. It
// serves every provider: their errors have the same methods.
func again(ctx context.Context, call func() error) error {
	for {
		err := call()
		var e providerauth.Error
		if !errors.As(err, &e) {
			return err
		}
		after, ok := e.Retryable()
		if !ok {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(max(after, time.Second)):
		}
	}
}
