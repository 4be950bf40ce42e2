package klas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/providerauth/providerauth-go/internal/timebox"
)

// A StatusCode is the status_code of an answer. The set is open: Klas lists
// codes endpoint by endpoint, and not for all of them.
type StatusCode string

// The codes sent by the handlers of this package themselves.
const (
	// StatusOK: the webhook was carried out; /authenticate: the player is
	// accepted.
	StatusOK StatusCode = "OK"
	// StatusInvalidBody: the body is not a JSON object.
	StatusInvalidBody StatusCode = "ERR_INVALID_BODY"
	// StatusBadParams: a field is missing or unfit, the body is a returned
	// answer, or the operator refused without a code of its own.
	StatusBadParams StatusCode = "ERR_BAD_PARAMS"
	// StatusUnknown: the operator's side failed.
	StatusUnknown StatusCode = "ERR_UNKNOWN"
	// StatusIntegrityCheckFailed: the body cannot be attributed to Klas. Its
	// signature is missing, malformed or wrong, or it was not read to its end.
	StatusIntegrityCheckFailed StatusCode = "ERR_INTEGRITY_CHECK_FAILED"
)

// A Refusal is returned by an [Authenticator], by itself or wrapped. It is an
// answer and not a failure: the player or session is not let in.
type Refusal struct {
	// Code is sent to Klas. "" is ERR_BAD_PARAMS, the only fitting code in
	// Klas's list for /authenticate. A Code is a capital letter and up to 63
	// capital letters, digits and underscores; any other Code, and OK, is sent
	// as ERR_UNKNOWN.
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

// reply returns the reply for the refusal, which is in err.
func (r *Refusal) reply(err error) *reply {
	switch {
	case r == nil:
		return failed(StatusUnknown, ErrHandler, err)
	case r.Code == "":
		return failed(StatusBadParams, nil, err)
	case r.Code == StatusOK || !codeSyntax.MatchString(string(r.Code)):
		return failed(StatusUnknown, ErrHandler, fmt.Errorf("%w (its Refusal.Code cannot be sent)", err))
	}
	return failed(r.Code, nil, err)
}

// A reply is the answer to a webhook before it is signed.
type reply struct {
	code              StatusCode
	currency, balance string // of an accepted player

	// body and header are set by a handler behind Middleware. With body, the
	// other fields are not sent.
	body   []byte
	header http.Header

	fault *fault // nil if there is nothing to report

	forget *job // reports failed work to the ReplayGuard after the answer; or nil
}

// A fault is the reason why a webhook is not answered OK. It becomes an *Error
// only if OnResult or the Logger wants it: most requests on the public internet
// are forgeries.
type fault struct {
	reason      error // a sentinel of this package, or nil
	field, rule string
	err         error
	stack       []byte // of a panic
}

func (f *fault) error(op string) error {
	if f == nil {
		return nil
	}
	e := &Error{Op: op, Err: f.err, reason: f.reason}
	if f.field != "" {
		e.Fields = map[string]string{f.field: f.rule}
	}
	return e
}

// refused is the reply to a request with a broken rule.
func refused(code StatusCode, reason error, field, rule string) *reply {
	return &reply{code: code, fault: &fault{reason: reason, field: field, rule: rule}}
}

// failed is the reply for the reason err.
func failed(code StatusCode, reason, err error) *reply {
	return &reply{code: code, fault: &fault{reason: reason, err: err}}
}

// operatorFailed is the reply where the operator's code has failed.
func operatorFailed(name string, err error) *reply {
	if err == timebox.ErrLate || err == timebox.ErrNotBegun {
		late := fmt.Errorf("%s did not return within Config.HandlerTimeout: %w", name, context.DeadlineExceeded)
		return failed(StatusUnknown, ErrTimeout, late)
	}
	if p, ok := err.(*timebox.Panic); ok {
		return &reply{code: StatusUnknown, fault: &fault{reason: ErrHandler, err: fmt.Errorf("%s %v", name, p), stack: p.Stack}}
	}
	return failed(StatusUnknown, ErrHandler, err)
}

// unfit is the error of an invalid answer of the operator's code. It is not in
// Fields, since Fields describe requests.
func unfit(field, rule string) error {
	return fmt.Errorf("the answer is unfit: %s %s", field, rule)
}

var (
	errNone           = errors.New("there is no handler")
	errWriterPanicked = errors.New("the ResponseWriter panicked")
)
