package platformtoken

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// A Balance is what is in a player's wallet.
type Balance struct {
	// Amount may be zero or negative, and longer than what a transfer takes.
	Amount providerauth.Amount
	// Currency of the amount; "" if the platform does not say.
	Currency string
}

var errBalance = errors.New("data.balance is missing, or not a number of at most 38 digits, and 40 after the point")

// Balance returns what is in the player's wallet, exactly as the platform
// states it (POST /player/getBalance). It is repeated where that helps.
//
// The page is https://docs.gameboxsoft.com/en/013.html.
func (c *Client) Balance(ctx context.Context, p Player) (Balance, error) {
	const op = "Balance"
	in := struct {
		UserID string `json:"userId"`
	}{p.UserID}
	resp, err := c.doFor(ctx, p, post(op, "/player/getBalance", transport.Safe, in))
	if err != nil {
		return Balance{}, err
	}
	b, err := envelopeOf(resp).balance()
	if err != nil {
		return Balance{}, fail(op, resp.Unusable(err))
	}
	return b, nil
}

func (e *envelope) balance() (b Balance, _ error) {
	var data struct {
		Balance  json.RawMessage `json:"balance"`
		Currency json.RawMessage `json:"currency"`
	}
	if err := e.open(&data); err != nil {
		return b, err
	}
	if b.Amount.UnmarshalJSON([]byte(number(data.Balance))) != nil {
		return b, errBalance
	}
	b.Currency = text.JSONText(data.Currency)
	return b, nil
}

// A Direction says which way a transfer goes. As a text and in JSON it is its
// String, for logs and an API of your own. The platform wants the number: in a body
// for [Client.Call] or [Client.CallFor] use int(d).
type Direction int

const (
	// TransferIn moves money from the merchant into the player's wallet.
	TransferIn Direction = 1
	// TransferOut moves money from the player's wallet to the merchant.
	TransferOut Direction = 2
)

// String returns "in" or "out".
func (d Direction) String() string {
	switch d {
	case TransferIn:
		return "in"
	case TransferOut:
		return "out"
	}
	return "Direction(" + strconv.Itoa(int(d)) + ")"
}

// MarshalText returns "in" or "out", and the number of any other Direction.
func (d Direction) MarshalText() ([]byte, error) {
	return words(directions[:]).marshal(int(d)), nil
}

// UnmarshalText reads what MarshalText writes, and any number.
func (d *Direction) UnmarshalText(b []byte) error {
	n, err := words(directions[:]).read(string(b))
	if err == nil {
		*d = Direction(n)
	}
	return err
}

// UnmarshalJSON reads the text, or the number that the platform writes.
func (d *Direction) UnmarshalJSON(b []byte) error { return unmarshalWord(b, d) }

// A TransferState is how far a transfer has come. The platform documents three;
// treat any other as TransferProcessing. As a text and in JSON it is its String, for
// logs and an API of your own; it is read from the platform's number, too.
type TransferState int

const (
	// TransferProcessing: the outcome is not known yet. Ask for it with
	// [Client.TransferStatus].
	TransferProcessing TransferState = 1
	// TransferSucceeded: the money has moved.
	TransferSucceeded TransferState = 2
	// TransferFailed: it has not, and will not.
	TransferFailed TransferState = 3
)

// Final reports whether the state will not change any more.
func (s TransferState) Final() bool { return s == TransferSucceeded || s == TransferFailed }

