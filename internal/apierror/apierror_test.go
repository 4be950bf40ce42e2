package apierror_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
)

func TestRetryableMeansThatTheSameCallCanSucceedAndDoNoHarm(t *testing.T) {
	cause := func(c apierror.Error) error { return &c }
	for name, tc := range map[string]struct {
		status int
		fields map[string]string
		err    error
		want   string
	}{
		"429":                             {429, nil, cause(apierror.Error{RetryAfter: time.Second}), "1s true"},
		"503":                             {503, nil, cause(apierror.Error{}), "0s true"},
		"503 in a fake":                   {503, nil, nil, "0s true"},
		"501":                             {501, nil, cause(apierror.Error{}), "0s false"},
		"409":                             {409, nil, cause(apierror.Error{}), "0s false"},
		"401":                             {401, nil, cause(apierror.Error{}), "0s false"},
		"ambiguous 500, harmless":         {500, nil, cause(apierror.Error{Ambiguous: true, Effect: apierror.Renews}), "0s true"},
		"ambiguous 500, harmful":          {500, nil, cause(apierror.Error{Ambiguous: true}), "0s false"},
		"ambiguous, marked in a fake":     {500, nil, providerauth.ErrAmbiguous, "0s false"},
		"lost, harmless":                  {0, nil, cause(apierror.Error{Ambiguous: true, Effect: apierror.Renews, Temporary: true}), "0s true"},
		"unusable token, harmless":        {200, nil, cause(apierror.Error{Ambiguous: true, Effect: apierror.Renews}), "0s true"},
		"unusable answer to a read":       {200, nil, cause(apierror.Error{Ambiguous: true, Effect: apierror.Reads}), "0s false"},
		"lost, harmful":                   {0, nil, cause(apierror.Error{Ambiguous: true, Temporary: true, RetryAfter: time.Second}), "0s false"},
		"refused connection":              {0, nil, cause(apierror.Error{Temporary: true}), "0s true"},
		"bad certificate":                 {0, nil, cause(apierror.Error{}), "0s false"},
		"wrong request":                   {0, map[string]string{"ctx": "nil"}, nil, "0s false"},
		"wrong request, whatever else":    {503, nil, cause(apierror.Error{Kind: providerauth.ErrInvalidRequest}), "0s false"},
		"the caller gave up":              {0, nil, cause(apierror.Error{Err: context.Canceled, Temporary: true}), "0s false"},
		"closed":                          {0, nil, cause(apierror.Error{Kind: providerauth.ErrClosed}), "0s false"},
		"contested":                       {0, nil, cause(apierror.Error{Kind: providerauth.ErrContested, RetryAfter: time.Second}), "1s true"},
		"secret unavailable":              {0, nil, cause(apierror.Error{Kind: providerauth.ErrSecretUnavailable}), "0s true"},
		"not sent for want of a provider": {0, nil, apierror.NotSent(advised{after: time.Second, ok: true}), "1s true"},
		"not sent for a wrong key":        {0, nil, apierror.NotSent(advised{}), "0s false"},
		"not sent, token call ambiguous":  {0, nil, apierror.NotSent(cause(apierror.Error{Ambiguous: true})), "0s true"},
		"not sent within the deadline":    {0, nil, apierror.NotSent(context.DeadlineExceeded), "0s true"},
		"not sent, the caller gave up":    {0, nil, apierror.NotSent(context.Canceled), "0s false"},
		"a deadline":                      {0, nil, apierror.Other(context.DeadlineExceeded), "0s true"},
		"something else":                  {0, nil, apierror.Other(io.ErrUnexpectedEOF), "0s false"},
	} {
		t.Run(name, func(t *testing.T) {
			after, ok := apierror.Facts{StatusCode: tc.status, Fields: tc.fields, Err: tc.err}.Retryable()
			if got := fmt.Sprint(after, ok); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

type advised struct {
	after time.Duration
	ok    bool
}

func (advised) Error() string                      { return "advised" }
func (a advised) Retryable() (time.Duration, bool) { return a.after, a.ok }
func (advised) As(any) bool                        { return false }

func TestARequestThatWasNotSentIsNotAmbiguousWhateverItsTokenCallWas(t *testing.T) {
	inner := &apierror.Error{Kind: providerauth.ErrBadResponse, Ambiguous: true}
	err := error(apierror.NotSent(inner))
	for target, want := range map[error]bool{
		providerauth.ErrNotSent: true, providerauth.ErrBadResponse: true, providerauth.ErrAmbiguous: false, providerauth.ErrClosed: false,
	} {
		if got := errors.Is(err, target); got != want {
			t.Errorf("errors.Is(%v): %v, want %v", target, got, want)
		}
	}
	var c *apierror.Error
	if !errors.As(err, &c) || c.Kind != providerauth.ErrNotSent {
		t.Errorf("the cause is %v", c)
	}
	if !apierror.Ambiguous(inner) {
		t.Error("the token call itself is ambiguous")
	}
}

func TestSentinelsMatchByPublicFields(t *testing.T) {
	for _, tc := range []struct {
		f    apierror.Facts
		want error
	}{
		{apierror.Facts{StatusCode: 401}, providerauth.ErrUnauthorized},
		{apierror.Facts{StatusCode: 429}, providerauth.ErrRateLimited},
		{apierror.Facts{StatusCode: 400}, providerauth.ErrInvalidRequest},
		{apierror.Facts{StatusCode: 422}, providerauth.ErrInvalidRequest},
		{apierror.Facts{Fields: map[string]string{"a": "b"}}, providerauth.ErrInvalidRequest},
		{apierror.Facts{StatusCode: 200, Fields: map[string]string{"a": "b"}}, nil},
		{apierror.Facts{StatusCode: 500}, nil},
	} {
		var got error
		for _, s := range []error{providerauth.ErrUnauthorized, providerauth.ErrRateLimited, providerauth.ErrInvalidRequest, providerauth.ErrClosed, errors.New("x")} {
			if tc.f.Is(s) {
				got = s
			}
		}
		if got != tc.want { //nolint:errorlint // identity is meant
			t.Errorf("%+v: matches %v, want %v", tc.f, got, tc.want)
		}
	}
}

func TestTextSaysWhatIsKnownAndQuotesNothingOfTheProvider(t *testing.T) {
	quote := "Bearer abc.def.ghi a@example.com"
	for want, f := range map[string]apierror.Facts{
		"p: Op: status 429, code RATE_LIMITED, request id 5b0f3c1e-8f0a-4f5e-9a5d-0d6a3b1c2e4f, 3 attempts, retry after 2s": {
			Package: "p", Op: "Op", StatusCode: 429, Code: "RATE_LIMITED", RequestID: "5b0f3c1e-8f0a-4f5e-9a5d-0d6a3b1c2e4f", Attempts: 3, RetryAfter: 2 * time.Second,
		},
		"p: Op: status 400: field clientSteamId": {
			Package: "p", Op: "Op", StatusCode: 400, Code: quote, RequestID: quote, Attempts: 1,
			Fields: map[string]string{"clientSteamId": quote, quote: quote},
		},
		"p: New: A must be b; C must be d": {Package: "p", Op: "New", Fields: map[string]string{"C": "must be d", "A": "must be b"}},
		"p: Op: the client is closed":      {Package: "p", Op: "Op", Err: &apierror.Error{Kind: providerauth.ErrClosed}},
		"p":                                {Package: "p"},
		"p: Op: status 401: check the secret": {
			Package: "p", Op: "Op", StatusCode: 401, Hint: "check the secret", Err: &apierror.Error{},
		},
		"p: Op: status 401: a cause": {
			Package: "p", Op: "Op", StatusCode: 401, Hint: "check the secret", Err: &apierror.Error{Err: errors.New("a cause")},
		},
		"p: Call GET /v2/rate: status 404: the provider has no such endpoint, or nothing of that id": {
			Package: "p", Op: "Call", StatusCode: 404, Err: &apierror.Error{Method: "GET", Path: "/v2/rate"},
		},
		"p: CallFor GET /users/{id}/orders: status 404: the provider has no such endpoint, or nothing of that id": {
			Package: "p", Op: "CallFor", StatusCode: 404, Err: &apierror.Error{Method: "GET", Path: "/users/a@example.com/orders"},
		},
		"p: Find: status 404: the provider has no such endpoint, or nothing of that id": {
			Package: "p", Op: "Find", StatusCode: 404, Err: &apierror.Error{Method: "GET", Path: "/find"},
		},
		"p: Call POST /pay: the connection was closed; outcome unknown: it may have been carried out": {
			Package: "p", Op: "Call", Err: &apierror.Error{Method: "POST", Path: "/pay", Err: errors.New("the connection was closed"), Ambiguous: true},
		},
		"p: Call GET /pay: the connection was closed": {
			Package: "p", Op: "Call", Err: &apierror.Error{Method: "GET", Path: "/pay", Err: errors.New("the connection was closed"), Ambiguous: true, Effect: apierror.Reads},
		},
		"p: Login: status 502: the provider, or a gateway before it, failed": {
			Package: "p", Op: "Login", StatusCode: 502, Err: &apierror.Error{Ambiguous: true, Effect: apierror.Renews},
		},
		"p: Login: status 502, retry after 3s: the provider, or a gateway before it, failed; no request was made since that failure of 2026-01-02T03:04:05Z": {
			Package: "p", Op: "Login", StatusCode: 502, RetryAfter: 3 * time.Second,
			Err: &apierror.Earlier{Err: &apierror.Error{}, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)},
		},
	} {
		if got := f.Text(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := fmt.Sprintf("%d", printer{f}); got != want {
			t.Errorf("under %%d: %s", got)
		}
		var s string
		if b, err := f.JSON(); err != nil || json.Unmarshal(b, &s) != nil || s != want {
			t.Errorf("as JSON: %s, %v", b, err)
		}
	}
}

type printer struct{ f apierror.Facts }

func (p printer) Format(s fmt.State, _ rune) { p.f.Print(s) }

func TestOnlyWhatHasTheFormOfACodeOrAUUIDIsPrinted(t *testing.T) {
	for code, printed := range map[string]bool{
		"1001": true, "ERR_UNKNOWN_2": true, "invalid_token": true, "A": true,
		"ap_live_51Hx": false, "InvalidToken": false, "a b": false, "a@b": false, "é": false, "A\n": false,
		"A." + "B": false, strings.Repeat("A", 49): false,
	} {
		if got := strings.Contains(apierror.Facts{Code: code}.Text(), code); got != printed {
			t.Errorf("code %q printed: %v", code, got)
		}
	}
	for id, printed := range map[string]bool{
		"5B0f3c1e-8f0a-4f5e-9a5d-0d6a3b1c2e4f": true, "5b0f3c1e-8f0a-4f5e-9a5d-0d6a3b1c2e4": false,
		"ap_live_51Hx": false, "5b0f3c1e-8f0a-4f5e-9a5d-0d6a3b1c2e4g": false, "5b0f3c1e08f0a-4f5e-9a5d-0d6a3b1c2e4f": false,
	} {
		if got := strings.Contains(apierror.Facts{RequestID: id}.Text(), id); got != printed {
			t.Errorf("request id %q printed: %v", id, got)
		}
	}
}

func TestExcerptIsCutAndValid(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "abc": "abc", "a\xffb": "a\uFFFDb", strings.Repeat("x", 5000): strings.Repeat("x", 4096),
	} {
		if d := cmp.Diff(want, apierror.NewExcerpt([]byte(in)).Text()); d != "" {
			t.Error(d)
		}
	}
	if got := apierror.Excerpt(nil).Text(); got != "" {
		t.Errorf("of nil: %q", got)
	}
}

func TestCauseSaysItsKindAndWhatIsUnderneath(t *testing.T) {
	under := errors.New("under")
	for want, c := range map[string]*apierror.Error{
		"the client is closed":        {Kind: providerauth.ErrClosed},
		"the client is closed: under": {Kind: providerauth.ErrClosed, Err: under},
		"under":                       {Err: under},
		"outcome unknown: it may have been carried out": {Ambiguous: true},
		"refused": {},
	} {
		if got := c.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if c.Err != nil && !errors.Is(c, under) {
			t.Errorf("%v hides what is underneath", c)
		}
	}
}
