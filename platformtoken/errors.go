package platformtoken

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/text"
)

// An Error is every error of this package. Its text holds no credential, token,
// header value, body, e-mail address or URL query. An error returned again
// within a back-off is cut to 1 KiB and has no Body.
//
// It matches, by errors.Is:
//
//   - [providerauth.ErrUnauthorized] when the platform answered 401 or
//     Config.Rejected reported a rejection, also after a new token was tried.
//   - [providerauth.ErrRateLimited] when the platform answered 429.
//   - [providerauth.ErrInvalidRequest] when the call is wrong. With StatusCode 0 it
//     cost no request; else the platform answered 400 or 422.
//   - [providerauth.ErrBadResponse] when the answer has no envelope, lacks a member,
//     has isSuccess beside a code other than 0, is too large, or is a redirect.
//   - [providerauth.ErrAmbiguous] when [Error.Ambiguous] is true.
//   - [providerauth.ErrSecretUnavailable] also when the Signer failed.
//   - [providerauth.ErrContested] also when another system makes tokens for the
//     player.
//   - [providerauth.ErrNotSent] and [providerauth.ErrClosed], as their comments say.
type Error struct {
	// Op is the failed method; "Transport" for an error of a RoundTripper
	// before anything was sent.
	Op string
	// StatusCode is the HTTP status; 0 if there was no answer. The platform may
	// send a failure envelope under 200.
	StatusCode int
	// Code is the code of the platform's failure envelope; 0 without a failure
	// envelope. Codes differ from endpoint to endpoint, and no list of them is
	// public.
	Code int
	// Message is the platform's text, in the requested language, at most 1 KiB.
	// It may quote the request, so it is not part of the error's text.
	Message string
	// Fields are the broken rules of the call, by field.
	Fields map[string]string
	// TxID is the id of the transfer; "" for every other call. Use it to find a
	// transfer of unknown outcome, with the platform's help.
	TxID string
	// RequestID is the X-Request-Id of the answer; "" if it has none.
	RequestID string
	// Attempts counts all attempts, including attempts without a connection.
	Attempts int
	// RetryAfter is the time to wait before the next call: the wait the
	// platform asks for; with providerauth.ErrContested the time until another
	// token is available; after an earlier failure, see Failure.FailedAt, the
	// rest of its back-off; 0 if none is known.
	RetryAfter time.Duration
	// Err is the cause; nil if the answer says everything.
	Err error

	rejected bool // the answer rejects the token
	body     apierror.Excerpt
}

func (e *Error) facts() apierror.Facts {
	f := apierror.Facts{
		Package: "platformtoken", Op: e.Op, StatusCode: e.StatusCode, Fields: e.Fields,
		RequestID: e.RequestID, Attempts: e.Attempts, RetryAfter: e.RetryAfter, Err: e.Err,
	}
	if e.Code != 0 {
		f.Code = strconv.Itoa(e.Code)
	}
	if id := text.Word(e.TxID); id != "" {
		f.Op += " " + id // readers of the log must find the transfer
	}
	return f
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
		return "the token or the signature is not accepted: check the tenant id, the secret and the Signer"
	case e.Is(providerauth.ErrInvalidRequest):
		return "the platform does not accept the request: see Code and Message"
	}
	return ""
}

// Error describes the failure, without any text of the platform except the code
// and the request id.
func (e *Error) Error() string { return e.described().Text() }

// Format prints the text of Error under every verb, also of an Error value.
func (e Error) Format(s fmt.State, _ rune) { e.described().Print(s) }

// MarshalJSON writes the text of Error as a JSON string, also of an Error
// value.
func (e Error) MarshalJSON() ([]byte, error) { return e.described().JSON() }

// Failure returns the fields shared by the errors of all providers.
func (e *Error) Failure() providerauth.Failure { return e.facts().Failure() }

// Is reports whether the fields of the error match the sentinel target.
func (e *Error) Is(target error) bool {
	return e.facts().Is(target) || e.rejected && target == providerauth.ErrUnauthorized
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same call may be repeated and can succeed, and
// how long to wait first; 0 leaves the wait to the caller. Ask it before
// [Error.Ambiguous]: a lost read is both, and may be repeated. An ambiguous
// call that creates or moves something is never Retryable. A failure envelope
// under an uninformative status is not Retryable either, except for a token
// request.
func (e *Error) Retryable() (after time.Duration, ok bool) { return e.facts().Retryable() }

// Ambiguous reports whether the platform acted or may have acted and there is
// no usable result. Unless the call is Retryable, find out whether it took
// effect before making it again. A 408 or 5xx to a call that creates or moves
// something is always ambiguous, also with the platform's failure envelope: its
// codes are not public, and the money may have moved before it failed.
func (e *Error) Ambiguous() bool { return e.facts().Ambiguous() }

// Body returns the beginning of the answer, at most 4 KiB, the "data" of a
// failure envelope included. It may quote the request, so it is not part of the
// text.
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
		rejected: e.Answer.Class == apierror.Rejected,
	}
	if env, ok := e.Answer.Envelope.(*envelope); ok {
		own.Code, own.Message = env.code(), env.message()
	}
	return own
}

// short cuts an error kept for a back-off to at most 1 KiB. It drops the body
// and keeps the beginning of the message.
func short(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	own := e.copied()
	own.Message, own.body = text.ClipShort(own.Message), nil
	return own
}
