//go:build !go1.27 || !goexperiment.jsonv2

package klas

// split reads the members of a JSON object, and reports whether body is an object.
func split(body []byte) (members, bool) { return splitMap(body) }
