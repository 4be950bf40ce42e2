package providerauth

import (
	"errors"
	"time"
)

// The sentinels for errors.Is, shared by all providers. The comment of each
// provider's Error says when its errors match.
var (
	// ErrUnauthorized: the provider rejected the credential. The call was
	// repeated with another token, if there was another token to be had.
	ErrUnauthorized = errors.New("the provider refused the credential")
	// ErrRateLimited: the provider's rate limit is reached.
	ErrRateLimited = errors.New("the provider's rate limit is reached")
	// ErrInvalidRequest: the call is wrong. With [Failure].StatusCode 0 the call
	// cost no request, and Fields names each field and its rule.
	ErrInvalidRequest = errors.New("the request is invalid")
	// ErrBadResponse: the answer is unusable: another form than the provider
	// documents, too large, or a redirect.
	ErrBadResponse = errors.New("the provider's answer is unusable")
	// ErrAmbiguous: the provider may have acted, and there is no usable result.
	// It matches wherever [Error].Ambiguous is true.
	ErrAmbiguous = errors.New("the provider may have acted, and there is no usable result")
	// ErrNotSent: the request was not sent, for want of a token or signature, or
	// because it goes to another origin than Config.BaseURL.
	ErrNotSent = errors.New("the request was not sent")
	// ErrSecretUnavailable: a SecretFunc failed, or returned an unusable value.
	ErrSecretUnavailable = errors.New("the credential is unavailable")
	// ErrContested: the provider rejected the token, and it was not replaced:
	// tokens are rejected faster than the limiter replaces them, replacements do
	// not help, or the provider issues none. ErrUnauthorized matches as well.
	// RetryAfter is the time until a replacement may be had. From Token: there
	// is no token.
	ErrContested = errors.New("tokens of this key are invalidated faster than they may be created: another system creates them, or the provider refuses for another reason")
	// ErrStoreUnavailable: Config.Store failed, or holds a value that no key of
	// Config.StoreKeys opens, and a new token is needed. Without the store another
	// process may create one at the same time.
	ErrStoreUnavailable = errors.New("the store of the tokens is unavailable")
	// ErrClosed: the client is closed.
	ErrClosed = errors.New("the client is closed")
)

// Error is implemented by the *Error of the packages assetpay, merchantauth,
// partnerjwt and platformtoken. It says how to react to a failure without
// knowing the provider.
type Error interface {
	// Error returns a text without credentials, bodies and personal data.
	Error() string
	// Retryable reports whether the same call can succeed later and can do no
	// harm, and how long to wait first; 0 leaves the wait to the caller. Ask it
	// before Ambiguous: a lost read is both.
	Retryable() (after time.Duration, ok bool)
	// Ambiguous reports whether the provider may have acted although there is
	// no usable result.
	Ambiguous() bool
	// Failure returns the fields common to the errors of all providers.
	Failure() Failure
}

// Failure is the common part of the errors of all providers, for logs and
// metrics. It holds no credential, but Path may hold a person's id.
type Failure struct {
	Provider   string        // the package, such as "assetpay"
	Op         string        // the failed method
	Method     string        // of the HTTP request; "" if there was none
	Path       string        // below Config.BaseURL, without query; "" if there was no request
	StatusCode int           // 0: there was no answer
	Code       string        // the provider's own; "": none
	RequestID  string        // for the provider's support; "": none
	Attempts   int           // including attempts without a connection
	RetryAfter time.Duration // 0: unknown
	// FailedAt is set if this call made no token request because of a back-off.
	// It is the time of the failed token request behind the back-off, and the
	// error is from then. RetryAfter is the remaining time. Zero: the error is
	// this call's own.
	FailedAt time.Time
	// Fields are the broken rules of the call, by field.
	Fields map[string]string
}
