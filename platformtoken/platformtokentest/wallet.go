package platformtokentest

import (
	"encoding/json"
	"math/big"
	"net/http"
	"strconv"
	"strings"

	"github.com/providerauth/providerauth-go/platformtoken"
)

// A TransferRecord is a transfer accepted by the server.
type TransferRecord struct {
	TxID, RecordID string
	Player         platformtoken.Player // the owner of its token
	Direction      platformtoken.Direction
	Amount         string
	State          platformtoken.TransferState
}

// Deposit puts money into a player's wallet without a transfer, such as a win.
// It panics if amount is not a decimal number.
func (s *Server) Deposit(p platformtoken.Player, amount string) {
	a, ok := new(big.Rat).SetString(amount)
	if !ok {
		panic("platformtokentest: " + strconv.Quote(amount) + " is not a number")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wallet(p).Add(s.wallet(p), a)
}

// Balance is the balance of a player's wallet, as a decimal number.
func (s *Server) Balance(p platformtoken.Player) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return decimal(s.wallet(p))
}

// Total is the sum of the merchant's money and all wallets. The merchant begins
// with nothing and may owe: only Deposit changes the total.
func (s *Server) Total() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := new(big.Rat).Set(&s.merchant)
	for _, w := range s.wallets {
		total.Add(total, w)
	}
	return decimal(total)
}

// Transfer returns the transfer with the merchant's id txID, if the server has
// accepted it.
func (s *Server) Transfer(txID string) (TransferRecord, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.transfers[txID]; t != nil {
		return *t, true
	}
	return TransferRecord{}, false
}

// Settle ends a transfer left pending by Options.Pending, and reports whether
// it was pending.
func (s *Server) Settle(txID string, state platformtoken.TransferState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.transfers[txID]
	if t == nil || t.State != platformtoken.TransferProcessing || !state.Final() {
		return false
	}
	t.State = state
	if state == platformtoken.TransferSucceeded {
		s.move(t)
	}
	return true
}

// move moves the money of a transfer. The mutex is held.
func (s *Server) move(t *TransferRecord) {
	a, _ := new(big.Rat).SetString(t.Amount)
	if t.Direction == platformtoken.TransferOut {
		a.Neg(a)
	}
	s.merchant.Sub(&s.merchant, a)
	s.wallet(t.Player).Add(s.wallet(t.Player), a)
}

// wallet returns a player's wallet. The mutex is held.
func (s *Server) wallet(p platformtoken.Player) *big.Rat {
	w := s.wallets[p]
	if w == nil {
		w = new(big.Rat)
		s.wallets[p] = w
	}
	return w
}

// decimal is the shortest plain form of a number with a finite decimal form.
func decimal(r *big.Rat) string {
	s := r.FloatString(36)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// getBalance is POST /player/getBalance.
func (s *Server) getBalance(r *http.Request, body []byte) (any, error) {
	p, err := s.bearer(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		UserID string `json:"userId"`
	}
	if err := s.decode(body, &in); err != nil {
		return nil, err
	}
	if in.UserID != p.UserID {
		return nil, errPlayer
	}
	return struct {
		Balance  json.Number `json:"balance"`
		Currency string      `json:"currency,omitempty"`
	}{json.Number(decimal(s.wallet(p))), p.Currency}, nil
}

// transfer is POST /player/transfer. Only the token names the wallet.
func (s *Server) transfer(r *http.Request, body []byte) (any, error) {
	p, err := s.bearer(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		TxID         string      `json:"txId"`
		TransferType int         `json:"transferType"`
		Amount       json.Number `json:"amount"`
	}
	if err := s.decode(body, &in); err != nil {
		return nil, err
	}
	a, ok := new(big.Rat).SetString(in.Amount.String())
	d := platformtoken.Direction(in.TransferType)
	switch {
	case in.TxID == "":
		return nil, bad("txId is required")
	case d != platformtoken.TransferIn && d != platformtoken.TransferOut:
		return nil, bad("transferType must be 1 or 2")
	case !ok || a.Sign() <= 0:
		return nil, bad("amount must be greater than 0")
	case in.Amount.String() != decimal(a):
		return nil, errForm
	case s.transfers[in.TxID] != nil:
		return nil, errTxID
	case d == platformtoken.TransferOut && s.wallet(p).Cmp(a) < 0:
		return nil, errBalance
	}
	t := &TransferRecord{
		TxID: in.TxID, RecordID: "r" + strconv.Itoa(len(s.transfers)+1), Player: p,
		Direction: d, Amount: in.Amount.String(), State: platformtoken.TransferSucceeded,
	}
	s.transfers[in.TxID] = t
	s.records[t.RecordID] = t
	if s.opt.Pending {
		t.State = platformtoken.TransferProcessing
	} else {
		s.move(t)
	}
	return struct {
		TxID     string `json:"txId"`
		RecordID string `json:"recordId"`
		Status   int    `json:"status"`
	}{t.TxID, t.RecordID, int(t.State)}, nil
}

// transferStatus is POST /player/getTransferStatus.
func (s *Server) transferStatus(r *http.Request, body []byte) (any, error) {
	p, err := s.bearer(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		RecordID string `json:"recordId"`
	}
	if err := s.decode(body, &in); err != nil {
		return nil, err
	}
	t := s.records[in.RecordID]
	if t == nil || t.Player.UserID != p.UserID {
		return nil, errRecord
	}
	return struct {
		Status int `json:"status"`
	}{int(t.State)}, nil
}
