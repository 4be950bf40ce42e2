package klas

import (
	"errors"
	"fmt"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
)

// The reasons why a webhook is not answered OK. [Result].Err matches the reason
// by errors.Is.
var (
	// ErrSignature: X-Signature is missing, repeated, malformed, or not the
	// signature of the body. Either the sender is not Klas, or the secrets
	// differ.
	ErrSignature = errors.New("klas: the signature does not verify")
	// ErrBody: the body was not read to its end, was changed in front of the
	// handler, or is no webhook of this endpoint. Error.Fields names the case.
	ErrBody = errors.New("klas: the body is not a webhook")
	// ErrStale: the timestamp is further from now than Config.MaxAge.
	ErrStale = errors.New("klas: the webhook is too old or too new")
	// ErrReplayed: Config.ReplayGuard has seen the body before.
	ErrReplayed = errors.New("klas: the webhook was seen before")
	// ErrTimeout: the operator's code did not return within
	// Config.HandlerTimeout.
	ErrTimeout = errors.New("klas: the operator's code did not return in time")
	// ErrHandler: the operator's code returned an error other than a [Refusal],
	// panicked, or gave an answer that cannot be sent; or the ReplayGuard failed.
	ErrHandler = errors.New("klas: the operator's code failed")
)

// An Error is the error of [New] and [NewStoreGuard], or in [Result].Err the reason
// why a webhook was not answered OK. It may match, by errors.Is:
//
//   - a reason of this package, such as [ErrSignature]; none for New, NewStoreGuard, the secrets,
//     a wrong method and a [Refusal];
//   - [providerauth.ErrInvalidRequest] if the Config or the request breaks a rule;
//     Fields names every bad field of the Config, or the first of the request;
//   - [providerauth.ErrSecretUnavailable] if the SecretsFunc failed, was late, or
//     returned an unusable list;
//   - [providerauth.ErrStoreUnavailable] if the Store of a [StoreGuard] failed.
type Error struct {
	// Op is the failed operation: "New", "NewStoreGuard", "AuthenticateHandler" or
	// "Middleware".
	Op string
	// Fields are the broken rules, by field: of the Config, or of the request's
	// body and header.
	Fields map[string]string
	// Err is the cause, such as the error of the Authenticator; nil if Fields
	// says everything.
	Err error

	reason error // a sentinel of this package, or nil
}

func (e *Error) facts() apierror.Facts {
	return apierror.Facts{Package: "klas", Op: e.Op, Fields: e.Fields, Err: e.Err}
}

// Error describes the failure. It contains the text of Err, but no part of the
// request.
func (e *Error) Error() string { return e.facts().Text() }

// Format prints the text of Error under every verb, also of an Error value.
func (e Error) Format(s fmt.State, _ rune) { e.facts().Print(s) }

// MarshalJSON writes the text of Error as a JSON string, also of an Error
// value.
func (e Error) MarshalJSON() ([]byte, error) { return e.facts().JSON() }

// Is reports whether the error matches the sentinel target by its reason or its
// fields.
func (e *Error) Is(target error) bool {
	return e.reason != nil && target == e.reason || e.facts().Is(target)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// invalid returns the error of a configuration with broken rules; nil if none
// is broken.
func invalid(op string, p check.Problems) error {
	if p == nil {
		return nil
	}
	return &Error{Op: op, Fields: p}
}
