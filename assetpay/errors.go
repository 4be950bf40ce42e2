package assetpay

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/text"
)

// The sentinels of this package. An [*Error] matches them by errors.Is, beside
// those of package providerauth.
var (
	// ErrScopeDenied: the API key lacks a scope, such as CORE_ACCESS
	// (API_KEY_SCOPE_DENIED, INSUFFICIENT_SCOPE). It comes with
	// providerauth.ErrUnauthorized.
	ErrScopeDenied = errors.New("the API key lacks the scope")
	// ErrNoAPISecret: the merchant has no active API secret, so AssetPay
	// cannot sign tokens (NO_API_SECRET_CONFIGURED). Make one in the
	// dashboard.
	ErrNoAPISecret = errors.New("the merchant has no active API secret")
	// ErrInvalidToken: VerifyClientToken refused the token.
	ErrInvalidToken = errors.New("the token is invalid")
	// ErrTokenExpired: VerifyClientToken refused an expired token. It is an
	// ErrInvalidToken.
	ErrTokenExpired = fmt.Errorf("%w: expired", ErrInvalidToken)
)

// An Error is every error of this package. Its text holds no credential, token,
// header value, body, e-mail address or URL query. After a failure, callers within
// the back-off get the error cut to 1 KiB: it has no Body and no Details.
//
// It matches, by errors.Is:
//
//   - [providerauth.ErrUnauthorized] when AssetPay answered 401, or rejected the
//     API key or the user with a key such as API_KEY_REVOKED, API_KEY_IP_DENIED,
//     MERCHANT_API_KEY_REQUIRED, FORBIDDEN or ACCOUNT_DISABLED.
//   - [providerauth.ErrRateLimited] when AssetPay answered 429 or RATE_LIMITED.
//   - [providerauth.ErrInvalidRequest] when the call is wrong. With StatusCode 0 it
//     cost no request; else AssetPay answered 400, 422 or VALIDATION_FAILED.
//   - [providerauth.ErrBadResponse] when the answer has no envelope or no token, is
//     too large, or is a redirect.
//   - [providerauth.ErrAmbiguous] when [Error.Ambiguous] is true.
//   - [providerauth.ErrNotSent], [providerauth.ErrSecretUnavailable],
//     [providerauth.ErrContested] and [providerauth.ErrClosed], as their comments
//     say.
//   - The sentinels of this package.
type Error struct {
	// Op is the failed method; "Transport" for the error of a RoundTripper which
	// sent nothing.
	Op string
	// StatusCode is the HTTP status; 0 without an answer.
	StatusCode int
	// Code is AssetPay's number of the error. Do not branch on it: AssetPay's
	// two hosts use the same numbers for different errors. 0 if there is none.
	Code int
	// Key is AssetPay's name of the error, such as "VALIDATION_FAILED"; "" if
	// the answer is not its failure envelope.
	Key string
	// Message is AssetPay's text, several of them joined by "; ", of at most 1
	// KiB. It may quote the request, so it is not part of the text.
	Message string
	// Fields are the rules broken by the call, by field: with StatusCode 0 the
	// fields of this package, otherwise the fields of AssetPay's JSON, at most 16.
	Fields map[string]string
	// RequestID identifies the request to AssetPay's support.
	RequestID string
	// Attempts counts all attempts, including those that found no connection.
	Attempts int
	// RetryAfter is the time to wait before the next call: AssetPay's Retry-After;
	// with providerauth.ErrContested the time until another token is available;
	// after an earlier failure, see Failure.FailedAt, the rest of its back-off. 0
	// if unknown.
	RetryAfter time.Duration
	// Err is the cause; nil if the answer says everything.
	Err error

	details json.RawMessage
	body    apierror.Excerpt
}

func (e *Error) facts() apierror.Facts {
	code := ""
	switch {
	case isKey(e.Key):
		code = e.Key
	case e.Code != 0:
		code = strconv.Itoa(e.Code)
	}
	return apierror.Facts{
		Package: "assetpay", Op: e.Op, StatusCode: e.StatusCode, Code: code, Fields: e.Fields,
		RequestID: e.RequestID, Attempts: e.Attempts, RetryAfter: e.RetryAfter, Err: e.Err,
	}
}

