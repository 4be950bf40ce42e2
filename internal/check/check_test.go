package check_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestProblemsKeepEveryRuleOfAField(t *testing.T) {
	var p check.Problems
	p.Add("A", "one")
	p.Add("B", "two")
	p.Add("A", "three")
	testkit.Equal(t, "problems", p, check.Problems{"A": "one; three", "B": "two"})
}

func TestBaseURLAccepts(t *testing.T) {
	for _, raw := range []string{
		"https://api.example.com",
		"https://api.example.com/",
		"https://api.example.com/v1/base",
		"HTTPS://API.EXAMPLE.COM",
		"https://api.example.com:8443",
		"https://10.0.0.1",
		"https://[2001:db8::1]:443/x",
		"http://localhost",
		"http://LOCALHOST:8080/v1",
		"http://127.0.0.1:1",
		"http://127.255.255.254",
		"http://[::1]:65535",
	} {
		var p check.Problems
		u := p.BaseURL("BaseURL", raw)
		if u == nil || p != nil {
			t.Errorf("%s: %v, %v", raw, u, p)
			continue
		}
		if !strings.EqualFold(u.String(), raw) {
			t.Errorf("%s became %s", raw, u)
		}
	}
}

func TestBaseURLRefuses(t *testing.T) {
	const (
		absolute = "must be an absolute URL with a host"
		https    = "must be an https URL"
		loopback = "must be an https URL; http is for loopback hosts only"
		userinfo = "must not contain a user name or password"
		query    = "must not have a query or fragment"
		port     = "must have a port from 1 to 65535, or none and no colon"
		space    = "must not begin or end with white space"
		control  = "must be valid UTF-8 without control characters"
	)
	for _, test := range []struct{ raw, want string }{
		{"", "required"},
		{" https://canary.example", space},
		{"https://canary.example\n", space},
		{"https://canary.example\u00a0", space},
		{" ", space},
		{"canary.example", absolute},
		{"/canary", absolute},
		{"//canary.example", absolute},
		{"localhost:8080", absolute},
		{"https:canary.example", absolute},
		{"https://", absolute},
		{"https:///canary", absolute},
		{"https://:443", absolute},
		{"https://can ary.example", absolute},
		{"https://user:canary@exa mple.com", absolute},
		{"https://user:canary%zz@example.com", absolute},
		{"https://example.com:canary", absolute},
		{"https://example.com\\@canary.example", absolute},
		{"https://[::1", absolute},
		{"ftp://canary.example", https},
		{"wss://canary.example", https},
		{"http://canary.example", loopback},
		{"http://localhost.canary.example", loopback},
		{"http://127.0.0.1.canary.example", loopback},
		{"http://128.0.0.1", loopback},
		{"http://0.0.0.0", loopback},
		{"http://10.0.0.1", loopback},
		{"http://2130706433", loopback},
		{"https://canary@example.com", userinfo},
		{"https://user:canary@example.com", userinfo},
		{"https://@example.com", userinfo},
		{"http://127.0.0.1@canary.example", userinfo},
		{"https://example.com?key=canary", query},
		{"https://example.com/?", query},
		{"https://example.com?", query},
		{"https://example.com#canary", query},
		{"https://example.com#", query},
		{"https://example.com:", port},
		{"https://example.com:0", port},
		{"https://example.com:65536", port},
		{"https://example.com:99999999999999999999", port},
		{"https://exam\nple.com/canary", control},
		{"https://example.com/\u0085canary", control},
		{"https://example.com/\u2028canary", control},
		{"https://example.com/\xffcanary", control},
	} {
		var p check.Problems
		u := p.BaseURL("BaseURL", test.raw)
		if u != nil {
			t.Errorf("%q is accepted as %v", test.raw, u)
		}
		testkit.Equal(t, test.raw, p, check.Problems{"BaseURL": test.want})
		if strings.Contains(p["BaseURL"], "canary") {
			t.Errorf("%q is repeated: %v", test.raw, p)
		}
	}
}

func TestBaseURLIsRequired(t *testing.T) {
	var p check.Problems
	if u := p.BaseURL("BaseURL", ""); u != nil || p["BaseURL"] != "required" {
		t.Errorf("%v, %v", u, p)
	}
}

func TestHTTPClient(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		c    *http.Client
		want check.Problems
	}{
		{"nil", nil, nil},
		{"plain", &http.Client{Timeout: time.Second}, nil},
		{"a jar", &http.Client{Jar: jar}, check.Problems{"HTTPClient.Jar": "must be nil: cookies would tie tokens together"}},
		{"a negative timeout", &http.Client{Timeout: -1}, check.Problems{"HTTPClient.Timeout": "must not be negative"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got check.Problems
			got.HTTPClient(test.c)
			testkit.Equal(t, "result", got, test.want)
		})
	}
}

func TestNegativeAndEndlessNumbersAreProblems(t *testing.T) {
	var got check.Problems
	got.Duration("Zero", 0)
	got.Duration("Second", time.Second)
	got.Duration("Negative", -1)
	got.Duration("Endless", 1<<63-1)
	got.Count("None", 0)
	got.Count("Three", 3)
	got.Count("MinusOne", -1)
	want := check.Problems{
		"Negative": "must not be negative", "Endless": "must be at most ten years", "MinusOne": "must not be negative",
	}
	testkit.Equal(t, "result", got, want)
}

