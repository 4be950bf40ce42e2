package merchantauth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// A CreateCustomerRequest describes a user of the merchant, already identified
// (KYC). It prints without its values; they are in its JSON.
type CreateCustomerRequest struct {
	// Email is unique among the merchant's customers. Required.
	Email string
	// FirstName and LastName of the customer. Required.
	FirstName, LastName string
	// Country is the two letters of ISO 3166-1, such as "FR". Required.
	Country string
	// VerificationDocumentID is the number of the passport, licence or other
	// document of the customer's identification. Required.
	VerificationDocumentID string
	// ResidenceAddress is the customer's address, in free text. Required.
	ResidenceAddress string

	// PhoneNumber of the customer. Optional.
	PhoneNumber string
	// Comment is free text. Optional.
	Comment string
	// ExternalID is the merchant's own id of the customer, of any form. Required by
	// [Client.EnsureCustomer]. Otherwise optional, but useful: it finds the customer
	// after an ambiguous creation.
	ExternalID string
	// ReferralID is the id of the customer who referred this customer, if there is
	// a referral programme. Optional.
	ReferralID string
	// ITN is the customer's taxpayer number. Optional.
	ITN string
}

// Format prints no values: they are personal.
func (r CreateCustomerRequest) Format(s fmt.State, _ rune) {
	fmt.Fprint(s, "merchantauth.CreateCustomerRequest(...)")
}

// LogValue shows no values: they are personal.
func (r CreateCustomerRequest) LogValue() slog.Value {
	return slog.StringValue("merchantauth.CreateCustomerRequest(...)")
}

// createBody has the members in the order of Kuna's page.
type createBody struct {
	Email                  string `json:"email"`
	PhoneNumber            string `json:"phoneNumber,omitempty"`
	FirstName              string `json:"firstName"`
	LastName               string `json:"lastName"`
	Comment                string `json:"comment,omitempty"`
	ExternalID             string `json:"externalId,omitempty"`
	ReferralID             string `json:"referralId,omitempty"`
	Country                string `json:"country"`
	VerificationDocumentID string `json:"verificationDocumentId"`
	ResidenceAddress       string `json:"residenceAddress"`
	ITN                    string `json:"itn,omitempty"`
}

func (r CreateCustomerRequest) body() createBody {
	return createBody{
		Email: r.Email, PhoneNumber: r.PhoneNumber, FirstName: r.FirstName, LastName: r.LastName,
		Comment: r.Comment, ExternalID: r.ExternalID, ReferralID: r.ReferralID, Country: r.Country,
		VerificationDocumentID: r.VerificationDocumentID, ResidenceAddress: r.ResidenceAddress, ITN: r.ITN,
	}
}

func (r CreateCustomerRequest) check(p *check.Problems) {
	p.Require("Email", r.Email)
	p.Require("FirstName", r.FirstName)
	p.Require("LastName", r.LastName)
	if len(r.Country) != 2 || !letter(r.Country[0]) || !letter(r.Country[1]) {
		p.Add("Country", `required: the two letters of ISO 3166-1, such as "FR"`)
	}
	p.Require("VerificationDocumentID", r.VerificationDocumentID)
	if strings.TrimSpace(r.ResidenceAddress) == "" {
		p.Add("ResidenceAddress", "required")
	}
	checkText(p, "ResidenceAddress", r.ResidenceAddress)
	p.Optional("PhoneNumber", r.PhoneNumber)
	checkText(p, "Comment", r.Comment)
	p.Optional("ExternalID", r.ExternalID)
	p.Optional("ReferralID", r.ReferralID)
	p.Optional("ITN", r.ITN)
}

func letter(c byte) bool { return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' }

// checkText checks free text, which may have several lines.
func checkText(p *check.Problems, field, value string) {
	if !utf8.ValidString(value) {
		p.Add(field, "must be valid UTF-8")
	}
}

// CreateCustomer creates a customer and, with it, a wallet (POST
// /v2/customer/create). Empty optional fields are left out.
//
// The call is repeated only if nothing was sent, on a 429 with Retry-After, and
// once after a rejection of the access token. If the error is Ambiguous, the
// customer may exist, and the id was in the missing answer: look by
// [Client.FindCustomers], with the ExternalID or the Email, before creating the
// customer again. [Client.EnsureCustomer] does so. Kuna should refuse a second
// creation with the same Email, but does not document the code.
//
// The page is https://docs.kunacore.io/docs/add-customer.
func (c *Client) CreateCustomer(ctx context.Context, req CreateCustomerRequest) (Customer, error) {
	const op = "CreateCustomer"
	var p check.Problems
	req.check(&p)
	if err := invalid(op, p); err != nil {
		return Customer{}, err
	}
	resp, err := c.do(ctx, transport.Call{
		Op: op, Method: http.MethodPost, Path: "/v2/customer/create", Policy: transport.Once, In: req.body(),
	})
	if err != nil {
		return Customer{}, err
	}
	var created Customer
	if err := envelopeOf(resp).open(&created); err != nil {
		return Customer{}, fail(op, resp.Unusable(err))
	}
	return created, nil
}
