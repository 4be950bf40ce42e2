package merchantauthtest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// A customer has the members of create, and the members added by Kuna.
type customer struct {
	ID       string `json:"id"`
	WalletID string `json:"walletId"`
	details
	CreatedAt string `json:"createdAt"`
	Status    string `json:"status"`
}

type details struct {
	Email                  string  `json:"email"`
	PhoneNumber            string  `json:"phoneNumber"`
	FirstName              string  `json:"firstName"`
	LastName               string  `json:"lastName"`
	Comment                *string `json:"comment"` // null if there is none
	ExternalID             string  `json:"externalId"`
	ReferralID             string  `json:"referralId"`
	Country                string  `json:"country"`
	VerificationDocumentID string  `json:"verificationDocumentId"`
	ResidenceAddress       string  `json:"residenceAddress"`
	ITN                    string  `json:"itn"`
}

const isoTime = "2006-01-02T15:04:05.000Z"

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var d details
	if f := read(r, &d); f != nil {
		f.write(w)
		return
	}
	if slices.Contains([]string{d.Email, d.FirstName, d.LastName, d.VerificationDocumentID, d.ResidenceAddress}, "") || len(d.Country) != 2 {
		errRequest("a required field is missing").write(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.customers, func(c customer) bool { return c.Email == d.Email }) {
		(&failure{http.StatusConflict, "CUSTOMER_EXISTS", "email must be unique"}).write(w)
		return
	}
	n := len(s.customers) + 1
	c := customer{
		// The ids on Kuna's pages are not all hexadecimal either.
		ID: fmt.Sprintf("cust-%04d-xyz", n), WalletID: fmt.Sprintf("wallet-%04d-uvw", n),
		details: d, CreatedAt: s.sim.Now().UTC().Format(isoTime), Status: "Active",
	}
	s.customers = append(s.customers, c)
	WriteData(w, s.opt.Status, c)
}

func (s *Server) details(w http.ResponseWriter, r *http.Request) {
	var body struct{ ID string }
	if f := read(r, &body); f != nil {
		f.write(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.customers {
		if c.ID == body.ID {
			WriteData(w, s.opt.Status, c)
			return
		}
	}
	(&failure{http.StatusNotFound, "CUSTOMER_NOT_FOUND", "no customer with this id"}).write(w)
}

func (s *Server) find(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Email, WalletID, PhoneNumber, FullName, Comment, ExternalID, ReferralID string
		CreatedFrom, CreatedTo                                                  string
		Take, Skip                                                              int
	}
	if f := read(r, &q); f != nil {
		f.write(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []customer{}
	for _, c := range s.customers {
		comment := ""
		if c.Comment != nil {
			comment = *c.Comment
		}
		if is(q.Email, c.Email) && is(q.WalletID, c.WalletID) && is(q.PhoneNumber, c.PhoneNumber) &&
			is(q.FullName, c.FirstName+" "+c.LastName) && is(q.Comment, comment) && is(q.ExternalID, c.ExternalID) &&
			is(q.ReferralID, c.ReferralID) && !before(c.CreatedAt, q.CreatedFrom) && !before(q.CreatedTo, c.CreatedAt) {
			found = append(found, c)
		}
	}
	found = found[min(max(q.Skip, 0), len(found)):]
	found = found[:min(cmp.Or(max(q.Take, 0), 100), len(found))]
	if s.opt.WrapFound {
		WriteData(w, s.opt.Status, map[string]any{"items": found, "total": len(found)})
		return
	}
	WriteData(w, s.opt.Status, found)
}

// is reports whether a customer has the value asked for; "" matches any.
func is(asked, has string) bool { return asked == "" || asked == has }

// before compares two times of the API. A missing or invalid time is before and
// after nothing.
func before(a, b string) bool {
	at, errA := time.Parse(time.RFC3339, a)
	bt, errB := time.Parse(time.RFC3339, b)
	return errA == nil && errB == nil && at.Before(bt)
}
