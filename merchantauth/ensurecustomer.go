package merchantauth

import (
	"context"
	"errors"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
)

// settling are the waits before the searches after an ambiguous creation: Kuna may
// still act.
var settling = [...]time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second}

// settled is the sum of settling.
const settled = 30 * time.Second

const (
	taken   = "belongs to a customer with another Email"
	several = "belongs to several customers"
)

// EnsureCustomer returns the customer with the ExternalID and the Email of req, and
// creates the customer first if there is none. req.ExternalID is required; without
// it nothing is sent, and the error matches [providerauth.ErrInvalidRequest].
//
// It looks the customer up by [Client.FindCustomers], and makes at most one
// [Client.CreateCustomer] if it finds none. Then
//
//   - after a success it returns the new customer;
//   - after an Ambiguous error it looks the customer up at once and 1, 3, 7, 15 and
//     30 seconds later, and returns the customer as soon as it is found. If it is
//     not found, or the searches fail permanently, it returns the error of the
//     creation, which stays Ambiguous. It does not create the customer again;
//   - after a refusal by Kuna, but of the credential, it looks once: another process
//     may have created the customer in the meantime. If there is none, it returns
//     the refusal;
//   - after any other error it returns the error.
//
// After any error EnsureCustomer may be called again, because it looks first; after
// an Ambiguous error do so minutes later. Kuna does not say how long it may act on
// a request whose answer was lost, nor that an ExternalID is unique. Calls at the
// same time for one customer rely on Kuna's refusal of a second customer with the
// same Email.
//
// If a customer with the ExternalID has another Email, or several have the
// ExternalID, nothing is created. The error then matches
// [providerauth.ErrInvalidRequest], and its Fields name ExternalID. The case of an
// Email does not matter. Other fields of req are not compared: a customer who exists
// is returned unchanged, with the fields that Kuna's search shows.
//
// ctx bounds all of it. If it has a deadline, the creation ends earlier by 30
// seconds, or by half of the time left if that is less, to leave time for searches.
//
// The Op of an error is CreateCustomer or FindCustomers, whichever failed, or else
// EnsureCustomer.
func (c *Client) EnsureCustomer(ctx context.Context, req CreateCustomerRequest) (Customer, error) {
	const op = "EnsureCustomer"
	if ctx == nil {
		return Customer{}, nilContext(op)
	}
	var p check.Problems
	req.check(&p)
	p.Require("ExternalID", req.ExternalID)
	if err := invalid(op, p); err != nil {
		return Customer{}, err
	}
	if found, ok, err := c.existing(ctx, req); ok || err != nil {
		return found, err
	}
	created, err := c.createEarly(ctx, req)
	var e *Error
	if !errors.As(err, &e) {
		return created, err
	}
	switch {
	case e.Ambiguous():
		return c.settle(ctx, req, e)
	case refuses(e.StatusCode, e.Entries) && !e.Is(providerauth.ErrUnauthorized):
		if found, ok, _ := c.existing(ctx, req); ok {
			return found, nil
		}
	}
	return Customer{}, e
}

// createEarly creates the customer, and leaves time for searches before the
// deadline of ctx.
func (c *Client) createEarly(ctx context.Context, req CreateCustomerRequest) (Customer, error) {
	if deadline, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(settled, time.Until(deadline)/2)))
		defer cancel()
	}
	return c.CreateCustomer(ctx, req)
}

// settle looks for the customer after a creation with the ambiguous error lost.
func (c *Client) settle(ctx context.Context, req CreateCustomerRequest, lost *Error) (Customer, error) {
	for _, wait := range settling {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Customer{}, lost
		}
		found, ok, err := c.existing(ctx, req)
		if ok {
			return found, nil
		}
		var e *Error
		if errors.As(err, &e) {
			if _, again := e.Retryable(); !again {
				return Customer{}, lost
			}
		}
	}
	return Customer{}, lost
}

// existing returns the customer with the ExternalID and the Email of req, if there
// is one.
func (c *Client) existing(ctx context.Context, req CreateCustomerRequest) (found Customer, ok bool, err error) {
	all, err := c.FindCustomers(ctx, CustomerQuery{ExternalID: req.ExternalID})
	if err != nil {
		return Customer{}, false, err
	}
	for _, candidate := range all {
		exact := candidate.ExternalID == req.ExternalID
		switch {
		case !exact && candidate.ExternalID != "": // Kuna may search for a part of it
		case !strings.EqualFold(candidate.Email, req.Email) && (candidate.Email != "" || !exact):
			return Customer{}, false, badExternalID(taken)
		case ok:
			return Customer{}, false, badExternalID(several)
		default:
			found, ok = candidate, true
		}
	}
	return found, ok, nil
}

func badExternalID(rule string) error {
	return &Error{Op: "EnsureCustomer", Fields: map[string]string{"ExternalID": rule}}
}
