package merchantauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// A Customer is Kuna's data about a merchant's user. Ids are opaque. It prints as
// its id; the other fields are personal, and only its JSON has them.
type Customer struct {
	ID string `json:"id"`
	// WalletID is the customer's wallet, for operations with money. It may equal
	// ID, or not.
	WalletID    string `json:"walletId,omitempty"`
	Email       string `json:"email,omitempty"`
	PhoneNumber string `json:"phoneNumber,omitempty"`
	FirstName   string `json:"firstName,omitempty"`
	LastName    string `json:"lastName,omitempty"`
	Comment     string `json:"comment,omitempty"`
	// ExternalID is the merchant's own id of the customer.
	ExternalID string `json:"externalId,omitempty"`
	// CreatedAt is when the customer was created; zero if the answer has no usable
	// time.
	CreatedAt time.Time `json:"createdAt,omitzero"`

	raw func() json.RawMessage // a function, so that nothing prints it
}

// Raw returns the customer as Kuna sent it, with members unknown to this package:
// Kuna's page does not show its answers whole. It may hold the number of a
// passport. Nil if the Customer is not from an answer.
func (c Customer) Raw() json.RawMessage {
	if c.raw == nil {
		return nil
	}
	return append(json.RawMessage(nil), c.raw()...)
}

// String names the customer by its id.
func (c Customer) String() string { return "merchantauth.Customer(id " + c.ID + ")" }

// Format prints String, under every verb.
func (c Customer) Format(s fmt.State, _ rune) { fmt.Fprint(s, c.String()) }

// LogValue names the customer by its ids.
func (c Customer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", c.ID), slog.String("wallet_id", c.WalletID))
}

var (
	errCustomer   = errors.New("the customer is not an object with an id")
	errWholeArray = errors.New("data is neither an array nor an object with one array in it")
)

// UnmarshalJSON reads a customer of an answer. Missing and null members, objects
// and arrays become empty. A customer without an id is an error.
func (c *Customer) UnmarshalJSON(b []byte) error {
	var m map[string]json.RawMessage
	if json.Unmarshal(b, &m) != nil {
		return errCustomer
	}
	member := func(name string) string { return text.JSONText(m[name]) }
	read := Customer{
		ID: member("id"), WalletID: member("walletId"), Email: member("email"), PhoneNumber: member("phoneNumber"),
		FirstName: member("firstName"), LastName: member("lastName"), Comment: member("comment"), ExternalID: member("externalId"),
	}
	if read.ID == "" {
		return errCustomer
	}
	if at, err := time.Parse(time.RFC3339, member("createdAt")); err == nil {
		read.CreatedAt = at
	}
	raw := append(json.RawMessage(nil), b...)
	read.raw = func() json.RawMessage { return raw }
	*c = read
	return nil
}

// CustomerDetails returns the customer with the given id (POST
// /v2/customer/details). The call is repeated where repeating helps. An answer
// without a customer matches [providerauth.ErrBadResponse]. Kuna may refuse the
// call for a suspended customer: its page says both yes and no.
//
// The page is https://docs.kunacore.io/docs/details-of-customer.
func (c *Client) CustomerDetails(ctx context.Context, id string) (Customer, error) {
	const op = "CustomerDetails"
	var p check.Problems
	p.Require("id", id)
	if err := invalid(op, p); err != nil {
		return Customer{}, err
	}
	resp, err := c.do(ctx, transport.Call{
		Op: op, Method: http.MethodPost, Path: "/v2/customer/details", Policy: transport.Safe,
		In: struct {
			ID string `json:"id"`
		}{id},
	})
	if err != nil {
		return Customer{}, err
	}
	var found Customer
	if err := envelopeOf(resp).open(&found); err != nil {
		return Customer{}, fail(op, resp.Unusable(err))
	}
	return found, nil
}

// A CustomerQuery selects the customers matching all set fields. At least one field
// beside Take and Skip must be set; CreatedFrom alone, for example, finds all
// customers of a period. A CustomerQuery prints without its values; they are in its
// JSON.
type CustomerQuery struct {
	Email      string
	ExternalID string // the merchant's own id
	WalletID   string
	// PhoneNumber is the number given at the customer's creation.
	PhoneNumber string
	// FullName is the first and the last name with a space between.
	FullName   string
	Comment    string
	ReferralID string // the id of the customer who referred them

	// CreatedFrom and CreatedTo bound the time of creation. They are sent in UTC
	// with milliseconds.
	CreatedFrom, CreatedTo time.Time

	// Take is the greatest number of customers to return, Skip the number to leave
	// out first. 0 leaves both to Kuna, which documents no defaults.
	Take, Skip int
}

