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

// A Balance is the balance of a player's wallet.
type Balance struct {
	// Amount may be zero or negative, and longer than an amount of a transfer.
	Amount providerauth.Amount
	// Currency of the amount; "" if the platform does not say.
	Currency string
}

var errBalance = errors.New("data.balance is missing, or not a number of at most 38 digits, and 40 after the point")

// Balance returns the balance of the player's wallet, exactly as the platform
// states it (POST /player/getBalance). The call is repeated where useful.
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

// A Direction is the way of a transfer. As a text and in JSON it is its String,
// for logs and an API of your own. The platform expects the number: in a body
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

// UnmarshalText reads the texts of MarshalText, and any number.
func (d *Direction) UnmarshalText(b []byte) error {
	n, err := words(directions[:]).read(string(b))
	if err == nil {
		*d = Direction(n)
	}
	return err
}

// UnmarshalJSON reads the text, or the platform's number.
func (d *Direction) UnmarshalJSON(b []byte) error { return unmarshalWord(b, d) }

// A TransferState is the progress of a transfer. The platform documents three
// states; treat any other as TransferProcessing. As a text and in JSON a
// TransferState is its String, for logs and an API of your own. It can also be
// read from the platform's number.
type TransferState int

const (
	// TransferProcessing: the outcome is not known yet. Ask for it with
	// [Client.TransferStatus].
	TransferProcessing TransferState = 1
	// TransferSucceeded: the money has moved.
	TransferSucceeded TransferState = 2
	// TransferFailed: the money has not moved, and will not.
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

// UnmarshalText reads the texts of MarshalText, and any number.
func (s *TransferState) UnmarshalText(b []byte) error {
	n, err := words(states[:]).read(string(b))
	if err == nil {
		*s = TransferState(n)
	}
	return err
}

// UnmarshalJSON reads the text, or the platform's number.
func (s *TransferState) UnmarshalJSON(b []byte) error { return unmarshalWord(b, s) }

// A TransferRequest describes a transfer to make.
type TransferRequest struct {
	// TxID is the merchant's own id of the transfer, used once only. Store it
	// before the call. Required.
	TxID string
	// Direction is TransferIn or TransferOut. Required.
	Direction Direction
	// Amount in the currency of the player's wallet, greater than 0, of at most
	// 18 digits; round a longer balance. Required.
	Amount providerauth.Amount
}

// A Transfer is a transfer accepted by the platform.
type Transfer struct {
	// TxID is the id given in the request.
	TxID string
	// RecordID is the platform's id of the transfer, for
	// [Client.TransferStatus].
	RecordID string
	// State is TransferProcessing while the outcome is pending: without an
	// error the money may still not have moved.
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
// /player/transfer). The platform finds the wallet by the token alone, so name
// the currency in p if the merchant has several. It is the merchant's duty not
// to make the call for a player whose account is in a bad state.
//
// A transfer is never repeated after an ambiguous result. Its error is then
// Ambiguous, names the TxID, and is not Retryable: the money may have moved.
// The platform answers questions by its own RecordID only, and the RecordID was
// lost with the answer. So ask the platform's support about the TxID. The
// answer to a second transfer with the same TxID is not documented. An error
// matching [providerauth.ErrNotSent] means nothing was sent, whatever the
// reason for the missing token. A rejection replaces the token once and sends
// the rejected transfer again.
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

// ofTransfer adds the id of the transfer to an error of the package.
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

// TransferStatus returns the state of a transfer (POST
// /player/getTransferStatus). recordID is the platform's id from [Transfer].
// The call is repeated where useful.
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
