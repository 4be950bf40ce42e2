package transport

import (
	"net/http"
	"strconv"
	"time"

	"github.com/providerauth/providerauth-go/internal/outcome"
)

// An Error says why a call has no usable result. Providers make their own
// error of it. Its text holds no URL, header value or body.
type Error struct {
	Op string
	// Status is that of the last attempt; 0 if it was not answered. Where the
	// caller's context or Call.Prepare put an end to the call, it is that of
	// the last answer before.
	Status int
	// Header and Body belong to Status. The body is cut after 16 KiB, that of a
	// failure envelope under a 2xx is whole: what it says has to be read.
	Header http.Header
	Body   []byte
	// Attempts counts the attempts that were made, unsent ones included.
	Attempts int
	// RetryAfter is how long the provider asked to wait; 0 if it did not.
	RetryAfter time.Duration
	// Cause is never nil.
	Cause *outcome.Cause

	provider string
}

func (e *Error) Error() string {
	text := e.Op
	if e.provider != "" {
		text = e.provider + ": " + text
	}
	if e.Status != 0 {
		text += ": status " + strconv.Itoa(e.Status)
	}
	if e.Attempts > 1 {
		text += " after " + strconv.Itoa(e.Attempts) + " attempts"
	}
	text += ": " + e.Cause.Error()
	for field, rule := range e.Cause.Fields { // there is one at most
		text += ": " + field + " " + rule
	}
	return text
}

// Unwrap returns the Cause.
func (e *Error) Unwrap() error { return e.Cause }
