package merchantauth_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
)

// responding answers every request with JSON.
func responding(status int, body string) testkit.RoundTrip {
	return testkit.Responding(status, http.Header{"Content-Type": {"application/json"}}, body)
}

// FuzzAnswers has every decoder read every answer: none panics, a success is
// usable, and an error is an *Error with the status and a short text.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		`{"data":{"accessToken":"` + sampleAccess + `","expiresIn":1707241515,"refreshToken":"` + sampleRefresh + `"}}`,
		`{"data":{"accessToken":"a","expiresIn":"4.1e9"}}`,
		`{"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError","message":"jwt expired","expiredAt":"2024-02-09T19:23:17.000Z"}}]}`,
		`{"errors":[{"code":"REFRESH_TOKEN_EXPIRED","message":"Invalid token"}]}`,
		`{"errors":{"message":[1,null,{"message":"x"}]},"data":null}`,
		`{"data":[{"id":"1","createdAt":"2024-02-09T19:23:17.000Z"}]}`,
		`{"data":{"items":[{"id":1}],"id":"x"}}`,
	} {
		f.Add(uint16(200), body)
		f.Add(uint16(401), body)
	}
	f.Fuzz(func(t *testing.T, status uint16, body string) {
		status = 200 + status%400
		cfg := merchantauth.Config{
			BaseURL: "https://core.example.com", MerchantID: "m", Email: "a@b.c", Password: providerauth.StaticSecret("p"),
			HTTPClient: &http.Client{Transport: responding(int(status), body)}, MaxAttempts: 1,
		}
		session := open(t, cfg)
		defer session.Close()
		key := open(t, merchantauth.Config{
			BaseURL: cfg.BaseURL, APIKey: providerauth.StaticSecret("k"), HTTPClient: cfg.HTTPClient, MaxAttempts: 1,
		})
		defer key.Close()
		check := func(err error) {
			t.Helper()
			e := errorIs(t, err)
			if e.StatusCode != int(status) || len(e.Error()) > 600 {
				t.Errorf("status %d: %v", status, e)
			}
			_, _ = e.Retryable()
			for _, x := range e.Entries { // a bad byte becomes a character of three
				if len(x.Message) > 3*len(body) || len(x.Code) > 3*len(body) {
					t.Errorf("an entry is longer than the body: %q", x)
				}
			}
		}
		for _, get := range []func() (merchantauth.Token, error){
			func() (merchantauth.Token, error) { return session.Login(t.Context()) },
			func() (merchantauth.Token, error) {
				return session.Refresh(t.Context(), merchantauth.NewToken("", "elsewhere", time.Time{}, time.Time{}))
			},
		} {
			tok, err := get()
			if err != nil {
				check(err)
				continue
			}
			if tok.Value() == "" || !tok.ExpiresAt.After(time.Now().Add(-time.Minute)) || status >= 300 {
				t.Errorf("status %d, %q: %v", status, body, tok)
			}
			if (tok.RefreshToken() == "") != tok.RefreshExpiresAt.IsZero() && tok.RefreshToken() != "elsewhere" {
				t.Errorf("refresh token %q until %v", tok.RefreshToken(), tok.RefreshExpiresAt)
			}
		}
		for _, get := range []func() ([]merchantauth.Customer, error){
			func() ([]merchantauth.Customer, error) {
				c, err := key.CreateCustomer(t.Context(), alex())
				return []merchantauth.Customer{c}, err
			},
			func() ([]merchantauth.Customer, error) {
				c, err := key.CustomerDetails(t.Context(), "1")
				return []merchantauth.Customer{c}, err
			},
			func() ([]merchantauth.Customer, error) {
				return key.FindCustomers(t.Context(), merchantauth.CustomerQuery{Email: "a@b.c"})
			},
		} {
			found, err := get()
			if err != nil {
				check(err)
				continue
			}
			for _, c := range found {
				if c.ID == "" || len(c.Raw()) == 0 {
					t.Errorf("a customer without an id in %q", body)
				}
			}
		}
		if _, got := testkit.Do(t, key.HTTPClient(), testkit.Request(t, http.MethodGet, cfg.BaseURL+"/v2/x", "")); got != body {
			t.Errorf("Transport changed the body: %q", got)
		}
	})
}

// FuzzRejected has Transport judge every answer in session mode and hand it on
// as it came.
func FuzzRejected(f *testing.F) {
	f.Add(uint16(200), `{"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError"}}]}`)
	f.Add(uint16(401), `{}`)
	f.Add(uint16(500), `{"errors":{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError"}}`)
	f.Fuzz(func(t *testing.T, status uint16, body string) {
		status = 200 + status%400
		c := open(t, merchantauth.Config{
			BaseURL: "https://core.example.com", MerchantID: "m", Email: "a@b.c", Password: providerauth.StaticSecret("p"),
			HTTPClient: &http.Client{Transport: loggingIn{responding(int(status), body)}}, MaxAttempts: 1,
		})
		defer c.Close()
		resp, got := testkit.Do(t, c.HTTPClient(), testkit.Request(t, http.MethodGet, "https://core.example.com/v2/x", ""))
		if got != body || resp.StatusCode != int(status) {
			t.Errorf("Transport changed the answer: %d %q", resp.StatusCode, got)
		}
	})
}

// loggingIn answers logins and refreshes, and leaves the rest to another.
type loggingIn struct{ http.RoundTripper }

func (l loggingIn) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == loginPath || r.URL.Path == refreshPath {
		now := time.Now()
		access := jwt(fmt.Sprintf(`{"jwtId":"%d"}`, now.UnixNano()))
		body := fmt.Sprintf(`{"data":{"accessToken":%q,"expiresIn":%d,"refreshToken":"r"}}`, access, now.Unix()+1800)
		return responding(http.StatusOK, body)(r)
	}
	return l.RoundTripper.RoundTrip(r)
}
