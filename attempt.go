package providerauth

import "time"

// An Attempt describes an HTTP request of a client after its end, for metrics and
// traces: see OnAttempt in the Config of the packages assetpay, merchantauth,
// partnerjwt and platformtoken. A call that is repeated has several attempts. It
// holds no header, body, query or token.
//
// Provider, Op and Outcome have few values and suit as the labels of a metric.
// Method and Path are the program's own where Op is Call, CallFor or Transport.
type Attempt struct {
	// Provider is the package, such as "assetpay".
	Provider string
	// Op is the method that makes the request, as in [Failure], such as "Call". For
	// a token request it is "Token", "Login" or "Refresh", for a request through
	// Transport or HTTPClient "Transport".
	Op string
	// Method is the method of the HTTP request, such as "POST".
	Method string
	// Path is below Config.BaseURL, without query, and begins with a slash. It has
	// {id} for each segment that may be an id, as the text of an error has: each
	// segment but "v" with a number, and 1 to 32 letters, _ . or -. An id of letters
	// alone stays.
	Path string
	// StatusCode is the HTTP status; 0: there was no complete answer.
	StatusCode int
	// Attempt is the number of the attempt within its call, from 1. It includes
	// attempts that found no connection, and those with an earlier token.
	Attempt int
	// Duration is the time from connecting to the end of the answer's body. For
	// Op "Transport" it ends with the answer's header: the caller reads the body.
	// It does not include signing and the waits between attempts.
	Duration time.Duration
	// Outcome is the result in a word.
	Outcome Outcome
}

// An Outcome is the result of an [Attempt]: one of the constants below.
type Outcome string

const (
	// OutcomeOK: a success. The data of the answer may still be unusable: then
	// the error of the call matches [ErrBadResponse]. For Op "Transport" each
	// status below 400 that rejects no token.
	OutcomeOK Outcome = "ok"
	// OutcomeRejected: the provider rejected the token or key of the request. If
	// another token is available, an attempt with it follows.
	OutcomeRejected Outcome = "rejected"
	// OutcomeRefused: the provider refused the call for another reason, by a 4xx or
	// by its own failure envelope.
	OutcomeRefused Outcome = "refused"
	// OutcomeRateLimited: the status is 429.
	OutcomeRateLimited Outcome = "rate_limited"
	// OutcomeFailed: the status is 5xx or 408.
	OutcomeFailed Outcome = "failed"
	// OutcomeBadResponse: a redirect, or a success whose body is too large or cannot
	// be decompressed.
	OutcomeBadResponse Outcome = "bad_response"
	// OutcomeTimeout: no complete answer within Config.AttemptTimeout. The
	// provider may have acted.
	OutcomeTimeout Outcome = "timeout"
	// OutcomeLost: the connection broke before the answer was complete. The
	// provider may have acted.
	OutcomeLost Outcome = "lost"
	// OutcomeNotSent: there was no connection, or the server refused the request
	// unread. Nothing was done.
	OutcomeNotSent Outcome = "not_sent"
	// OutcomeCanceled: the context of the call ended before the answer was
	// complete. The provider may have acted.
	OutcomeCanceled Outcome = "canceled"
)