// Format prints no values: they are personal.
func (q CustomerQuery) Format(s fmt.State, _ rune) { fmt.Fprint(s, "merchantauth.CustomerQuery(...)") }

// LogValue shows no values: they are personal.
func (q CustomerQuery) LogValue() slog.Value {
	return slog.StringValue("merchantauth.CustomerQuery(...)")
}

type queryBody struct {
	Email       string `json:"email,omitempty"`
	WalletID    string `json:"walletId,omitempty"`
	PhoneNumber string `json:"phoneNumber,omitempty"`
	FullName    string `json:"fullName,omitempty"`
	Comment     string `json:"comment,omitempty"`
	ExternalID  string `json:"externalId,omitempty"`
	ReferralID  string `json:"referralId,omitempty"`
	CreatedFrom string `json:"createdFrom,omitempty"`
	CreatedTo   string `json:"createdTo,omitempty"`
	Take        int    `json:"take,omitempty"`
	Skip        int    `json:"skip,omitempty"`
}

func (q CustomerQuery) body() queryBody {
	return queryBody{
		Email: q.Email, WalletID: q.WalletID, PhoneNumber: q.PhoneNumber, FullName: q.FullName,
		Comment: q.Comment, ExternalID: q.ExternalID, ReferralID: q.ReferralID,
		CreatedFrom: isoTime(q.CreatedFrom), CreatedTo: isoTime(q.CreatedTo), Take: q.Take, Skip: q.Skip,
	}
}

// isoTime writes a time as JavaScript does; "" for the zero time.
func isoTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func (q CustomerQuery) check(p *check.Problems) {
	p.Optional("Email", q.Email)
	p.Optional("ExternalID", q.ExternalID)
	p.Optional("WalletID", q.WalletID)
	p.Optional("PhoneNumber", q.PhoneNumber)
	p.Optional("FullName", q.FullName)
	checkText(p, "Comment", q.Comment)
	p.Optional("ReferralID", q.ReferralID)
	checkYear(p, "CreatedFrom", q.CreatedFrom)
	checkYear(p, "CreatedTo", q.CreatedTo)
	p.Count("Take", q.Take)
	p.Count("Skip", q.Skip)
	q.Take, q.Skip = 0, 0
	if q == (CustomerQuery{}) {
		p.Add("CustomerQuery", "must say whom to find: Kuna would return every customer")
	}
}

func checkYear(p *check.Problems, field string, t time.Time) {
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		p.Add(field, "must be in the years 1 to 9999")
	}
}

// FindCustomers returns the customers matching the query (POST /v2/customer/find),
// or an empty slice. The call is repeated where repeating helps.
//
// If the error of a CreateCustomer is Ambiguous, look for the customer here by the
// ExternalID or the Email of the request.
//
// Kuna's page does not show the answer. FindCustomers accepts an array, or an
// object with exactly one array as a member; anything else matches
// [providerauth.ErrBadResponse].
//
// The page is https://docs.kunacore.io/docs/search-of-customers.
func (c *Client) FindCustomers(ctx context.Context, query CustomerQuery) ([]Customer, error) {
	const op = "FindCustomers"
	var p check.Problems
	query.check(&p)
	if err := invalid(op, p); err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, transport.Call{
		Op: op, Method: http.MethodPost, Path: "/v2/customer/find", Policy: transport.Safe, In: query.body(),
	})
	if err != nil {
		return nil, err
	}
	found, err := envelopeOf(resp).customers()
	if err != nil {
		return nil, fail(op, resp.Unusable(err))
	}
	return found, nil
}

// customers reads the answer to FindCustomers.
func (e *envelope) customers() ([]Customer, error) {
	var data json.RawMessage
	if err := e.open(&data); err != nil {
		return nil, err
	}
	list, err := array(data)
	if err != nil {
		return nil, err
	}
	found := []Customer{}
	if err := transport.Unmarshal(list, &found); err != nil {
		return nil, err
	}
	return found, nil
}

// array returns data if it is an array, or the only array among its members.
func array(data json.RawMessage) (list json.RawMessage, err error) {
	if data[0] == '[' {
		return data, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return nil, errWholeArray
	}
	for _, m := range members {
		if m[0] != '[' {
			continue
		}
		if list != nil {
			return nil, errWholeArray
		}
		list = m
	}
	if list == nil {
		return nil, errWholeArray
	}
	return list, nil
}
