package partnerjwt

import (
	"errors"
	"fmt"
	"maps"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/text"
)

// The sentinels of this package. An [*Error] matches them by errors.Is, beside
// those of package providerauth.
var (
	// ErrInvalidToken: Verify refused the token.
	ErrInvalidToken = errors.New("the token is invalid")
	// ErrTokenExpired: Verify refused the token because it has expired. It
	// matches ErrInvalidToken too.
	ErrTokenExpired = fmt.Errorf("%w: expired", ErrInvalidToken)
)

// An Error is every error of this package. Its text holds no credential, token,
// header value, body, e-mail address or URL query.
//
// It matches, by errors.Is:
//
//   - [providerauth.ErrUnauthorized] when PiTrade answered 401, also after a new
//     token was tried.
//   - [providerauth.ErrRateLimited] when PiTrade answered 429.
//   - [providerauth.ErrInvalidRequest] when the call is wrong. With StatusCode 0 it
//     cost no request; else PiTrade answered 400 or 422.
//   - [providerauth.ErrBadResponse] when the answer is no JSON, lacks a member, is
//     too large, or is a redirect.
//   - [providerauth.ErrAmbiguous] when [Error.Ambiguous] is true.
//   - [providerauth.ErrNotSent], [providerauth.ErrSecretUnavailable],
//     [providerauth.ErrContested] and [providerauth.ErrClosed], as their comments
//     say.
//   - The sentinels of this package.
type Error struct {
	// Op is the failed method; "Transport" for an error of a RoundTripper
	// before anything was sent.
	Op string
	// StatusCode is the HTTP status; 0 if there was no answer.
	StatusCode int
	// Code is the "code" of the answer, as text, and Message its "message" or
	// "error", if present, of at most 1 KiB. PiTrade documents neither, so no
	// behaviour depends on them. Message may quote the request: it is not part
	// of the text.
	Code, Message string
	// Fields are the broken rules of the call, by field.
	Fields map[string]string
	// RequestID is the X-Request-Id of the answer; "" if it has none.
	RequestID string
	// Attempts counts all attempts, including attempts without a connection.
	Attempts int
	// RetryAfter is the time to wait before the next call: the wait PiTrade
	// asks for; with providerauth.ErrContested the time until another token is
	// available; after an earlier failure, see Failure.FailedAt, the rest of
	// its back-off; 0 if none is known.
	RetryAfter time.Duration
	// Err is the cause; nil if the answer says everything.
	Err error

	body apierror.Excerpt
}

func (e *Error) facts() apierror.Facts {
	return apierror.Facts{
		Package: "partnerjwt", Op: e.Op, StatusCode: e.StatusCode, Code: e.Code, Fields: e.Fields,
		RequestID: e.RequestID, Attempts: e.Attempts, RetryAfter: e.RetryAfter, Err: e.Err,
	}
}

// described is facts with the hint for the text.
func (e *Error) described() apierror.Facts {
	f := e.facts()
	f.Hint = e.hint()
	return f
}

// hint explains an answer by the error's sentinel; "" if the status explains
// it.
func (e *Error) hint() string {
	switch {
	case e.Is(providerauth.ErrUnauthorized):
		return "the token is not accepted: check ClientID, Secret and the clock"
	case e.Is(providerauth.ErrInvalidRequest):
		return "PiTrade does not accept the request: see Message"
	}
	return ""
}

// Error describes the failure, without any text of PiTrade.
func (e *Error) Error() string { return e.described().Text() }

// Format prints the text of Error under every verb, also of an Error value.
func (e Error) Format(s fmt.State, _ rune) { e.described().Print(s) }

// MarshalJSON writes the text of Error as a JSON string, also of an Error
// value.
func (e Error) MarshalJSON() ([]byte, error) { return e.described().JSON() }

// Failure returns the fields shared by the errors of all providers.
func (e *Error) Failure() providerauth.Failure { return e.facts().Failure() }

// Is reports whether the fields of the error match the sentinel target.
func (e *Error) Is(target error) bool { return e.facts().Is(target) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same call may be repeated and can succeed, and
// how long to wait first; 0 leaves the wait to the caller. Ask it before
// [Error.Ambiguous]: a lost read is both, and may be repeated. An ambiguous
// call that creates or moves something is never Retryable.
func (e *Error) Retryable() (after time.Duration, ok bool) { return e.facts().Retryable() }

// Ambiguous reports whether PiTrade acted or may have acted and there is no
// usable result. Unless the call is Retryable, find out whether it took effect
// before making it again. PiTrade documents no errors, so a 408 or 5xx to a
// call with another method than GET or HEAD is always ambiguous.
func (e *Error) Ambiguous() bool { return e.facts().Ambiguous() }

// Body returns the beginning of the answer, at most 4 KiB. It may quote the
// request, so it is not part of the text.
func (e *Error) Body() string { return e.body.Text() }

// copied returns a copy for a single caller: all callers waiting for a token
// get the same error.
func (e *Error) copied() *Error {
	own := *e
	own.Fields = maps.Clone(e.Fields)
	return &own
}

// invalid returns the error of a call with broken rules; nil if none is broken.
func invalid(op string, p check.Problems) error {
	if p == nil {
		return nil
	}
	return &Error{Op: op, Fields: p}
}

// fail returns the package's error for an error of the packages below.
func fail(op string, err error) error {
	own := failed(op, err)
	if earlier, ok := err.(*apierror.Earlier); ok {
		own.Err, own.RetryAfter = earlier.Of(own.Err), earlier.Left
	}
	return own
}

func failed(op string, err error) *Error {
	if own, ok := apierror.Own[*Error](err); ok {
		return own.copied()
	}
	return newError(op, apierror.Of(err))
}

func newError(op string, e *apierror.Error) *Error {
	own := &Error{
		Op: op, StatusCode: e.Status, Attempts: e.Attempts, RetryAfter: e.RetryAfter, Fields: e.Fields, Err: e.Cause(),
		RequestID: text.Clip(e.Header.Get("X-Request-Id"), text.MaxCode), body: apierror.NewExcerpt(e.Body),
	}
	own.Code, own.Message = readFailure(e.Body)
	return own
}
