package assetpay_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// hidden are values that must appear nowhere.
var hidden = []string{
	"sentinel-key", "sentinel-secret", "sentinel-token", "sentinel-answer", "sentinel-query", testkit.Sealed,
	"sentinel-hash", "SeNtInEl", // the token of a trade URL
}

// printed runs f and returns what it wrote to standard output and error.
func printed(t *testing.T, f func()) string {
	t.Helper()
	name := t.TempDir() + "/printed"
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = file, file
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	f()
	file.Close()
	out, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestNothingSecretIsPrinted(t *testing.T) {
	out := printed(t, func() {
		synctest.Test(t, func(t *testing.T) { everyPrintPath(t) })
	})
	testkit.Equal(t, "standard output and error", out, "")
}

func everyPrintPath(t *testing.T) {
	srv := assetpaytest.NewServer(assetpaytest.Options{InMemory: true, APIKey: "sentinel-key", APISecret: "sentinel-secret"})
	defer srv.Close()
	cfg := srv.Config()
	logger, log := testkit.DebugLog()
	cfg.Logger = logger
	c := open(t, cfg)
	defer c.Close()
	req := with(assetpay.ClientData{KYCHash: "sentinel-hash"})
	req.TradeURL = "https://steamcommunity.com/tradeoffer/new/?partner=1&token=SeNtInEl"
	ctx := t.Context()
	resp, err := c.AuthenticateClient(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	tok := token(t, c.TokenSource(req))
	hiding := testkit.Hiding[*assetpay.Error]{TB: t, Secrets: append(hidden, tok.Value(), strings.Split(tok.Value(), ".")[1])}
	check := hiding.Check
	check("Config", cfg)
	check("*Config", &cfg)
	check("Client", c)
	check("Stats", c.Stats())
	check("Token", tok)
	check("*Token", &tok)
	check("Response", resp)
	check("a struct with a Token", struct{ t assetpay.Token }{tok})
	check("NewToken", assetpay.NewToken("sentinel-token", time.Now()))
	unused := open(t, assetpay.Config{APIKey: cfg.APIKey})
	defer unused.Close()
	private := req
	private.TradeURL, private.ClientData = "https://steamcommunity.com/tradeoffer/new/?partner=1&token=sentinel", &assetpay.ClientData{KYCHash: "sentinel-token"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, c.TokenSource(private)); strings.Contains(text, "tradeoffer") || strings.Contains(text, "sentinel") {
			t.Errorf("TokenSource shows the user's data under %s", verb)
		}
	}
	check("Transport", unused.Transport(nil))
	check("TransportFor", unused.TransportFor(user(), nil))

	// Answers that quote what was sent, under every status.
	for _, status := range []int{200, 201, 302, 307, 400, 401, 403, 404, 422, 429, 500, 503} {
		srv.Intercept(nil)
		srv.Intercept(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sent := r.Header.Get("Authorization") + r.Header.Get("api-key")
				w.Header().Set("Location", "https://evil.example.com/?sentinel-query="+sent)
				w.Header().Set("Retry-After", "sentinel-answer")
				w.WriteHeader(status)
				fmt.Fprintf(w, `{"requestId":"sentinel answer %[1]s","success":false,"error":{"code":1,"key":"sentinel-answer","message":["sentinel-answer %[1]s"],"fields":{"sentinel answer":"%[1]s"},"details":"sentinel-answer"}}`, sent)
			})
		})
		for name, call := range map[string]func() error{
			"Call": func() error {
				return c.Call(ctx, "POST", "/secure/x?key=sentinel-query", map[string]string{"x": "sentinel-answer"}, new([]int))
			},
			"CallFor":            func() error { return c.CallFor(ctx, req, "POST", "/client/x?key=sentinel-query", nil, new([]int)) },
			"AuthenticateClient": func() error { _, err := c.AuthenticateClient(ctx, req); return err },
		} {
			err := call()
			if err == nil {
				t.Fatalf("%s: status %d is no error", name, status)
			}
			hiding.CheckError(fmt.Sprint(name, ": the error of status ", status), err)
		}
	}
	answering(srv, 200, nil, `{"success":true,"data":{"token":"sentinel-token "}}`)
	_, err = c.AuthenticateClient(ctx, req)
	check("a token that cannot be used", err)
	srv.Intercept(nil)
	srv.LoseAnswers(10)
	check("a lost answer", c.CallFor(ctx, req, "POST", "/client/x?key=sentinel-query", nil, nil))
	_, err = c.AuthenticateClient(ctx, req)
	check("a lost exchange", err)
	for _, rt := range []http.RoundTripper{c.Transport(nil), c.TransportFor(req, nil)} {
		r, _ := http.NewRequest(http.MethodGet, "https://u:sentinel-secret@evil.example.com/?k=sentinel-query", nil)
		_, err = rt.RoundTrip(r)
		check("another origin", err)
	}
	check("an impossible path", c.Call(ctx, "GET", "https://u:sentinel-secret@x/?k=sentinel-query", nil, nil))
	_, err = c.VerifyClientToken(ctx, tok.Value()+"x")
	check("VerifyClientToken", err)
	bad := req
	bad.SteamID, bad.TradeURL, bad.ClientID = "sentinel-token", "https://x/?k=sentinel-query", "sentinel-token\n"
	bad.ClientData = &assetpay.ClientData{KYCHash: "sentinel-hash\n"}
	_, err = c.Token(ctx, bad)
	check("a bad request", err)
	_, err = c.TokenSourceFunc(func(context.Context) (assetpay.User, error) {
		return req, testkit.ErrSealed
	}).Token(ctx)
	check("a failing function", err)

	wrong := cfg
	wrong.BaseURL, wrong.MerchantID = "https://u:sentinel-secret@x/?k=sentinel-query", "sentinel-token\n"
	_, err = assetpay.New(wrong)
	check("New", err)
	wrong.MerchantID = ""
	check("a Config that is wrong, logged", wrong.LogValue().String())
	check("a Config that is wrong, printed", fmt.Sprintf("%v %+v %#v %s %q %x %d", wrong, wrong, wrong, wrong, &wrong, wrong, []any{wrong}))
	for _, f := range testkit.BadSecrets("sentinel-secret") {
		cfg.APIKey, cfg.APISecret = f, f
		broken := open(t, cfg)
		_, err = broken.Token(ctx, req)
		check("a failing SecretFunc", err)
		_, err = broken.MintClientToken(ctx, req)
		check("a failing SecretFunc that mints", err)
		_, err = broken.HTTPClient().Get(srv.URL() + "/secure/prices")
		check("a failing SecretFunc in Transport", err)
		broken.Close()
	}
	check("the log", log.String())
	testkit.Contains(t, log.String(), "op=CallFor")
}

