package text_test

import (
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/internal/text"
)

func TestWordsAreShortAndPlain(t *testing.T) {
	for s, ok := range map[string]bool{
		"": true, "tx_1.b-2": true, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
		"a b": false, "a@b": false, "a/b": false, "é": false, "a\n": false,
	} {
		want := ""
		if ok {
			want = s
		}
		if got := text.Word(s); got != want {
			t.Errorf("Word(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestCodesAndUUIDsAreNoKeys(t *testing.T) {
	for code, want := range map[string]bool{
		"1001": true, "ERR_UNKNOWN_2": true, "invalid_token": true, "A": true, "": false,
		"ap_live_51Hx": false, "InvalidToken": false, "a b": false, "a@b": false, "é": false, "A\n": false,
		"A.B": false, strings.Repeat("A", 48): true, strings.Repeat("A", 49): false,
	} {
		if got := text.IsCode(code); got != want {
			t.Errorf("IsCode(%q): %v", code, got)
		}
	}
	for id, want := range map[string]bool{
		"5B0f3c1e-8f0a-4f5e-9a5d-0d6a3b1c2e4f": true, "5b0f3c1e-8f0a-4f5e-9a5d-0d6a3b1c2e4": false,
		"ap_live_51Hx": false, "5b0f3c1e-8f0a-4f5e-9a5d-0d6a3b1c2e4g": false, "5b0f3c1e08f0a-4f5e-9a5d-0d6a3b1c2e4f": false,
	} {
		if got := text.IsUUID(id); got != want {
			t.Errorf("IsUUID(%q): %v", id, got)
		}
	}
}

func TestPathTemplate(t *testing.T) {
	for path, want := range map[string]string{
		"/":                             "/",
		"/v2/customer/find":             "/v2/customer/find",
		"/v2/customer/1234":             "/v2/customer/{id}",
		"/users/a@example.com/x":        "/users/{id}/x",
		"/a/" + strings.Repeat("a", 33): "/a/{id}",
		"/a/ap_live_51Hx":               "/a/{id}",
		"/secure/prices-v.list_a":       "/secure/prices-v.list_a",
		"/v123/v":                       "/{id}/v",
		"/a%20b/":                       "/{id}/",
	} {
		if got := text.PathTemplate(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
