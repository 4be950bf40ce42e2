package assetpay

import (
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/providerauth/providerauth-go/internal/check"
)

// ClientData is the merchant's knowledge of a user. AssetPay's risk model uses it
// to decide how much of an instant deposit is covered by collateral: most with
// deposits of both kinds and a KYCLevel of 3. Each exchange replaces AssetPay's
// data about the user, so pass complete and current data every time. The zero value
// of a field is AssetPay's default, and an empty ClientData resets the user to the
// defaults.
//
// A token holds its client data readable: everybody with the token, such as the
// user's browser, can read the wager and the hash.
//
// Every change causes an exchange, and an unverified merchant has 100 exchanges an
// hour for all users together. A value changing with each bet would make each call
// an exchange. Round it, or mint locally ([MintLocal]).
type ClientData struct {
	// TotalWager is the sum of the user's wagers with the merchant, in US dollars:
	// finite, 0 or more.
	TotalWager float64
	// KYCLevel is how far the merchant has verified the user: 0 or more, by
	// AssetPay's page up to 3.
	KYCLevel int
	// FiatDeposits and CryptoDeposits say whether the user has made deposits
	// of the kind.
	FiatDeposits, CryptoDeposits bool
	// RegistrationDate is when the user signed up with the merchant, in the
	// years 1 to 9999. It is sent in UTC as RFC 3339 with milliseconds; finer
	// differences do not count. Optional.
	RegistrationDate time.Time
	// KYCHash is the merchant's hash of the user's identity, by which AssetPay
	// finds several Steam accounts of the same person. At most 512 characters.
	// Optional.
	KYCHash string
}

// canonical returns d with positive zeros, and its times in UTC, cut to
// milliseconds and without a monotonic reading. Client data which AssetPay cannot
// tell apart is then equal by ==.
func (d ClientData) canonical() ClientData {
	if d.TotalWager == 0 {
		d.TotalWager = 0 // there is a negative zero, too
	}
	d.RegistrationDate = d.RegistrationDate.UTC().Truncate(time.Millisecond)
	return d
}

func (d *ClientData) check(p *check.Problems) {
	switch {
	case math.IsNaN(d.TotalWager) || math.IsInf(d.TotalWager, 0):
		p.Add("ClientData.TotalWager", "must be a finite number")
	case d.TotalWager < 0:
		p.Add("ClientData.TotalWager", "must not be negative")
	}
	p.Count("ClientData.KYCLevel", d.KYCLevel)
	if year := d.RegistrationDate.UTC().Year(); year < 1 || year > 9999 {
		p.Add("ClientData.RegistrationDate", "must be in the years 1 to 9999")
	}
	p.Optional("ClientData.KYCHash", d.KYCHash)
	p.AtMost(512, "ClientData.KYCHash", d.KYCHash)
}

// clientData is ClientData as AssetPay writes it, in the order of its page. It is
// read member by member: an unreadable member does not hide the others.
type clientData struct {
	TotalWager       float64 `json:"totalWager"`
	KYCLevel         int     `json:"kycLevel"`
	FiatDeposits     bool    `json:"fiatDeposits"`
	CryptoDeposits   bool    `json:"cryptoDeposits"`
	RegistrationDate isoTime `json:"registrationDate,omitzero"`
	KYCHash          string  `json:"kycHash,omitempty"`

	object     bool     // read from a JSON object
	unreadable []string // paths of the members left out
}

func (d ClientData) wire() *clientData {
	return &clientData{
		TotalWager: d.TotalWager, KYCLevel: d.KYCLevel,
		FiatDeposits: d.FiatDeposits, CryptoDeposits: d.CryptoDeposits,
		RegistrationDate: isoTime{d.RegistrationDate}, KYCHash: d.KYCHash,
	}
}

// data returns nil if the client data is no object.
func (d *clientData) data() *ClientData {
	if !d.object {
		return nil
	}
	return &ClientData{
		TotalWager: d.TotalWager, KYCLevel: d.KYCLevel,
		FiatDeposits: d.FiatDeposits, CryptoDeposits: d.CryptoDeposits,
		RegistrationDate: d.RegistrationDate.Time, KYCHash: d.KYCHash,
	}
}

// UnmarshalJSON never fails. It reads members by their exact names.
func (d *clientData) UnmarshalJSON(b []byte) error {
	const path = "client.clientData"
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil {
		d.unreadable = []string{path}
		return nil
	}
	d.object = true
	for _, member := range []struct {
		name string
		read func(json.RawMessage) error
	}{
		{"totalWager", into(&d.TotalWager)},
		{"kycLevel", d.readLevel},
		{"fiatDeposits", into(&d.FiatDeposits)},
		{"cryptoDeposits", into(&d.CryptoDeposits)},
		{"registrationDate", into(&d.RegistrationDate)},
		{"kycHash", into(&d.KYCHash)},
	} {
		raw, ok := members[member.name]
		if ok && member.read(raw) != nil {
			d.unreadable = append(d.unreadable, path+"."+member.name)
		}
	}
	return nil
}

// into returns a function to decode into v, which sets v only on success.
func into[T any](v *T) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var read T
		err := json.Unmarshal(raw, &read)
		if err == nil {
			*v = read
		}
		return err
	}
}

var errLevel = errors.New("kycLevel is not an integer")

// readLevel takes 2.0 for 2, as JSON does.
func (d *clientData) readLevel(raw json.RawMessage) error {
	var n float64
	err := json.Unmarshal(raw, &n)
	switch {
	case err != nil:
		return err
	case n != math.Trunc(n) || math.Abs(n) > math.MaxInt32:
		return errLevel
	}
	d.KYCLevel = int(n)
	return nil
}

// isoTime is written in UTC with milliseconds, as JavaScript does, and read in
// any form of RFC 3339, or as a date alone.
type isoTime struct{ time.Time }

var errDate = errors.New("registrationDate is not a date")

func (t isoTime) MarshalJSON() ([]byte, error) {
	return []byte(t.UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

func (t *isoTime) UnmarshalJSON(b []byte) error {
	s := string(b)
	if s == "null" {
		return nil
	}
	for _, layout := range []string{`"` + time.RFC3339 + `"`, `"` + time.DateOnly + `"`} {
		if at, err := time.Parse(layout, s); err == nil {
			t.Time = at.UTC()
			return nil
		}
	}
	return errDate
}
