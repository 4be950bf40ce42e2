package platformtoken_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// hidden are values that must appear nowhere.
var hidden = []string{
	"sentinel-secret", "sentinel-token", "sentinel-answer", "sentinel-query", testkit.Sealed, "sentinel-sign", "sentinel tx",
}

func TestNothingSecretIsPrinted(t *testing.T) {
	logger, log := testkit.DebugLog()
	provider.Bubble(t, platformtokentest.Options{Secret: "sentinel-secret"}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		cfg := srv.Config()
		cfg.Logger = logger
		tok := token(t, c, brl)
		r, _ := last(t, srv)
		hiding := testkit.Hiding[*platformtoken.Error]{TB: t, Secrets: append(hidden, tok.Value(), r.Header.Get("sign"))}
		check := hiding.Check
		check("Config", cfg)
		check("*Config", &cfg)
		check("Client", c)
		check("Token", tok)
		check("*Token", &tok)
		check("TokenSource", c.TokenSource(brl))
		check("a struct with a Token", struct{ t platformtoken.Token }{tok})
		check("NewToken", platformtoken.NewToken("sentinel-token", time.Now()))
		testkit.Equal(t, "JSON of a token", testkit.Marshalled(tok), testkit.Refused)

		// Answers that quote what was sent, under every status.
		transferOf := func(id string) error {
			_, err := c.Transfer(t.Context(), brl, in(t, id, "1"))
			return err
		}
		for _, status := range []int{200, 201, 302, 307, 400, 401, 403, 404, 422, 429, 500, 503} {
			for _, success := range []string{"true", "false"} {
				srv.Intercept(nil)
				srv.Intercept(func(http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						quoted := r.Header.Get("Authorization") + " " + r.Header.Get("sign")
						w.Header().Set("Location", "https://evil.example.com/?sentinel-query="+r.Header.Get("sign"))
						w.Header().Set("Retry-After", "sentinel-answer")
						w.Header().Set("X-Request-Id", "sentinel answer")
						w.WriteHeader(status)
						fmt.Fprintf(w, `{"isSuccess":%s,"message":"sentinel-answer %s","code":7,"data":{"token":"sentinel-answer ","x":%q}}`, success, quoted, quoted)
					})
				})
				_, created := c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: "another"})
				for what, err := range map[string]error{
					"Call":        c.Call(t.Context(), "POST", "/x?key=sentinel-query", map[string]string{"x": "sentinel-answer"}, new([]int)),
					"CallFor":     c.CallFor(t.Context(), brl, "POST", "/x?key=sentinel-query", nil, new([]int)),
					"Transfer":    transferOf("sentinel tx"),
					"CreateToken": created,
				} {
					if err == nil {
						t.Fatalf("%s: status %d is no error", what, status)
					}
					hiding.CheckError(fmt.Sprint("the error of ", what, " with status ", status), err)
				}
				srv.Intercept(nil)
				time.Sleep(2 * time.Minute) // no damper, no back-off
			}
		}
		srv.LoseAnswers(20)
		check("a lost answer", c.Call(t.Context(), "POST", "/x?key=sentinel-query", nil, nil))
		check("a lost transfer", transferOf("sentinel tx"))
		_, err := c.Balance(t.Context(), brl)
		check("a lost balance", err)
		_, err = c.Token(t.Context(), platformtoken.Player{UserID: "third"})
		check("a lost token", err)
		srv.LoseAnswers(0)
		evil, err := http.NewRequest(http.MethodPost, "https://u:sentinel-secret@evil.example.com/?k=sentinel-query", io.NopCloser(strings.NewReader("sentinel-answer")))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Transport(nil).RoundTrip(evil)
		check("another origin", err)
		_, err = c.TransportFor(brl, nil).RoundTrip(evil)
		check("another origin, with a token", err)
		check("an impossible path", c.Call(t.Context(), "POST", "https://u:sentinel-secret@x/?k=sentinel-query", nil, nil))

		bad := cfg
		bad.BaseURL = "https://u:sentinel-secret@x/?k=sentinel-query"
		_, err = platformtoken.New(bad)
		check("New", err)
		check("a Config that is wrong, logged", bad.LogValue().String())
		for _, f := range testkit.BadSecrets("sentinel-secret") {
			withSecret, withSigner := cfg, cfg
			withSecret.Secret = f
			withSigner.Secret = nil
			withSigner.Signer = platformtoken.SignerFunc(func(ctx context.Context, in platformtoken.SignInput) (string, error) {
				v, err := f(ctx)
				return v + "\nsentinel-sign", err
			})
			for _, cfg := range []platformtoken.Config{withSecret, withSigner} {
				broken := open(t, cfg)
				check("a Config with a signer", cfg)
				_, err = broken.Token(t.Context(), brl)
				check("a signature that cannot be had", err)
				_, err = broken.HTTPClientFor(brl).Post(srv.URL()+getBalance, "", nil)
				check("the same in TransportFor", err)
				_, err = broken.HTTPClient().Post(srv.URL()+getBalance, "", nil)
				check("the same in Transport", err)
				broken.Close()
			}
		}
		check("the log", log.String())
		testkit.Contains(t, log.String(), "op=Transfer")
	}, func(cfg *platformtoken.Config) { cfg.Logger = logger })
}

