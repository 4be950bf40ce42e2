package assetpay_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// FuzzAnswer feeds arbitrary answers to the calls that decode them. Whatever
// comes, a call ends in a usable result or in an error that says what it is
// and shows nothing of the body.
func FuzzAnswer(f *testing.F) {
	for _, s := range []struct {
		status int
		body   string
	}{
		{200, `{"requestId":"r","success":true,"data":{"token":"abc.def.ghi"}}`},
		{200, `{"requestId":"r","success":false,"error":{"code":1001,"key":"VALIDATION_FAILED","message":["a"],"fields":{"a":"b"}}}`},
		{401, `{"requestId":"r","success":false,"error":{"code":1102,"key":"INVALID_TOKEN","message":"x","details":{}}}`},
		{502, `<html>`},
		{204, ``},
	} {
		f.Add(s.status, s.body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = 200 + (status%400+400)%400
		c := open(t, assetpay.Config{
			APIKey: providerauth.StaticSecret("ap_1"), MaxAttempts: 1,
			HTTPClient: &http.Client{Transport: testkit.Responding(status, nil, body)},
		})
		defer c.Close()

		resp, err := c.AuthenticateClient(t.Context(), user())
		check(t, status, body, err)
		if err == nil {
			var want struct {
				Success bool
				Data    struct{ Token string }
			}
			if json.Unmarshal([]byte(body), &want) != nil || !want.Success || want.Data.Token == "" || resp.Token.Value() != want.Data.Token {
				t.Fatalf("token %q of %q", resp.Token.Value(), body)
			}
			if resp.Token.ExpiresAt.IsZero() {
				t.Fatal("no expiry")
			}
		} else if resp.Token.Value() != "" {
			t.Fatal("a token beside an error")
		}
		var out json.RawMessage
		err = c.Call(t.Context(), http.MethodPost, "/secure/x", nil, &out)
		check(t, status, body, err)
		if (err == nil) != (len(out) > 0) {
			t.Fatalf("error %v, data %s", err, out)
		}
	})
}

func check(t *testing.T, status int, body string, err error) {
	t.Helper()
	if err == nil {
		if status >= 300 {
			t.Fatalf("status %d is a success", status)
		}
		return
	}
	var e *assetpay.Error
	if !errors.As(err, &e) || e.StatusCode != status || e.Attempts != 1 {
		t.Fatalf("status %d: %#v", status, err)
	}
	if e.Ambiguous() != errors.Is(err, providerauth.ErrAmbiguous) {
		t.Fatal("Ambiguous and ErrAmbiguous differ")
	}
	if after, ok := e.Retryable(); !ok && after != 0 {
		t.Fatal("a wait for what is not retryable")
	}
	if len(body) > 64 && strings.Contains(err.Error(), body) {
		t.Fatal("the text shows the body")
	}
	if status < 300 && e.Key == "" && !errors.Is(err, providerauth.ErrBadResponse) && !strings.Contains(body, "false") {
		t.Fatalf("a success became %v", err)
	}
	if len(e.Body()) > 4<<10+2 {
		t.Fatalf("an excerpt of %d bytes", len(e.Body()))
	}
}
