package klas

import (
	"errors"
	"fmt"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
)

// The reasons why a webhook is not answered OK. [Result].Err matches one of them
// by errors.Is.
var (
	// ErrSignature: X-Signature is missing, there more than once, malformed, or
	// not that of the body. Somebody else than Klas has sent the request, or the
	// secrets differ.
	ErrSignature = errors.New("klas: the signature does not verify")
	// ErrBody: the body was not read to its end, was changed in front of the
	// handler, or is no webhook of this endpoint. Error.Fields says which.
	ErrBody = errors.New("klas: the body is not a webhook")
	// ErrStale: the timestamp is further from now than Config.MaxAge.
	ErrStale = errors.New("klas: the webhook is too old or too new")
	// ErrReplayed: Config.ReplayGuard has seen the body before.
	ErrReplayed = errors.New("klas: the webhook was seen before")
	// ErrTimeout: the operator's code did not return within
	// Config.HandlerTimeout.
	ErrTimeout = errors.New("klas: the operator's code did not return in time")
	// ErrHandler: the operator's code returned an error that is no [Refusal],
	// panicked, or gave an answer that cannot be sent.
	ErrHandler = errors.New("klas: the operator's code failed")
)

// An Error is the error of [New], and says why a webhook was not answered OK in
// [Result].
//
// It matches, by errors.Is:
//
//   - one of the reasons of this package, such as [ErrSignature];
//   - [providerauth.ErrInvalidRequest] if the Config given to New is wrong, or if
//     the request itself is refused; Fields names each field and its rule;
//   - [providerauth.ErrSecretUnavailable] if the SecretsFunc failed, was late, or
//     returned an unusable list.
type Error struct {
	// Op is the operation that failed: "New", "AuthenticateHandler" or "Middleware".
	Op string
	// Fields are the rules that were broken, by field: of the Config, or of the
	// request's body and header.
	Fields map[string]string
	// Err is the cause, such as the error of the Authenticator; nil if Fields
	// says everything.
	Err error

	reason error // a sentinel of this package, or nil
}

func (e *Error) facts() apierror.Facts {
	return apierror.Facts{Package: "klas", Op: e.Op, Fields: e.Fields, Err: e.Err}
}

// Error describes the failure. It repeats the text of Err, but nothing of the
// request.
func (e *Error) Error() string { return e.facts().Text() }

// Format prints the text of Error under every verb, also of an Error that is no
// pointer.
func (e Error) Format(s fmt.State, _ rune) { e.facts().Print(s) }

// MarshalJSON writes the text of Error as a JSON string, also of an Error that is
// no pointer.
func (e Error) MarshalJSON() ([]byte, error) { return e.facts().JSON() }

// Is reports whether the error matches the sentinel target by its reason or its
// fields.
func (e *Error) Is(target error) bool {
	return e.reason != nil && target == e.reason || e.facts().Is(target)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// invalid is the error of a configuration that breaks rules; nil if it breaks
// none.
func invalid(op string, p check.Problems) error {
	if p == nil {
		return nil
	}
	return &Error{Op: op, Fields: p}
}