// keyed is a Signer that holds its key in the open.
type keyed struct{ key string }

func (k keyed) Sign(context.Context, platformtoken.SignInput) (string, error) { return "x", nil }

func TestKeyOfASignerIsNotPrinted(t *testing.T) {
	cfg := platformtoken.Config{BaseURL: "https://api.example.com", TenantID: 1, Signer: keyed{"sentinel-secret"}}
	c := open(t, cfg)
	defer c.Close()
	var b bytes.Buffer
	for _, v := range []any{cfg, &cfg} {
		// Neither %p of a value nor an unexported field asks for a method.
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%T", "%d", "%t", "%c", "%U", "%e"} {
			fmt.Fprintf(&b, verb+"\n", v)
			fmt.Fprintf(&b, verb+"\n", []any{v})
			fmt.Fprintf(&b, verb+"\n", map[string]any{"v": v})
			fmt.Fprintf(&b, verb+"\n", struct{ V any }{v})
			fmt.Fprintf(&b, verb+"\n", fmt.Errorf("operator: "+verb, v))
		}
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v, "nested", struct{ V any }{v})
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v, "nested", struct{ V any }{v})
		out, err := json.Marshal(map[string]any{"v": v})
		fmt.Fprint(&b, string(out), err)
	}
	for what, v := range map[string]any{
		"Client": c, "a Client in a struct": struct{ c *platformtoken.Client }{c}, "TokenSource": c.TokenSource(brl),
		"Transport": c.Transport(nil), "TransportFor": c.TransportFor(brl, nil), "HTTPClient": c.HTTPClient(),
		"an error": fmt.Errorf("operator: %+v", c),
	} {
		fmt.Fprintln(&b, what, testkit.Shown[*platformtoken.Error](v))
	}
	if form := "sentinel-secret"; strings.Contains(b.String(), form) || strings.Contains(b.String(), fmt.Sprintf("%x", form)) {
		t.Errorf("the key is printed:\n%s", b.String())
	}
	if !strings.Contains(b.String(), "signer=set") {
		t.Errorf("nothing says that there is a Signer:\n%s", b.String())
	}
}

func TestSignerThatIsANilPointerIsAnErrorAndNoPanic(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, _ *platformtokentest.Server, c *platformtoken.Client) {
		_, err := c.Token(t.Context(), brl)
		errorIs(t, err, providerauth.ErrSecretUnavailable)
	}, func(cfg *platformtoken.Config) { cfg.Secret, cfg.Signer = nil, (*keyed)(nil) })
}