func TestTokenDoesNotMarshalSilently(t *testing.T) {
	testkit.Equal(t, "JSON", testkit.Marshalled(assetpay.AuthenticateClientResponse{Token: assetpay.NewToken("x", time.Now())}), testkit.Refused)
	testkit.Equal(t, "no token", fmt.Sprint(assetpay.Token{}), "assetpay.Token(id , expires 0001-01-01T00:00:00Z)")
}

func TestConfigIsLoggedWithoutItsSecrets(t *testing.T) {
	var b bytes.Buffer
	cfg := assetpay.Config{
		APIKey: providerauth.StaticSecret("ap_1"), MerchantID: "m-1", Mint: assetpay.MintLocal, BaseURL: assetpay.StagingURL,
		AttemptTimeout: time.Second, MaxEntries: 5,
	}
	h := slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	slog.New(h).Info("up", "assetpay", cfg)
	testkit.Equal(t, "line", b.String(), `level=INFO msg=up assetpay.api_key=set assetpay.api_secret="not set" assetpay.merchant_id=m-1 `+
		`assetpay.backdate=0s assetpay.mint=local assetpay.bare_token=false assetpay.loose_trade_url=false assetpay.base_url=https://api-staging.assetpay.gg `+
		"assetpay.on_attempt=\"not set\" assetpay.attempt_timeout=1s assetpay.max_attempts=0 assetpay.max_response_bytes=0 assetpay.refresh_before=0s assetpay.keep_warm=false assetpay.max_entries=5 "+
		`assetpay.store="not set" assetpay.store_keys="not set" assetpay.store_timeout=0s`+"\n")
}

func TestUser_Format(t *testing.T) {
	const secret, hash = "AbCdEfGh", "hash-of-the-user"
	u := assetpay.User{
		SteamID: steamID, ClientID: "user-123", ClientData: &assetpay.ClientData{KYCHash: hash},
		TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=" + secret,
	}
	claims := assetpay.ClientClaims{SteamID: u.SteamID, ClientID: u.ClientID, TradeURL: u.TradeURL, ClientData: u.ClientData}
	for name, v := range map[string]any{"User": u, "*User": &u, "ClientClaims": claims, "*ClientClaims": &claims} {
		t.Run(name+" prints its ids, and no trade URL or client data", func(t *testing.T) {
			shown := testkit.Printed[*assetpay.Error](v)
			if leak := testkit.Leak(shown, secret, hash); leak != "" {
				t.Errorf("shows %s: %s", leak, shown)
			}
			if !strings.Contains(shown, steamID) || !strings.Contains(shown, "user-123") {
				t.Errorf("shows no ids: %s", shown)
			}
		})
	}
}
