package merchantauth_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// hidden are values that must appear nowhere.
var hidden = []string{
	"sentinel-password", "sentinel-key", "sentinel-mail", "sentinel-passport", "sentinel-itn", "sentinel-token", "sentinel-refresh",
	"sentinel-answer", "sentinel-query", testkit.Sealed, "sentinel-phone",
}

// quoting answers with what it was sent, body and credentials, in Kuna's error
// envelope and in others.
func quoting(srv *merchantauthtest.Server, status int, form string) {
	srv.Intercept(nil)
	srv.Intercept(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			quote, _ := json.Marshal(string(body) + r.Header.Get("Authorization") + r.Header.Get("Api-Key") + " sentinel-answer")
			w.Header().Set("Location", "https://evil.example.com/?sentinel-query")
			w.Header().Set("Retry-After", "sentinel-answer")
			w.Header().Set("X-Request-Id", "sentinel answer")
			w.WriteHeader(status)
			fmt.Fprint(w, strings.ReplaceAll(form, "?", string(quote)))
		})
	})
}

func TestNothingSecretIsPrinted(t *testing.T) {
	opt := merchantauthtest.Options{Email: "sentinel-mail@merchant.example", Password: "sentinel-password", APIKey: "sentinel-key"}
	// One handler, whose mutex guards the text for both clients.
	logger, log := testkit.DebugLog()
	logging := func(cfg *merchantauth.Config) {
		cfg.Logger = logger
		cfg.MaxAttempts = 1
	}
	bubble(t, opt, func(t *testing.T, srv *merchantauthtest.Server, c *merchantauth.Client) {
		keyCfg := srv.KeyConfig()
		logging(&keyCfg)
		key := open(t, keyCfg)
		defer key.Close()
		tok := token(t, c)
		hiding := testkit.Hiding[*merchantauth.Error]{TB: t, Secrets: append(hidden, tok.Value(), tok.RefreshToken())}
		check := hiding.Check
		printed := func(what string, v any) { t.Helper(); hiding.CheckText(what, testkit.Printed[*merchantauth.Error](v)) }
		cfg := srv.Config()
		for what, v := range map[string]any{
			"Client": c, "Client with a key": key, "Token": tok, "*Token": &tok,
			"a struct with a Token": struct{ t merchantauth.Token }{tok},
			"NewToken":              merchantauth.NewToken("sentinel-token", "sentinel-refresh", time.Now(), time.Now()),
		} {
			check(what, v)
		}
		printed("Config", cfg)
		printed("*Config", &cfg)
		printed("Config with a key", keyCfg)

		req := alex()
		req.Email, req.VerificationDocumentID, req.ITN, req.PhoneNumber = "sentinel-mail@x.example", "sentinel-passport", "sentinel-itn", "sentinel-phone"
		query := merchantauth.CustomerQuery{Email: req.Email, PhoneNumber: req.PhoneNumber}
		printed("CreateCustomerRequest", req)
		printed("*CreateCustomerRequest", &req)
		printed("CustomerQuery", query)
		customer, err := c.CreateCustomer(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		printed("Customer", customer)
		marshalled, err := json.Marshal(customer)
		if err != nil || strings.Contains(string(marshalled), "passport") || strings.Contains(string(marshalled), "itn") {
			t.Errorf("JSON of a customer: %s, %v", marshalled, err)
		}

		calls := map[string]func(c *merchantauth.Client) error{
			"Login":          func(c *merchantauth.Client) error { _, err := c.Login(t.Context()); return err },
			"Token":          func(c *merchantauth.Client) error { _, err := c.Token(t.Context()); return err },
			"Refresh":        func(c *merchantauth.Client) error { _, err := c.Refresh(t.Context(), tok); return err },
			"CreateCustomer": func(c *merchantauth.Client) error { _, err := c.CreateCustomer(t.Context(), req); return err },
			"CustomerDetails": func(c *merchantauth.Client) error {
				_, err := c.CustomerDetails(t.Context(), "sentinel-query")
				return err
			},
			"FindCustomers": func(c *merchantauth.Client) error { _, err := c.FindCustomers(t.Context(), query); return err },
			"Call": func(c *merchantauth.Client) error {
				return c.Call(t.Context(), "POST", "/v2/x?key=sentinel-query", req, new([]int))
			},
		}
		try := func(what string) {
			t.Helper()
			for name, call := range calls {
				for _, client := range []*merchantauth.Client{c, key} {
					err := call(client)
					hiding.CheckError(what+" to "+name, err)
				}
			}
		}
		for _, status := range []int{200, 201, 302, 307, 400, 401, 403, 404, 409, 422, 429, 500, 503} {
			for _, form := range []string{
				`{"errors":[{"code":?,"message":?}]}`,
				`{"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError","message":?,"expiredAt":?}}]}`,
				`{"errors":[{"code":"sentinel-answer"}]}`, `{"errors":{?:?}}`, `{"message":?}`, `{"data":{"accessToken":?,"refreshToken":?,"expiresIn":?}}`, `{"data":[?]}`, `<html>?`,
			} {
				quoting(srv, status, form)
				try(fmt.Sprint("an answer ", status, " ", form))
				time.Sleep(2 * time.Minute)
			}
		}
		srv.Intercept(nil)
		srv.LoseAnswers(1000)
		try("a lost answer")
		srv.LoseAnswers(0)
		time.Sleep(2 * time.Minute)
		for _, client := range []*merchantauth.Client{c, key} {
			_, err = client.Transport(nil).RoundTrip(testkit.MustRequest("https://u:sentinel-password@evil.example.com/?k=sentinel-query"))
			check("another origin", err)
			check("an impossible path", client.Call(t.Context(), "GET", "https://u:sentinel-password@x/?k=sentinel-query", nil, nil))
		}
		req.Email += "\n"
		_, err = c.CreateCustomer(t.Context(), req)
		check("a request that is wrong", err)

		bad := cfg
		bad.BaseURL, bad.APIKey, bad.Email = "https://u:sentinel-password@x/?k=sentinel-query", keyCfg.APIKey, "sentinel-mail\n"
		_, err = merchantauth.New(bad)
		check("New", err)
		printed("a Config that is wrong", bad)
		bad.APIKey = nil
		_, err = merchantauth.New(bad)
		check("New", err)
		for _, f := range testkit.BadSecrets("sentinel-password") {
			cfg.Password, keyCfg.APIKey = f, f
			for _, broken := range []*merchantauth.Client{open(t, cfg), open(t, keyCfg)} {
				_, err = broken.CustomerDetails(t.Context(), "1")
				check("a failing SecretFunc", err)
				_, err = broken.HTTPClient().Get(srv.URL() + "/v2/x")
				check("a failing SecretFunc in Transport", err)
				broken.Close()
			}
		}
		check("the log", log.String())
		testkit.Contains(t, log.String(), "op=Login", "op=Refresh", "op=CreateCustomer")
	}, logging)
}
