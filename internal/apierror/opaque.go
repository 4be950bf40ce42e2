package apierror

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	providerauth "github.com/providerauth/providerauth-go"
)

// Opaque is an error with a hidden cause: the cause may hold a URL, a secret,
// or an answer. errors.Is and errors.As see the cause, but for its ambiguity:
// the cause may be the error of another call. There is no Unwrap: some
// reporters print every error of a chain, and would print the cause too.
type Opaque struct {
	// Text describes the failure, without the cause.
	Text string
	// Cause may be nil.
	Cause error
	// Passing is the result of Temporary.
	Passing bool
}

func (o *Opaque) Error() string      { return o.Text }
func (o *Opaque) As(target any) bool { return errors.As(o.Cause, target) }

// Format prints the text, under every verb: some would print the cause.
func (o Opaque) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, o.Text) }

// MarshalJSON writes the text.
func (o Opaque) MarshalJSON() ([]byte, error) { return json.Marshal(o.Text) }

// Is is errors.Is of the cause, but for ambiguity.
func (o *Opaque) Is(target error) bool {
	return target != providerauth.ErrAmbiguous && errors.Is(o.Cause, target)
}

// Timeout and Temporary make Opaque a net.Error: errors.As for a net.Error then
// finds the Opaque and not the cause.
func (o *Opaque) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(o.Cause, &t) && t.Timeout()
}

// Temporary reports whether a later attempt may succeed.
func (o *Opaque) Temporary() bool { return o.Passing }

// Excerpt is the beginning of an answer, at most 4 KiB. It is a function,
// because functions are not printed: an answer may quote the request.
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
