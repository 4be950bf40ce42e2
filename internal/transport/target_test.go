package transport_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

func TestPathExtendsTheBaseURL(t *testing.T) {
	for _, tt := range []struct{ base, path, want string }{
		{"https://h.example", "/a", "https://h.example/a"},
		{"https://h.example", "a", "https://h.example/a"},
		{"https://h.example/", "/a", "https://h.example/a"},
		{"https://h.example/v1", "/a", "https://h.example/v1/a"},
		{"https://h.example/v1/", "/a/", "https://h.example/v1/a/"},
		{"https://h.example/v1/", "a//b", "https://h.example/v1/a//b"},
		{"https://h.example/v1/", "", "https://h.example/v1/"},
		{"https://h.example/v1", "", "https://h.example/v1"},
		{"https://h.example/v1", "?q=1", "https://h.example/v1?q=1"},
		{"https://h.example/v1", "/a?q=%20b&c=/d..", "https://h.example/v1/a?q=%20b&c=/d.."},
		{"https://h.example/v1", "/a?", "https://h.example/v1/a?"},
		{"https://h.example/v1", "/a%2Fb", "https://h.example/v1/a%2Fb"},
		{"https://h.example/x%2Fy", "/a", "https://h.example/x%2Fy/a"},
		{"https://h.example/x%2Fy", "", "https://h.example/x%2Fy"},
		{"https://h.example/v1", "/a b", "https://h.example/v1/a%20b"},
		{"https://h.example/v1", "/a:b", "https://h.example/v1/a:b"},
		{"https://h.example/v1", "/user@host", "https://h.example/v1/user@host"},
		{"https://h.example/v1", "/..a/b.../.c", "https://h.example/v1/..a/b.../.c"},
		{"http://127.0.0.1:8080/v1", "/ü", "http://127.0.0.1:8080/v1/%C3%BC"},
	} {
		var got string
		c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.URL.String()
			return answer(200, ""), nil
		}), func(cfg *transport.Config) { cfg.BaseURL = parse(t, tt.base) })
		if _, err := c.Do(t.Context(), transport.Call{Op: "Get", Method: "GET", Path: tt.path}); err != nil || got != tt.want {
			t.Errorf("%s and %s: %s (%v), want %s", tt.base, tt.path, got, err, tt.want)
		}
	}
}

func TestPathThatLeavesTheBaseURLIsRefused(t *testing.T) {
	for path, want := range map[string]string{
		"https://elsewhere.example/a": "must be relative",
		"//elsewhere.example/a":       "must be relative",
		"///elsewhere.example/a":      "must be relative",
		"mailto:secret":               "must be relative",
		"file:/secret":                "must be relative",
		"/a#secret":                   "must be relative",
		"/a#":                         "must be relative",
		"..":                          "must not have segments",
		"/../secret":                  "must not have segments",
		"/a/../../secret":             "must not have segments",
		"/a/%2e%2E/secret":            "must not have segments",
		"/a/..%2fsecret":              "must not have segments",
		`/a/..\secret`:                "must not have segments",
		"/a/..;/secret":               "must not have segments",
		"/a/..;x=1/secret":            "must not have segments",
		"/a/..%3b/secret":             "must not have segments",
		"/a/.;/secret":                "must not have segments",
		"/a/./secret":                 "must not have segments",
		"/a/secret/.":                 "must not have segments",
		"/%zz-secret":                 "cannot be parsed",
		"/a\nsecret":                  "cannot be parsed",
		"a:secret/b":                  "must be relative",
		"/a?secret=a b":               "percent-encoded",
		"/a?secret=ü":                 "percent-encoded",
	} {
		c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
			t.Errorf("%s: sent to %s", path, r.URL)
			return answer(200, ""), nil
		}), nil)
		_, err := c.Do(t.Context(), transport.Call{Op: "Get", Method: "GET", Path: path})
		said := text(failure(t, err))
		if !errors.Is(err, providerauth.ErrInvalidRequest) || !strings.Contains(said, ": path ") || !strings.Contains(said, want) || strings.Contains(said, "secret") {
			t.Errorf("%s: %s, want %s", path, said, want)
		}
	}
}

func TestUserinfoOfTheBaseURLIsNotSent(t *testing.T) {
	c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.User != nil || r.Header.Get("Authorization") != "" {
			t.Errorf("sent to %s with %v", r.URL, r.Header)
		}
		return answer(200, ""), nil
	}), func(cfg *transport.Config) { cfg.BaseURL = parse(t, "https://user:password@h.example") })
	if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil {
		t.Fatal(err)
	}
}
