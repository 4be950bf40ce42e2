package transport

import "net/http"

// A Class is what an answer's body says of a call that failed.
type Class int

const (
	// Unread: the body is not the provider's failure envelope. The status
	// decides.
	Unread Class = iota

	// Refused: the provider's own failure envelope, raised before the provider
	// acted.
	Refused

	// MayHave: the provider's own failure envelope, but no proof that nothing
	// was done.
	MayHave
)

// EnvelopeClass returns the class of a failure envelope whose code is not known
// to the package: MayHave under 408 and 5xx, otherwise Refused. An envelope
// proves that the provider itself answered, not when its work failed. Under 408
// it may come from a time limit of the provider's framework, which answers while
// the work goes on.
func EnvelopeClass(status int) Class {
	if status == http.StatusRequestTimeout || status >= http.StatusInternalServerError {
		return MayHave
	}
	return Refused
}
