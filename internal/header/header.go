// Package header sets and deletes HTTP headers whose names go out exactly as
// spelled. Set and Del of http.Header know the canonical spelling only. HTTP/2
// lower-cases all names.
package header

import (
	"net/http"
	"strings"
)

// Set sets name exactly as spelled and removes every other capitalisation.
// User-Agent must be spelled so, or net/http adds its own.
func Set(h http.Header, name, value string) {
	Delete(h, name)
	h[name] = []string{value}
}

// Delete removes name in every capitalisation.
func Delete(h http.Header, name string) {
	for key := range h {
		if strings.EqualFold(key, name) {
			delete(h, key)
		}
	}
}

// Default sets name unless it is set in any capitalisation.
func Default(h http.Header, name, value string) {
	for key := range h {
		if strings.EqualFold(key, name) {
			return
		}
	}
	h[name] = []string{value}
}

// Authorize sets the Authorization header and removes every other
// capitalisation. h keeps values.
func Authorize(h http.Header, values []string) {
	Delete(h, "Authorization")
	h["Authorization"] = values
}

// AuthorizeRequest is Authorize for a request built by an operator. It does
// nothing without a request or without values.
func AuthorizeRequest(r *http.Request, values []string) {
	if r == nil || values == nil {
		return
	}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	Authorize(r.Header, values)
}