// isKey reports whether s has the form of AssetPay's keys, and may be printed.
func isKey(s string) bool {
	return s != "" && 'A' <= s[0] && s[0] <= 'Z' && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// described is facts with the hint for the text.
func (e *Error) described() apierror.Facts {
	f := e.facts()
	f.Hint = e.hint()
	return f
}

// hint explains AssetPay's answer by the sentinel matching the error; "" if the
// status explains it.
func (e *Error) hint() string {
	switch {
	case e.Is(ErrScopeDenied):
		return "give the API key the scope in the dashboard"
	case e.Is(ErrNoAPISecret):
		return "make an API secret in the dashboard"
	case e.Is(providerauth.ErrUnauthorized):
		return "the API key or the client token is not accepted"
	case e.Is(providerauth.ErrRateLimited):
		return "the rate limit is reached: an unverified merchant has 100 exchanges an hour"
	case e.Is(providerauth.ErrInvalidRequest):
		return "AssetPay does not accept the request: see Fields and Message"
	}
	return ""
}

// Error describes the failure, without any text of AssetPay except the key and
// the request id.
func (e *Error) Error() string { return e.described().Text() }

// Format prints the text of Error under every verb, also for an Error value.
func (e Error) Format(s fmt.State, _ rune) { e.described().Print(s) }

// MarshalJSON writes the text of Error as a JSON string, also for an Error value.
func (e Error) MarshalJSON() ([]byte, error) { return e.described().JSON() }

// Failure returns the fields common to the errors of all providers.
func (e *Error) Failure() providerauth.Failure { return e.facts().Failure() }

// Is reports whether the fields of the error match the sentinel target.
func (e *Error) Is(target error) bool { return e.facts().Is(target) || means(e.Key, target) }

// means reports whether AssetPay's error key means the sentinel.
func means(key string, target error) bool {
	switch key {
	case "VALIDATION_FAILED":
		return target == providerauth.ErrInvalidRequest
	case "RATE_LIMITED":
		return target == providerauth.ErrRateLimited
	case "NO_API_SECRET_CONFIGURED":
		return target == ErrNoAPISecret
	case "API_KEY_SCOPE_DENIED", "INSUFFICIENT_SCOPE":
		return target == ErrScopeDenied || target == providerauth.ErrUnauthorized
	case "MISSING_API_KEY", "INVALID_API_KEY", "API_KEY_REVOKED", "API_KEY_IP_DENIED", "MISSING_BEARER",
		"UNAUTHORIZED", "INVALID_TOKEN", "TOKEN_EXPIRED", "TOKEN_INVALID_OR_EXPIRED",
		"FORBIDDEN", "ACCOUNT_DISABLED", "MERCHANT_API_KEY_REQUIRED":
		return target == providerauth.ErrUnauthorized
	}
	return false
}

// passing reports whether the key names a temporary failure: a later call may
// succeed.
func passing(key string) bool {
	switch key {
	case "RATE_LIMITED", "SERVER_ERROR", "SERVICE_UNAVAILABLE", "SYSTEM_MAINTENANCE",
		// Another call is under way. AssetPay raises these before it acts.
		"DEPOSIT_IN_PROGRESS", "WITHDRAW_IN_PROGRESS", "ONCHAIN_CLIENT_WITHDRAW_BUSY":
		return true
	}
	return false
}

// rejects reports whether an answer with the key rejects the client token. The key
// is "" if the answer is not AssetPay's failure envelope. TOKEN_EXPIRED is the only
// key to reject the token under other statuses than 401, except under 408: AssetPay
// may have acted. MISSING_BEARER is not a rejection: a new token does not help if
// AssetPay does not read the header.
func rejects(status int, key string) bool {
	if status != http.StatusUnauthorized {
		return key == "TOKEN_EXPIRED" && status != http.StatusRequestTimeout
	}
	switch key {
	case "", "INVALID_TOKEN", "TOKEN_EXPIRED", "TOKEN_INVALID_OR_EXPIRED", "UNAUTHORIZED":
		return true
	}
	return false
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same call can succeed later without doing harm, and
// how long to wait first; 0 leaves the wait to the caller. Check Retryable before
// [Error.Ambiguous]: a lost read is both, and may be repeated. An ambiguous call is
// never Retryable if it creates or moves something.
func (e *Error) Retryable() (after time.Duration, ok bool) { return e.facts().Retryable() }

// Ambiguous reports whether AssetPay acted or may have acted and there is no usable
// result. Unless the call is Retryable, find out whether it took effect before
// repeating it. A 408 or 5xx to a call with another method than GET or HEAD is
// ambiguous. The exception is a 5xx with AssetPay's failure envelope and another
// key than SERVER_ERROR, such as SERVICE_UNAVAILABLE: AssetPay raises those before
// it acts.
func (e *Error) Ambiguous() bool { return e.facts().Ambiguous() }

// Body returns the beginning of the answer, at most 4 KiB. It may quote the
// request, so it is not part of the text.
func (e *Error) Body() string { return e.body.Text() }

// Details returns the JSON details of some trading errors; nil if there are none,
// or more than 4 KiB.
func (e *Error) Details() json.RawMessage { return e.details }

// copied returns a copy for a single caller: all callers waiting for a token get
// the same error.
func (e *Error) copied() *Error {
	own := *e
	own.Fields = maps.Clone(e.Fields)
	return &own
}

// invalid returns the error for broken rules; nil if there are none.
func invalid(op string, p check.Problems) error {
	if p == nil {
		return nil
	}
	return &Error{Op: op, Fields: p}
}

// fail converts an error of the internal packages to an [*Error].
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
		RequestID: requestID(nil, e.Header), body: apierror.NewExcerpt(e.Body),
	}
	if env, ok := e.Answer.Envelope.(*envelope); ok {
		own.RequestID = requestID(env.ID, e.Header)
		own.read(env)
	}
	return own
}

// short returns the error kept for the callers within a back-off: at most 1 KiB,
// without body and details, and with shortened texts.
func short(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	own := e.copied()
	own.Message, own.details, own.body = text.ClipShort(own.Message), nil, nil
	kept := 0
	for name, rule := range e.Fields {
		if kept += len(name) + len(rule); kept > 256 {
			delete(own.Fields, name)
		}
	}
	return own
}