// String returns "processing", "succeeded" or "failed".
func (s TransferState) String() string {
	switch s {
	case TransferProcessing:
		return "processing"
	case TransferSucceeded:
		return "succeeded"
	case TransferFailed:
		return "failed"
	}
	return "TransferState(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText returns "processing", "succeeded" or "failed", and the number of any
// other TransferState.
func (s TransferState) MarshalText() ([]byte, error) {
	return words(states[:]).marshal(int(s)), nil
}

// UnmarshalText reads what MarshalText writes, and any number.
func (s *TransferState) UnmarshalText(b []byte) error {
	n, err := words(states[:]).read(string(b))
	if err == nil {
		*s = TransferState(n)
	}
	return err
}

// UnmarshalJSON reads the text, or the number that the platform writes.
func (s *TransferState) UnmarshalJSON(b []byte) error { return unmarshalWord(b, s) }

// A TransferRequest says what is to be moved.
type TransferRequest struct {
	// TxID is the merchant's own id of the transfer, used once only. Store it
	// before the call. Required.
	TxID string
	// Direction is TransferIn or TransferOut. Required.
	Direction Direction
	// Amount in the currency of the player's wallet, greater than 0, of at most
	// 18 digits; a balance that has more has to be rounded. Required.
	Amount providerauth.Amount
}

// A Transfer is a transfer that the platform has accepted.
type Transfer struct {
	// TxID is that of the request.
	TxID string
	// RecordID is the platform's id of it, which [Client.TransferStatus] asks
	// by.
	RecordID string
	// State is TransferProcessing as long as the outcome is pending: that
	// there is no error does not mean that the money has moved.
	State TransferState
}

type transferBody struct {
	TxID         string              `json:"txId"`
	TransferType int                 `json:"transferType"`
	Amount       providerauth.Number `json:"amount"`
}

var (
	errTxID     = errors.New("data.txId is that of another transfer")
	errRecordID = errors.New("data.recordId is missing")
	errStatus   = errors.New("data.status is missing, or not a positive integer")
)

// Transfer moves money into the player's wallet or out of it (POST
// /player/transfer). The platform knows whose wallet by the token alone, so
// name the currency in p where the merchant has several. If the player's account
// is in a bad state, it is the merchant who must not make the call.
//
// A transfer is never repeated after an unclear result. Its error is then
// Ambiguous, names the TxID, and is not Retryable: the money may have moved. As
// the platform answers questions by its own RecordID only, which was lost with
// the answer, its support has to be asked what became of the TxID; what a
// second transfer with that TxID is answered is not documented. An error that
// matches [providerauth.ErrNotSent] means that nothing was sent, whatever kept the token from
// being had. A token that is answered to be dead is replaced once, and the
// refused transfer sent again.
//
// The page is https://docs.gameboxsoft.com/en/014.html.
func (c *Client) Transfer(ctx context.Context, p Player, req TransferRequest) (Transfer, error) {
	const op = "Transfer"
	problems := p.check()
	problems.Require("TxID", req.TxID)
	if req.Direction != TransferIn && req.Direction != TransferOut {
		problems.Add("Direction", "must be TransferIn or TransferOut")
	}
	if req.Amount.Sign() <= 0 {
		problems.Add("Amount", "required, must be greater than 0")
	} else if _, err := providerauth.ParseAmount(req.Amount.String()); err != nil {
		problems.Add("Amount", err.Error())
	}
	if problems != nil {
		return Transfer{}, &Error{Op: op, Fields: problems, TxID: req.TxID}
	}
	resp, err := c.doFor(ctx, p, post(op, "/player/transfer", transport.Once,
		transferBody{req.TxID, int(req.Direction), providerauth.Number{Amount: req.Amount}}))
	if err != nil {
		return Transfer{}, ofTransfer(req.TxID, err)
	}
	t, err := envelopeOf(resp).transfer(req.TxID)
	if err != nil {
		return Transfer{}, ofTransfer(req.TxID, fail(op, resp.Unusable(err)))
	}
	return t, nil
}

// ofTransfer is an error of the package with the id of the transfer.
func ofTransfer(txID string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	own := e.copied()
	own.TxID = txID
	return own
}

func (e *envelope) transfer(txID string) (Transfer, error) {
	var data struct {
		TxID     json.RawMessage `json:"txId"`
		RecordID json.RawMessage `json:"recordId"`
		Status   json.RawMessage `json:"status"`
	}
	if err := e.open(&data); err != nil {
		return Transfer{}, err
	}
	if id := text.JSONText(data.TxID); id != "" && id != txID {
		return Transfer{}, errTxID
	}
	recordID := text.JSONText(data.RecordID)
	if recordID == "" {
		return Transfer{}, errRecordID
	}
	state, err := readState(data.Status)
	if err != nil {
		return Transfer{}, err
	}
	return Transfer{TxID: txID, RecordID: recordID, State: state}, nil
}

// TransferStatus returns how far a transfer has come (POST
// /player/getTransferStatus). recordID is the platform's id of it, from
// [Transfer]. It is repeated where that helps.
//
// The page is https://docs.gameboxsoft.com/en/015.html.
func (c *Client) TransferStatus(ctx context.Context, p Player, recordID string) (TransferState, error) {
	const op = "TransferStatus"
	var problems check.Problems
	problems.Require("recordID", recordID)
	if err := invalid(op, problems); err != nil {
		return 0, err
	}
	in := struct {
		RecordID string `json:"recordId"`
	}{recordID}
	resp, err := c.doFor(ctx, p, post(op, "/player/getTransferStatus", transport.Safe, in))
	if err != nil {
		return 0, err
	}
	state, err := envelopeOf(resp).state()
	if err != nil {
		return 0, fail(op, resp.Unusable(err))
	}
	return state, nil
}

func (e *envelope) state() (TransferState, error) {
	var data struct {
		Status json.RawMessage `json:"status"`
	}
	if err := e.open(&data); err != nil {
		return 0, err
	}
	return readState(data.Status)
}

func readState(raw json.RawMessage) (TransferState, error) {
	n, ok := integer(raw)
	if !ok || n <= 0 {
		return 0, errStatus
	}
	return TransferState(n), nil
}
