package klas

import (
	"errors"
	"fmt"
	"regexp"
)

// A StatusCode is the status_code of an answer. The set is open: Klas lists
// codes endpoint by endpoint, and not for all of them.
type StatusCode string

// The codes that the handlers of this package send by themselves.
const (
	// StatusOK: the webhook was carried out; /authenticate: the player is
	// accepted.
	StatusOK StatusCode = "OK"
	// StatusInvalidBody: the body is not a JSON object.
	StatusInvalidBody StatusCode = "ERR_INVALID_BODY"
	// StatusBadParams: a field is missing or unfit, the body is an answer that
	// was sent back, or the operator refused without a code of its own.
	StatusBadParams StatusCode = "ERR_BAD_PARAMS"
	// StatusUnknown: the operator's side failed.
	StatusUnknown StatusCode = "ERR_UNKNOWN"
	// StatusIntegrityCheckFailed: the body cannot be shown to be Klas's: its
	// signature is missing, malformed or wrong, or it was not read to its end.
	StatusIntegrityCheckFailed StatusCode = "ERR_INTEGRITY_CHECK_FAILED"
)

// A Refusal is returned by an [Authenticator], by itself or wrapped. It is an
// answer and not a failure: this player or session is not let in.
type Refusal struct {
	// Code is sent to Klas. "" is ERR_BAD_PARAMS, the only fitting one that
	// Klas lists for /authenticate. It is a capital letter and up to 63 capital
	// letters, digits and underscores; any other, and OK, is sent as
	// ERR_UNKNOWN.
	Code StatusCode
	// Err is the reason, for the log and OnResult; Klas never sees it.
	// Optional.
	Err error
}

// Error names the code and the reason.
func (r *Refusal) Error() string {
	switch {
	case r == nil:
		return "refused by a nil *Refusal"
	case r.Err != nil:
		return "refused: " + r.Err.Error()
	}
	return "refused"
}

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error {
	if r == nil {
		return nil
	}
	return r.Err
}

var codeSyntax = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// verdict sends the refusal, which is in err.
func (r *Refusal) verdict(err error) verdict {
	switch {
	case r == nil:
		return failed(StatusUnknown, err)
	case r.Code == "":
		return failed(StatusBadParams, err)
	case r.Code == StatusOK || !codeSyntax.MatchString(string(r.Code)):
		return failed(StatusUnknown, fmt.Errorf("%w (its Refusal.Code cannot be sent)", err))
	}
	return failed(r.Code, err)
}

// acceptance is what the answer OK says beside that.
type acceptance struct{ currency, balance string }

// A verdict is what becomes of a webhook. The rest of an answer is in the
// exchange.
type verdict struct {
	code  StatusCode
	fault *fault // nil if there is nothing to say
}

// A fault is why a webhook is not answered OK. It becomes an *Error only if
// somebody asks for one: most of those on the public internet are forgeries.
type fault struct {
	field, rule string
	err         error
	stack       []byte // of a panic
}

func (f *fault) error(op string) error {
	if f == nil {
		return nil
	}
	e := &Error{Op: op, Err: f.err}
	if f.field != "" {
		e.Fields = map[string]string{f.field: f.rule}
	}
	return e
}

func refuse(code StatusCode, field, rule string) verdict {
	return verdict{code, &fault{field: field, rule: rule}}
}

func failed(code StatusCode, err error) verdict { return verdict{code, &fault{err: err}} }

// unfit is for an answer of the operator's code that breaks a rule. It is not
// in Fields, which tell of requests.
func unfit(what, rule string) verdict {
	return failed(StatusUnknown, errors.New("the answer is unfit: "+what+" "+rule))
}
