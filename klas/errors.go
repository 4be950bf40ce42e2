package klas

import (
	"time"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
)

// An Error is what [New] returns, and what [Result] holds for a webhook that
// was not answered OK. It makes no call, so nothing about one is in it.
//
// It matches, by errors.Is:
//
//   - [providerauth.ErrInvalidRequest] when New was given a wrong Config, or the
//     webhook itself is refused; Fields names each field and its rule.
//   - [providerauth.ErrSecretUnavailable] when the SecretsFunc failed, or returned
//     an unusable list.
type Error struct {
	// Op is what failed: "New", "AuthenticateHandler" or "Middleware".
	Op string
	// Fields are the rules that were broken, by field: of the Config, or of the
	// request's body and header.
	Fields map[string]string
	// Err is the cause, if there is one: what the Authenticator returned, for
	// instance.
	Err error
}

func (e *Error) facts() apierror.Facts {
	return apierror.Facts{Package: "klas", Op: e.Op, Fields: e.Fields, Err: e.Err}
}

// Error says what failed. It repeats the text of Err, but nothing of the
// request.
func (e *Error) Error() string { return e.facts().Text() }

// Is reports whether the error matches one of the sentinels by its fields.
func (e *Error) Is(target error) bool { return e.facts().Is(target) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable is ok for [providerauth.ErrSecretUnavailable], where a later webhook can
// succeed, and where Err is an error of another provider's call that says so. It
// is here because the errors of all packages have it.
func (e *Error) Retryable() (after time.Duration, ok bool) { return e.facts().Retryable() }

// Ambiguous is false unless Err is the ambiguous error of another provider's
// call. It is here because the errors of all packages have it.
func (e *Error) Ambiguous() bool { return e.facts().Ambiguous() }

// Body is always "": a webhook has no answer of a provider. It is here because
// the errors of all packages have it.
func (e *Error) Body() string { return "" }

// invalid is the error of a configuration that breaks rules; nil if it breaks
// none.
func invalid(op string, p check.Problems) error {
	if p == nil {
		return nil
	}
	return &Error{Op: op, Fields: p}
}