func TestProblems_Require(t *testing.T) {
	const (
		ends    = "must not begin or end with white space, a line break or a byte order mark"
		control = "must not contain control characters or line breaks"
	)
	for _, test := range []struct {
		name, value string
		need        bool
		maxRunes    int
		want        string
	}{
		{"plain", "user-123", true, 128, ""},
		{"with a space inside", "a b", true, 0, ""},
		{"an email", "a.b+c@example.com", true, 0, ""},
		{"not ASCII", "é漢😀", true, 0, ""},
		{"empty, needed", "", true, 0, "required"},
		{"empty, not needed", "", false, 0, ""},
		{"as long as allowed", strings.Repeat("a", 128), true, 128, ""},
		{"as long as allowed in code points", strings.Repeat("😀", 128), true, 128, ""},
		{"too long", strings.Repeat("😀", 129), true, 128, "must have at most 128 characters"},
		{"long without a limit", strings.Repeat("a", 1<<16), true, 0, ""},
		{"invalid UTF-8", "a\xff", true, 0, "must be valid UTF-8"},
		{"a surrogate in UTF-8", "a\xed\xa0\x80", true, 0, "must be valid UTF-8"},
		{"a newline at the end", "a\n", true, 0, ends},
		{"a space before", " a", true, 0, ends},
		{"white space only, not needed", " ", false, 0, ends},
		{"NEL inside", "a\u0085b", true, 0, control},
		{"a line separator inside", "a\u2028b", true, 0, control},
		{"NUL", "a\x00", true, 0, control},
		{"two rules", "a\x00bcd", true, 4, control + "; must have at most 4 characters"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got, want check.Problems
			if test.want != "" {
				want = check.Problems{"ClientID": test.want}
			}
			if test.need {
				got.Require("ClientID", test.value)
			} else {
				got.Optional("ClientID", test.value)
			}
			if test.maxRunes > 0 {
				got.AtMost(test.maxRunes, "ClientID", test.value)
			}
			testkit.Equal(t, "result", got, want)
		})
	}
}

func TestProblems_HMACKey(t *testing.T) {
	t.Run("takes short keys outside FIPS 140-only mode, and none", func(t *testing.T) {
		var p check.Problems
		p.HMACKey("Static", providerauth.StaticSecret("x"))
		p.HMACKey("Function", func(context.Context) (string, error) { panic("called") })
		p.HMACKey("Missing", nil)
		p.RequireHMACKeys("List", providerauth.StaticSecrets("x", "y"))
		if p != nil {
			t.Errorf("%v", p)
		}
	})
	t.Run("reports a missing list", func(t *testing.T) {
		var p check.Problems
		p.RequireHMACKeys("List", nil)
		if p["List"] != check.Missing {
			t.Errorf("%v", p)
		}
	})
}

func TestProblems_RequireSecret(t *testing.T) {
	var got check.Problems
	got.RequireSecret("Missing", nil)
	got.RequireSecret("Given", providerauth.StaticSecret("x"))
	got.RequireSecret("Blank", providerauth.StaticSecret(" "))
	testkit.Equal(t, "result", got, check.Problems{"Missing": check.Missing, "Blank": check.Missing})
}

func TestLogSecretSaysOnlyWhetherOneIsSet(t *testing.T) {
	got := []string{check.LogSecret(nil), check.LogSecret(providerauth.StaticSecret("x"))}
	testkit.Equal(t, "result", got, []string{"not set", "set"})
}

func TestTokenValue(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        bool
	}{
		{"a JWT", "ABCXYZabcxyz019-._~+/=", true},
		{"Laravel Sanctum's form", "1|laravel:sanctum!", true},
		{"the first and the last", "!~", true},
		{"one character", "a", true},
		{"16384 characters", strings.Repeat("a", 16384), true},
		{"16385 characters", strings.Repeat("a", 16385), false},
		{"empty", "", false},
		{"a newline", "a\n", false},
		{"a space", "a b", false},
		{"a scheme", "Bearer a", false},
		{"a quote", `"a"`, true},
		{"a comma", "a,b", true},
		{"a tab", "a\tb", false},
		{"DEL", "a\x7f", false},
		{"not ASCII", "é", false},
		{"NUL", "a\x00", false},
		{"punctuation", "@[]`{}:", true},
	} {
		if got := check.TokenValue(test.value); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}

func TestValidInputAllocatesNothing(t *testing.T) {
	f := providerauth.StaticSecret("x")
	n := testing.AllocsPerRun(100, func() {
		var p check.Problems
		p.Require("ClientID", "user-123")
		p.AtMost(128, "ClientID", "user-123")
		p.RequireSecret("Secret", f)
		p.Duration("RefreshBefore", time.Second)
		if p != nil || !check.TokenValue("abc.def.ghi") {
			t.Fail()
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOutMustBeNilOrAPointerThatIsNotNil(t *testing.T) {
	var none *int
	for name, test := range map[string]struct {
		out any
		ok  bool
	}{
		"nil": {nil, true}, "pointer": {new(int), true}, "nil pointer": {none, false}, "value": {1, false}, "map": {map[string]int{}, false},
	} {
		var p check.Problems
		p.Out("out", test.out)
		if ok := p == nil; ok != test.ok {
			t.Errorf("%s: %v", name, p)
		}
	}
}
