package apierror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/text"
)

// Facts are the common fields of the errors of all providers. The text and the
// meaning of an error are decided here for all of them.
type Facts struct {
	Package, Op string
	StatusCode  int
	Code        string // the provider's own, as text; "" if there is none
	Fields      map[string]string
	RequestID   string
	Attempts    int
	RetryAfter  time.Duration
	Err         error
	// Hint explains an answer if nothing else does; "": the status explains it.
	Hint string
}

// Text is the text of the error. Of the provider's own words it holds only
// codes, field names and UUIDs: an answer may repeat the request. For Call, CallFor
// and Transport, which can call any endpoint, it has the method and path too.
func (f Facts) Text() string {
	var b strings.Builder
	b.WriteString(f.Package)
	if f.Op != "" {
		b.WriteString(": " + f.Op)
	}
	if anyEndpoint[f.Op] {
		if e := f.own(); e != nil && e.Path != "" {
			b.WriteString(" " + e.Method + " " + text.PathTemplate(e.Path))
		}
	}
	sep := ": "
	say := func(format string, args ...any) {
		fmt.Fprintf(&b, sep+format, args...)
		sep = ", "
	}
	if f.StatusCode != 0 {
		say("status %d", f.StatusCode)
	}
	if text.IsCode(f.Code) {
		say("code %s", f.Code)
	}
	if text.IsUUID(f.RequestID) {
		say("request id %s", f.RequestID)
	}
	if f.Attempts > 1 {
		say("%d attempts", f.Attempts)
	}
	if f.RetryAfter > 0 {
		say("retry after %v", f.RetryAfter)
	}
	sep = ": "
	if f.Err != nil {
		say("%s", f.cause())
		sep = "; "
	}
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		switch {
		case f.StatusCode == 0: // our own words
			say("%s %s", name, f.Fields[name])
		case text.IsField(name):
			say("field %s", name)
		default:
			continue
		}
		sep = "; "
	}
	return b.String()
}

// anyEndpoint holds the methods whose name does not say which endpoint they call.
var anyEndpoint = map[string]bool{"Call": true, "CallFor": true, "Transport": true}

// own returns the Error in f.Err; nil: there is none.
func (f Facts) own() (e *Error) {
	errors.As(f.Err, &e)
	return e
}

// cause is the text of f.Err.
func (f Facts) cause() string {
	err, note := f.Err, ""
	if earlier, ok := err.(*Earlier); ok {
		err, note = earlier.Err, earlier.note()
	}
	said := ""
	if e, ok := err.(*Error); !ok {
		said = fmt.Sprint(err) // the operator's own may panic
	} else {
		switch said = e.Error(); {
		case e.Kind == nil && e.Err == nil && f.Hint != "":
			said = f.Hint
		case e.Kind == nil && e.Err == nil:
			said = statusHint(f.StatusCode)
		}
		if e.unknownOutcome() {
			said += "; " + unknownOutcome
		}
	}
	return said + note
}

// statusHint explains an answer by its status alone.
func statusHint(status int) string {
	switch {
	case status < 300:
		return "the answer reports a failure"
	case status == http.StatusForbidden:
		return "the credential is good, but not for this call"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return "the provider has no such endpoint, or nothing of that id"
	case status == http.StatusConflict:
		return "the call conflicts with the state at the provider"
	case status == http.StatusTooManyRequests:
		return "the provider's rate limit is reached"
	case status == http.StatusRequestTimeout, status >= 500:
		return "the provider, or a gateway before it, failed"
	}
	return "the provider refused the call"
}

// Is reports whether the public fields of the error mean the sentinel target.
// errors.Is itself asks the cause.
func (f Facts) Is(target error) bool {
	switch target {
	case providerauth.ErrUnauthorized:
		return f.StatusCode == http.StatusUnauthorized
	case providerauth.ErrRateLimited:
		return f.StatusCode == http.StatusTooManyRequests
	case providerauth.ErrInvalidRequest:
		return f.StatusCode == http.StatusBadRequest || f.StatusCode == http.StatusUnprocessableEntity ||
			f.StatusCode == 0 && len(f.Fields) > 0
	}
	return false
}

// Ambiguous reports whether the provider acted or may have acted and there is
// no usable result.
func (f Facts) Ambiguous() bool { return errors.Is(f.Err, providerauth.ErrAmbiguous) }

// Retryable reports whether the same call can succeed later and can do no
// harm, and how long to wait first (0: the caller's choice).
func (f Facts) Retryable() (time.Duration, bool) {
	e := f.own()
	after := f.RetryAfter
	if e != nil && after == 0 {
		after = e.RetryAfter
	}
	for _, final := range []error{providerauth.ErrInvalidRequest, providerauth.ErrClosed, context.Canceled} {
		if f.Is(final) || errors.Is(f.Err, final) {
			return 0, false
		}
	}
	for _, passing := range []error{providerauth.ErrContested, providerauth.ErrSecretUnavailable} {
		if errors.Is(f.Err, passing) {
			return after, true
		}
	}
	ok := e != nil && e.later() || TemporaryStatus(f.StatusCode)
	if f.Ambiguous() {
		// The cache asks again for a token whose answer was unusable.
		ok = e != nil && (e.Effect == Renews || ok && e.Effect == Reads)
	}
	if !ok {
		after = 0
	}
	return after, ok
}

// Failure is the common part of the errors of all providers. Method and Path
// come from the failed call, if f.Err knows them.
func (f Facts) Failure() providerauth.Failure {
	e := f.own()
	failure := providerauth.Failure{
		Provider: f.Package, Op: f.Op, StatusCode: f.StatusCode, Code: f.Code, RequestID: f.RequestID,
		Attempts: f.Attempts, RetryAfter: f.RetryAfter, Fields: maps.Clone(f.Fields),
	}
	if e != nil {
		failure.Method, failure.Path = e.Method, e.Path
	}
	var earlier *Earlier
	if errors.As(f.Err, &earlier) {
		failure.FailedAt = earlier.At
	}
	return failure
}

// Print is the Format of an error: its text, under every verb. Some verbs would
// print the fields, and with them the provider's texts.
func (f Facts) Print(s fmt.State) { _, _ = io.WriteString(s, f.Text()) }

// JSON is the text as a JSON string.
func (f Facts) JSON() ([]byte, error) { return json.Marshal(f.Text()) }
