package transport

import (
	"net/url"
	"strings"
)

// A misuse is the reason why a call is not made.
type misuse struct {
	field, rule string
	err         error // underneath, or nil
}

// The rules leave out the path itself: its query may hold anything.
var (
	noBase   = &misuse{field: "base URL", rule: "is required"}
	badPath  = &misuse{field: "path", rule: "cannot be parsed"}
	absolute = &misuse{field: "path", rule: "must be relative to the base URL, without scheme, host or fragment"}
	climbing = &misuse{field: "path", rule: `must not have segments "." or ".."`}
	badQuery = &misuse{field: "path", rule: "must have a query that is percent-encoded"}
)

// join returns base extended by path, which may have a query. There is exactly
// one slash between the two, and every other slash and escape stays as it is.
func join(base *url.URL, path string) (url.URL, *misuse) {
	if base.Host == "" {
		return url.URL{}, noBase
	}
	ref, err := url.Parse(path)
	switch {
	case err != nil:
		return url.URL{}, badPath
	case ref.Scheme != "", ref.Host != "", ref.User != nil, ref.Opaque != "",
		strings.HasPrefix(path, "//"), strings.Contains(path, "#"):
		return url.URL{}, absolute
	case climbs(ref.Path):
		return url.URL{}, climbing
	}
	for i := range len(ref.RawQuery) {
		if b := ref.RawQuery[i]; b <= ' ' || b >= 0x7f {
			return url.URL{}, badQuery
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

// climbs reports whether a server that tidies up paths, even decoded paths,
// would take path for another path.
func climbs(path string) bool {
	if !strings.Contains(path, ".") {
		return false
	}
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		name, _, _ := strings.Cut(segment, ";") // Tomcat and Spring cut parameters first
		if name == "." || name == ".." {
			return true
		}
	}
	return false
}
