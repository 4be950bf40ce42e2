package header_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/internal/header"
)

func TestHeader(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(h http.Header)
		want   http.Header
	}{
		"Set leaves one spelling": {
			func(h http.Header) { header.Set(h, "sIgn", "5") },
			http.Header{"sIgn": {"5"}, "Authorization": {"a"}, "authorization": {"b"}, "Other": {"o"}},
		},
		"Delete leaves none": {
			func(h http.Header) { header.Delete(h, "sIgn") },
			http.Header{"Authorization": {"a"}, "authorization": {"b"}, "Other": {"o"}},
		},
		"Default leaves what is set": {
			func(h http.Header) { header.Default(h, "sIgn", "5"); header.Default(h, "new", "6") },
			http.Header{"Sign": {"1", "2"}, "SIGN": {"3"}, "sign": nil, "new": {"6"}, "Authorization": {"a"}, "authorization": {"b"}, "Other": {"o"}},
		},
		"Authorize leaves one credential": {
			func(h http.Header) { header.Authorize(h, []string{"Bearer t"}) },
			http.Header{"Sign": {"1", "2"}, "SIGN": {"3"}, "sign": nil, "Authorization": {"Bearer t"}, "Other": {"o"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{
				"Sign": {"1", "2"}, "SIGN": {"3"}, "sign": nil, "Authorization": {"a"}, "authorization": {"b"}, "Other": {"o"},
			}
			tc.change(h)
			if diff := cmp.Diff(tc.want, h); diff != "" {
				t.Error(diff)
			}
		})
	}
}
