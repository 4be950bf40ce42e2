// Package apierror is the error of everything below the provider packages. The
// meaning of a failure is decided here and nowhere else: whether the provider may have
// acted, and whether the same call may be made again.
package apierror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// Class is the meaning of an answer, as the provider's package has read it. Unread
// under a 2xx is a success.
type Class uint8

const (
	// Unread: the body is not the provider's failure envelope. The status
	// decides.
	Unread Class = iota
	// Rejected: the credential is not valid. Nothing was done.
	Rejected
	// Refused: the provider's own failure envelope, raised before the provider
	// acted.
	Refused
	// MayHave: the provider's own failure envelope, but no proof that nothing
	// was done.
	MayHave
)

// EnvelopeClass returns the class of a failure envelope whose code is not known
// to the provider's package: MayHave under 408 and 5xx, otherwise Refused. An
// envelope proves an answer of the provider itself, but not the end of its
// work. Under 408 it may come from a time limit of the provider's framework,
// which answers while the work goes on.
func EnvelopeClass(status int) Class {
	if status == http.StatusRequestTimeout || status >= http.StatusInternalServerError {
		return MayHave
	}
	return Refused
}

// Answer is an answer, read once by the provider's package.
type Answer struct {
	Class Class
	// Time is true if the provider may have refused the time in the request.
	Time bool
	// Later is true if a later call can succeed whatever the status is.
	Later bool
	// Envelope is the decoded envelope, for the error of the provider's
	// package.
	Envelope any
}

// Effect is the effect of a second execution of a call.
type Effect uint8

const (
	// Acts: it creates or moves something once more.
	Acts Effect = iota
	// Renews: it makes another token, which does no harm.
	Renews
	// Reads: nothing.
	Reads
)

// Error is every failure below the provider packages. It is complete when it is
// made, and nothing edits it later. Its text holds no URL, header value or body.
type Error struct {
	// Op names the call, Method and Path its request: Path is below the base
	// URL and has no query. They are empty where no call was made.
	Op, Method, Path string
	// Kind is the sentinel of the failure; nil: the status describes it.
	Kind error
	// Err is the error underneath; nil: there is none.
	Err error
	// Fields are the broken rules of the call, by field. They are not part of
	// the text.
	Fields map[string]string

	// Status is the status of the last attempt; 0 if it was not answered. If
	// the caller's context or the signature ended the call, Status comes from
	// the last answer before.
	Status int
	// Header and Body belong to Status. The body is cut after 16 KiB, but a
	// failure envelope under a 2xx is whole: it has to be read.
	Header http.Header
	Body   []byte
	// Answer is the meaning of Body, as the provider's package has read it.
	Answer Answer

	// Attempts were made, including those of which nothing was sent.
	Attempts int
	// RetryAfter is how long to wait before the next call; 0 if unknown.
	RetryAfter time.Duration
	// Effect is the effect of a second execution of the call.
	Effect Effect
	// Ambiguous is true if any attempt may have been acted on and no attempt
	// brought a usable result.
	Ambiguous bool
	// Temporary is true if there was no answer but a later call may be
	// answered.
	Temporary bool
}

func (e *Error) Error() string {
	switch {
	case e.Kind != nil && e.Err != nil:
		return e.Kind.Error() + ": " + e.Err.Error()
	case e.Kind != nil:
		return e.Kind.Error()
	case e.Err != nil:
		return e.Err.Error()
	case e.unknownOutcome():
		return unknownOutcome
	}
	return "refused"
}

// unknownOutcome is part of the text of exactly those errors whose call must not be
// repeated before its effect was looked for.
const unknownOutcome = "outcome unknown: it may have been carried out"

func (e *Error) unknownOutcome() bool { return e.Ambiguous && e.Effect == Acts }

// Is reports whether target is the kind, or ErrAmbiguous for an ambiguous error.
func (e *Error) Is(target error) bool {
	return e.Kind != nil && target == e.Kind || e.Ambiguous && target == providerauth.ErrAmbiguous
}

// Unwrap returns the error underneath.
func (e *Error) Unwrap() error { return e.Err }

// Contested is the error of a call whose rejection e stands because no other
// token was to be had until the end of wait. why is the error of the store of the
// tokens; nil: it is not the reason.
func (e *Error) Contested(wait time.Duration, why error) *Error {
	own := *e
	own.Kind, own.Err, own.Ambiguous = providerauth.ErrContested, nil, false
	if why != nil {
		own.Kind, own.Temporary = providerauth.ErrStoreUnavailable, true
	}
	own.RetryAfter = max(e.RetryAfter, wait)
	return &own
}

// later reports whether a later call can succeed, as far as the error itself
// says.
func (e *Error) later() bool { return e.Temporary || e.Answer.Later }

// Ambiguous reports whether err means that the provider may have acted and
// there is no usable result.
func Ambiguous(err error) bool { return errors.Is(err, providerauth.ErrAmbiguous) }

// CredentialRefused reports whether the provider refused the credential of the
// request itself. It would refuse a request for something else too.
func CredentialRefused(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

// Advised is an error that says for itself whether the call may be made again.
// The error of every provider does.
type Advised interface {
	error
	Retryable() (time.Duration, bool)
}

// Of returns err as an Error: itself, the Error in it, or [Other].
func Of(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Other(err)
}

// Own returns the error of a provider's package in the chain of err. It looks
// for none in an [*Error]: the cause of an error from below may be an error of
// the same package, but it does not describe the call.
func Own[E error](err error) (own E, ok bool) {
	if _, below := err.(*Error); below {
		return own, false
	}
	ok = errors.As(err, &own)
	return own, ok
}

// Cause returns a copy of e for the Err field of the error of a provider's package.
// The copy lacks header, body and envelope: that error has already taken from them
// what it needs.
func (e *Error) Cause() *Error {
	own := *e
	own.Header, own.Body, own.Answer.Envelope = nil, nil, nil
	return &own
}

// Format prints the text, under every verb: some would print the answer.
func (e Error) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, e.Error()) }

// MarshalJSON writes the text.
func (e Error) MarshalJSON() ([]byte, error) { return json.Marshal(e.Error()) }

// Because returns e with an explanation, if e has none.
func (e *Error) Because(why error) *Error {
	own := *e
	if own.Err == nil {
		own.Err = why
	}
	return &own
}

// Other wraps an error of unknown meaning. It is temporary after a missed
// deadline: the next call may meet it.
func Other(err error) *Error {
	return &Error{Err: err, Temporary: errors.Is(err, context.DeadlineExceeded)}
}

// NotSent wraps the reason why a request never left this process. The reason
// is often a failed token call, which may well be ambiguous; the request itself
// is not, so errors.Is(err, ErrAmbiguous) is false for the result, and it may be
// made again once the token call has had its time.
func NotSent(reason error) *Error {
	hidden := &Opaque{Text: reason.Error(), Cause: reason}
	e := Other(hidden)
	e.Kind = providerauth.ErrNotSent
	var a Advised
	if errors.As(reason, &a) {
		e.RetryAfter, e.Temporary = a.Retryable()
	}
	var why *Error
	if errors.As(reason, &why) {
		e.Fields = why.Fields
	}
	e.Temporary = e.Temporary || Ambiguous(reason)
	hidden.Passing = e.Temporary
	return e
}

// TemporaryStatus reports whether the same request may be answered otherwise
// a moment later.
func TemporaryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return CloudflareStatus(status)
}

// CloudflareStatus reports whether Cloudflare answers with this status when it
// cannot reach the provider, or gets no usable answer from it.
func CloudflareStatus(status int) bool { return 520 <= status && status <= 527 || status == 530 }
