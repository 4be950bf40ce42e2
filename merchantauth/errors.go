package merchantauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
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
	// ErrNoSession: the Client uses an API key, so it has no tokens. No
	// request was made.
	ErrNoSession = errors.New("there is no session: the client uses an API key")
	// ErrTokenExpired: Kuna calls the access token expired (UNAUTHORIZED with a
	// TokenExpiredError). It comes with providerauth.ErrUnauthorized.
	ErrTokenExpired = errors.New("the access token has expired")
	// ErrRefreshTokenExpired: Kuna calls the refresh token expired
	// (REFRESH_TOKEN_EXPIRED).
	ErrRefreshTokenExpired = errors.New("the refresh token has expired")
)

// An Error is every error of this package. Its text holds no credential, token,
// header value, body, e-mail address or URL query.
//
// It matches, by errors.Is:
//
//   - [providerauth.ErrUnauthorized] when Kuna answered 401 or the code
//     UNAUTHORIZED: to an access token, also after a new token was tried, to the
//     API key, or to the credentials of a login.
//   - [providerauth.ErrRateLimited] when Kuna answered 429.
//   - [providerauth.ErrInvalidRequest] when the call is wrong. With StatusCode 0 it
//     cost no request; else Kuna answered 400 or 422.
//   - [providerauth.ErrBadResponse] when the answer is no JSON, has no data or a
//     token without a usable expiry, is too large, or is a redirect.
//   - [providerauth.ErrAmbiguous] when [Error.Ambiguous] is true.
//   - [providerauth.ErrNotSent], [providerauth.ErrSecretUnavailable],
//     [providerauth.ErrContested] and [providerauth.ErrClosed], as their comments
//     say.
//   - The sentinels of this package.
type Error struct {
	// Op is the failed method; "Transport" for the error of a RoundTripper which
	// sent nothing. If Token gets no token, Op is "Login" or "Refresh", whichever
	// failed.
	Op string
	// StatusCode is the HTTP status; 0 without an answer. Kuna documents no
	// statuses for errors: it may be a 2xx.
	StatusCode int
	// Code, Message, Name and ExpiredAt are the fields of the first of Entries; see
	// [ErrorEntry]. No message is part of the text.
	Code, Message, Name string
	ExpiredAt           time.Time
	// Entries are the errors listed in the answer, at most the first 16.
	Entries []ErrorEntry
	// Fields are the rules broken by the call, by field.
	Fields map[string]string
	// RequestID is the X-Request-Id of the answer; "" if it has none.
	RequestID string
	// Attempts counts all attempts, including those that found no connection.
	Attempts int
	// RetryAfter is the time to wait before the next call: Kuna's Retry-After; with
	// providerauth.ErrContested the time until another token is available; after an
	// earlier failure, see Failure.FailedAt, the rest of its back-off. 0 if
	// unknown.
	RetryAfter time.Duration
	// Err is the cause; nil if the answer says everything.
	Err error

	body apierror.Excerpt
}

func (e *Error) facts() apierror.Facts {
	code := ""
	if isCode(e.Code) {
		code = e.Code
	}
	return apierror.Facts{
		Package: "merchantauth", Op: e.Op, StatusCode: e.StatusCode, Code: code, Fields: e.Fields,
		RequestID: e.RequestID, Attempts: e.Attempts, RetryAfter: e.RetryAfter, Err: e.Err,
	}
}

// isCode reports whether s has the form of Kuna's codes, and may be printed.
func isCode(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// described is facts with the hint for the text.
func (e *Error) described() apierror.Facts {
	f := e.facts()
	f.Hint = e.hint()
	return f
}

// hint explains Kuna's answer by the sentinel matching the error; "" if the status
// explains it.
func (e *Error) hint() string {
	switch {
	case e.Is(ErrTokenExpired):
		return "the access token has expired"
	case e.Is(ErrRefreshTokenExpired):
		return "the refresh token has expired: log in"
	case e.Is(providerauth.ErrUnauthorized):
		return "the access token or the API key is not accepted"
	case e.Is(providerauth.ErrInvalidRequest):
		return "Kuna does not accept the request: see Entries"
	}
	return ""
}

// Error describes the failure, without any text of Kuna except the code and the
// request id.
func (e *Error) Error() string { return e.described().Text() }

// Format prints the text of Error under every verb, also for an Error value.
func (e Error) Format(s fmt.State, _ rune) { e.described().Print(s) }

// MarshalJSON writes the text of Error as a JSON string, also for an Error value.
func (e Error) MarshalJSON() ([]byte, error) { return e.described().JSON() }

// Failure returns the fields common to the errors of all providers.
func (e *Error) Failure() providerauth.Failure { return e.facts().Failure() }

// Is reports whether the fields of the error match the sentinel target.
func (e *Error) Is(target error) bool {
	switch target {
	case providerauth.ErrUnauthorized:
		if e.lists(codeUnauthorized) {
			return true
		}
	case ErrTokenExpired:
		return e.expired()
	case ErrRefreshTokenExpired:
		return e.lists(codeRefreshExpired)
	}
	return e.facts().Is(target)
}

// lists reports whether any entry has the code. An Error made outside this package
// may have no Entries.
func (e *Error) lists(code string) bool {
	return e.Code == code || slices.ContainsFunc(e.Entries, func(x ErrorEntry) bool { return x.Code == code })
}

// expired reports whether any entry calls the access token expired.
func (e *Error) expired() bool {
	return expired(ErrorEntry{Code: e.Code, Name: e.Name}) || slices.ContainsFunc(e.Entries, expired)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same call can succeed later without doing harm, and
// how long to wait first; 0 leaves the wait to the caller. Check Retryable before
// [Error.Ambiguous]: a lost read is both, and may be repeated. An ambiguous call is
// never Retryable if it creates or moves something.
func (e *Error) Retryable() (after time.Duration, ok bool) {
	if e.lists(codeRefreshExpired) {
		return 0, false
	}
	return e.facts().Retryable()
}

// Ambiguous reports whether Kuna acted or may have acted and there is no usable
// result. A 408 or 5xx to a call which creates or moves something is ambiguous,
// even with Kuna's errors: their codes are not public, except the code of an
// expired access token.
//
// Unless the call is Retryable, find out whether it took effect before repeating
// it. After an Ambiguous [Client.CreateCustomer] the customer may exist: look by
// [Client.FindCustomers] with the ExternalID or the Email of the request.
// ([Client.CustomerDetails] cannot help: the id was in the missing answer.) An
// ambiguous outcome takes a moment to settle, so do not create the customer again
// after a single search without a result. [Client.EnsureCustomer] keeps to this.
func (e *Error) Ambiguous() bool { return e.facts().Ambiguous() }

// Body returns the beginning of the answer, at most 4 KiB. It may quote the
// request, so it is not part of the text.
func (e *Error) Body() string { return e.body.Text() }

// copied returns a copy for a single caller: all callers waiting for a token get
// the same error.
func (e *Error) copied() *Error {
	own := *e
	own.Fields, own.Entries = maps.Clone(e.Fields), slices.Clone(e.Entries)
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
		RequestID: text.Clip(e.Header.Get("X-Request-Id"), text.MaxCode), body: apierror.NewExcerpt(e.Body),
	}
	if env, ok := e.Answer.Envelope.(*envelope); ok && len(env.entries) > 0 {
		own.Entries = env.entries
		first := &own.Entries[0]
		own.Code, own.Message, own.Name, own.ExpiredAt = first.Code, first.Message, first.Name, first.ExpiredAt
	}
	return own
}
