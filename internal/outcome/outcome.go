// Package outcome holds the sentinel errors that every provider package
// re-exports, and decides in one place what a failed call means: whether the
// provider may have acted, and whether the same call may be made again.
package outcome

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// The sentinels are one value each, so that errors.Is with any package's name
// for one of them matches the errors of all packages.
var (
	ErrUnauthorized      = providerauth.ErrUnauthorized
	ErrRateLimited       = providerauth.ErrRateLimited
	ErrInvalidRequest    = providerauth.ErrInvalidRequest
	ErrBadResponse       = providerauth.ErrBadResponse
	ErrAmbiguous         = providerauth.ErrAmbiguous
	ErrNotSent           = providerauth.ErrNotSent
	ErrSecretUnavailable = providerauth.ErrSecretUnavailable
	ErrContested         = providerauth.ErrContested
	ErrStoreUnavailable  = providerauth.ErrStoreUnavailable
	ErrClosed            = providerauth.ErrClosed
)

// Cause is what stands behind a failed call. It sits in the Err field of a
// provider's error and carries what the public fields cannot say.
type Cause struct {
	// Err is the error underneath, free of credentials, bodies and URLs; nil
	// where the status says it all.
	Err error
	// Kind is the sentinel that describes the failure, or nil.
	Kind error
	// Fields are the rules that the call broke, by field. They are not part of
	// the text: the error above has them.
	Fields map[string]string
	// Ambiguous is true if any attempt may have been acted on and no attempt
	// brought a usable result.
	Ambiguous bool
	// Repeatable is true if making the call twice does no harm.
	Repeatable bool
	// Temporary is true if nothing was answered but a later call may be.
	Temporary bool
	// RetryAfter is how long to wait before the next call; 0 if unknown.
	RetryAfter time.Duration
	// Status is the HTTP status of the answer; 0 if there is none.
	Status int
}

func (c *Cause) Error() string {
	switch {
	case c.Kind != nil && c.Err != nil:
		return c.Kind.Error() + ": " + c.Err.Error()
	case c.Kind != nil:
		return c.Kind.Error()
	case c.Err != nil:
		return c.Err.Error()
	case c.Ambiguous:
		return ErrAmbiguous.Error()
	}
	return "refused"
}

// Is reports whether target is the cause's kind, or ErrAmbiguous for an
// ambiguous one.
func (c *Cause) Is(target error) bool {
	return c.Kind != nil && target == c.Kind || c.Ambiguous && target == ErrAmbiguous
}

// Unwrap returns the error underneath.
func (c *Cause) Unwrap() error { return c.Err }

// Ambiguous reports whether err means that the provider acted or may have
// acted and there is no usable result.
func Ambiguous(err error) bool { return errors.Is(err, ErrAmbiguous) }

// CredentialRefused reports whether the provider refused the credential of the
// request itself, so that a request for something else would be refused too.
func CredentialRefused(err error) bool {
	var c *Cause
	return errors.As(err, &c) && (c.Status == http.StatusUnauthorized || c.Status == http.StatusForbidden)
}

// Advised is an error that can say for itself whether the call may be made
// again; every provider's error is one.
type Advised interface {
	error
	Retryable() (time.Duration, bool)
}

// Other wraps an error that says nothing of what it means. A deadline that has
// passed may be met the next time.
func Other(err error) *Cause {
	return &Cause{Err: err, Temporary: errors.Is(err, context.DeadlineExceeded)}
}

// NotSent wraps the reason why a request never left this process. The reason
// is often a failed token call, and that may well be ambiguous; the request
// itself is not, so errors.Is(err, ErrAmbiguous) is false for the result, and
// it may be made again once the token call has had its time.
func NotSent(reason error) *Cause {
	c := Other(unsent{reason})
	c.Kind = ErrNotSent
	var a Advised
	if errors.As(reason, &a) {
		c.RetryAfter, c.Temporary = a.Retryable()
	}
	var why *Cause
	if errors.As(reason, &why) {
		c.Fields = why.Fields
	}
	c.Temporary = c.Temporary || Ambiguous(reason)
	return c
}

// unsent hides the ambiguity of the error it wraps and nothing else.
type unsent struct{ err error }

func (u unsent) Error() string        { return u.err.Error() }
func (u unsent) Is(target error) bool { return target != ErrAmbiguous && errors.Is(u.err, target) }
func (u unsent) As(target any) bool   { return errors.As(u.err, target) }

// TemporaryStatus reports whether the same request may be answered otherwise
// a moment later.
func TemporaryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// An Excerpt is the beginning of an answer, at most 4 KiB. It is a function so
// that nothing prints it: an answer may quote what it was sent.
type Excerpt func() string

// NewExcerpt returns the excerpt of body.
func NewExcerpt(body []byte) Excerpt {
	const most = 4 << 10
	s := strings.ToValidUTF8(string(body[:min(len(body), most)]), "\uFFFD")
	return func() string { return s }
}

// Text returns the excerpt, "" for nil.
func (e Excerpt) Text() string {
	if e == nil {
		return ""
	}
	return e()
}
