package transport

import "net/http"

// A Policy says what may be repeated. It is chosen per call by what a second
// execution of the call would do.
type Policy int

const (
	// Safe is for calls that do no harm when made twice. Repeated on network
	// errors before and after sending and on 408, 500, 502, 503 and 504; on
	// 429 only if the answer says when to come back.
	Safe Policy = iota

	// Rotating is for calls that kill or spend what the last one gave. Sent
	// once, whatever MaxAttempts says; only attempts of which nothing was
	// sent are repeated.
	Rotating

	// OnceUnlessUnsent is for calls that create something. Repeated only if
	// nothing was sent, or on 429 and 503 that say when to come back.
	OnceUnlessUnsent

	// OnceStrict is for calls that move money: OnceUnlessUnsent, except that a
	// 503 proves nothing, since a gateway may have written it after the
	// request went through. It is not repeated, and it is ambiguous unless it
	// carries the provider's own failure envelope.
	OnceStrict
)

// repeats reports whether the call may be made again after a.
func (p Policy) repeats(a *attempted) bool {
	switch {
	case a.status == 0 && a.unsent:
		return a.temporary
	case p == Rotating:
		return false
	case a.status == http.StatusTooManyRequests:
		return a.hinted
	case p == OnceUnlessUnsent:
		return a.status == http.StatusServiceUnavailable && a.hinted
	case p == OnceStrict:
		return false
	case a.status == 0:
		return a.temporary
	}
	switch a.status {
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// ambiguous reports whether the provider may have acted in a, an attempt that
// brought no usable result.
func (p Policy) ambiguous(a *attempted) bool {
	switch {
	case a.status == 0:
		return !a.unsent
	case a.refused:
		return false
	case a.status < 300, a.status == http.StatusRequestTimeout:
		return true
	case a.status == http.StatusSeeOther:
		// "Done, look for the result over there." The other redirects say
		// that the request has to be made elsewhere, so it was not acted on.
		return true
	case a.status == http.StatusServiceUnavailable && a.hinted:
		return p == OnceStrict
	}
	return a.status >= 500
}
