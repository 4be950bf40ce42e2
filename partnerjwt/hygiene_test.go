package partnerjwt_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// hidden are values that must appear nowhere.
var hidden = []string{"sentinel-secret", "sentinel-token", "sentinel-answer", "sentinel-query", testkit.Sealed}

func TestNothingSecretIsPrinted(t *testing.T) {
	logger, log := testkit.DebugLog()
	provider.Bubble(t, partnerjwttest.Options{Secret: "sentinel-secret"}, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		cfg := srv.Config()
		cfg.Logger = logger
		tok, err := c.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hiding := testkit.Hiding[*partnerjwt.Error]{TB: t, Secrets: append(hidden, tok.Value())}
		check := hiding.Check
		check("Config", cfg)
		check("*Config", &cfg)
		check("Client", c)
		check("Token", tok)
		check("*Token", &tok)
		check("a struct with a Token", struct{ t partnerjwt.Token }{tok})
		check("NewToken", partnerjwt.NewToken("sentinel-token", time.Now()))

		// Answers that quote what was sent, under every status.
		for _, status := range []int{200, 201, 302, 307, 400, 401, 403, 404, 422, 429, 500, 503} {
			srv.Intercept(nil)
			srv.Intercept(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Location", "https://evil.example.com/?sentinel-query="+r.Header.Get("Authorization"))
					w.Header().Set("Retry-After", "sentinel-answer")
					w.WriteHeader(status)
					fmt.Fprintf(w, `{"message":"sentinel-answer %s","code":"sentinel answer"}`, r.Header.Get("Authorization"))
				})
			})
			err := c.Call(t.Context(), "POST", "/trade?key=sentinel-query", map[string]string{"x": "sentinel-answer"}, new([]int))
			if err == nil {
				t.Fatalf("status %d is no error", status)
			}
			hiding.CheckError(fmt.Sprint("the error of status ", status), err)
		}
		srv.Intercept(nil)
		srv.LoseAnswers(10)
		check("a lost answer", c.Call(t.Context(), "POST", "/trade?key=sentinel-query", nil, nil))
		_, err = c.Portfolio(t.Context())
		check("a lost GET", err)
		_, err = c.Transport(nil).RoundTrip(testkit.MustRequest("https://u:sentinel-secret@evil.example.com/?k=sentinel-query"))
		check("another origin", err)
		check("an impossible path", c.Call(t.Context(), "GET", "https://u:sentinel-secret@x/?k=sentinel-query", nil, nil))
		_, err = partnerjwt.Verify(t.Context(), tok.Value()+"x", cfg.Secret, partnerjwt.VerifyOptions{})
		check("Verify", err)

		bad := cfg
		bad.BaseURL = "https://u:sentinel-secret@x/?k=sentinel-query"
		_, err = partnerjwt.New(bad)
		check("New", err)
		check("a Config that is wrong, logged", bad.LogValue().String())
		check("a Config that is wrong, printed", fmt.Sprintf("%v %+v %#v %s %q %x %d", bad, bad, bad, bad, &bad, bad, []any{bad}))
		for _, f := range testkit.BadSecrets("sentinel-secret") {
			cfg.Secret = f
			broken := open(t, cfg)
			_, err = broken.Token(t.Context())
			check("a failing SecretFunc", err)
			_, err = broken.HTTPClient().Get(srv.URL() + "/portfolio")
			check("a failing SecretFunc in Transport", err)
			broken.Close()
		}
		check("the log", log.String())
		testkit.Contains(t, log.String(), "op=Call")
	}, func(cfg *partnerjwt.Config) { cfg.Logger = logger })
}
