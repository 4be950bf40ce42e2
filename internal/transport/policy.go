package transport

import (
	"net/http"

	"github.com/providerauth/providerauth-go/internal/apierror"
)

// A Policy decides which attempts are repeated. It is chosen per call by the
// effect of a second execution.
type Policy int

const (
	// Safe is for idempotent calls. Repeated on network errors before and after
	// sending and on 408, 500, 502, 503, 504 and Cloudflare's 520 to 527 and
	// 530; on 429 only with a readable Retry-After.
	Safe Policy = iota

	// Rotating calls kill or spend the result of the last call. Sent once,
	// whatever MaxAttempts says; only attempts of which nothing was sent are
	// repeated.
	Rotating

	// Once calls create or move something. Repeated only if nothing was sent,
	// or on a 429 with a readable Retry-After. A 503 is never repeated,
	// whatever it says: a gateway may have written it after the request went
	// through. Such a call is ambiguous unless something proves that the
	// provider did not act.
	Once
)

// repeats reports whether the call may be made again after a.
func (p Policy) repeats(a *attempt) bool {
	switch {
	case a.status == 0 && a.unsent:
		return a.temporary
	case p == Rotating:
		return false
	case a.status == http.StatusTooManyRequests:
		return a.hinted
	case p == Once:
		return false
	case a.status == 0:
		return a.temporary
	}
	switch a.status {
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return apierror.CloudflareStatus(a.status)
}

// ambiguous reports whether the provider may have acted in a, an attempt
// without a usable result.
func (p Policy) ambiguous(a *attempt) bool {
	switch {
	case a.status == 0:
		return !a.unsent
	case a.read.Class == apierror.Rejected, a.read.Class == apierror.Refused:
		return false
	case a.read.Class == apierror.MayHave:
		return p == Once
	case a.status < 300, a.status == http.StatusRequestTimeout:
		return true
	case a.status == http.StatusSeeOther:
		// "Done, look for the result over there." The other redirects send the
		// request elsewhere, so the provider did not act on it.
		return true
	case a.status == http.StatusServiceUnavailable && a.hinted:
		return p == Once
	}
	return a.status >= 500
}
