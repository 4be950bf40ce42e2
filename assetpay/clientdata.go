package assetpay

import (
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/providerauth/providerauth-go/internal/check"
)

// ClientData is what the merchant knows of a user. AssetPay's risk model
// decides by it how much of an instant deposit is covered by collateral: best
// with deposits of both kinds and a KYCLevel of 3. Each exchange replaces what
// AssetPay holds of the user, so pass all of it, as it is now, every time. The
// zero value of a field is AssetPay's default, and an empty ClientData resets
// the user to it.
//
// A token holds its client data readable: whoever is given the token, be it
// the user's browser, can read the wager and the hash.
//
// Every change is an exchange of its own, and an unverified merchant has 100
// of them an hour for all users together. A value that moves with each bet
// would make each call one. Round it, or mint locally ([MintLocal]).
type ClientData struct {
	// TotalWager is what the user has wagered with the merchant, in US
	// dollars: finite, 0 or more.
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
	// KYCHash is a hash of the user's identity, computed by the merchant, by
	// which AssetPay finds several Steam accounts of one person. At most 512
	// characters. Optional.
	KYCHash string
}

// canonical returns d in the form in which two that are the same to AssetPay
// are equal by ==: with positive zeros, and times in UTC cut to milliseconds,
// without a monotonic reading.
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
// read member by member, so that a member in another form costs no other.
type clientData struct {
	TotalWager       float64 `json:"totalWager"`
	KYCLevel         int     `json:"kycLevel"`
	FiatDeposits     bool    `json:"fiatDeposits"`
	CryptoDeposits   bool    `json:"cryptoDeposits"`
	RegistrationDate isoTime `json:"registrationDate,omitzero"`
	KYCHash          string  `json:"kycHash,omitempty"`

	object     bool     // as it was read
	unreadable []string // paths of the members that were left out
}

func (d ClientData) wire() *clientData {
	return &clientData{
		TotalWager: d.TotalWager, KYCLevel: d.KYCLevel,
		FiatDeposits: d.FiatDeposits, CryptoDeposits: d.CryptoDeposits,
		RegistrationDate: isoTime{d.RegistrationDate}, KYCHash: d.KYCHash,
	}
}

// data returns nil for client data that is no object.
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

// UnmarshalJSON never fails. It goes by the exact names of the members.
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

// into returns a function that decodes into v, and sets v only if that succeeds.
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
