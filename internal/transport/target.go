package transport

import (
	"errors"
	"net/url"
	"strings"
)

// The errors leave out the path itself: its query may hold anything.
var (
	errNoBase   = errors.New("base URL: required")
	errPath     = errors.New("path: cannot be parsed")
	errAbsolute = errors.New("path: must be relative to the base URL, without scheme, host or fragment")
	errClimbs   = errors.New(`path: must not have segments "." or ".."`)
	errQuery    = errors.New("path: the query must be percent-encoded")
)

// join returns base extended by path, which may have a query. There is exactly
// one slash between the two, and every other slash and escape stays as it is.
func join(base *url.URL, path string) (url.URL, error) {
	if base.Host == "" {
		return url.URL{}, errNoBase
	}
	ref, err := url.Parse(path)
	switch {
	case err != nil:
		return url.URL{}, errPath
	case ref.Scheme != "", ref.Host != "", ref.User != nil, ref.Opaque != "",
		strings.HasPrefix(path, "//"), strings.Contains(path, "#"):
		return url.URL{}, errAbsolute
	case climbs(ref.Path):
		return url.URL{}, errClimbs
	}
	for i := range len(ref.RawQuery) {
		if b := ref.RawQuery[i]; b <= ' ' || b >= 0x7f {
			return url.URL{}, errQuery
		}
	}
	u := url.URL{Scheme: base.Scheme, Host: base.Host, RawQuery: ref.RawQuery, ForceQuery: ref.ForceQuery}
	if ref.Path == "" {
		u.Path, u.RawPath = base.Path, base.RawPath
		return u, nil
	}
	u.Path = strings.TrimSuffix(base.Path, "/") + "/" + strings.TrimPrefix(ref.Path, "/")
	if base.RawPath != "" || ref.RawPath != "" {
		u.RawPath = strings.TrimSuffix(base.EscapedPath(), "/") + "/" + strings.TrimPrefix(ref.EscapedPath(), "/")
	}
	return u, nil
}

// climbs reports whether a server that tidies up paths, even decoded ones,
// would take path for another one.
func climbs(path string) bool {
	if !strings.Contains(path, ".") {
		return false
	}
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
