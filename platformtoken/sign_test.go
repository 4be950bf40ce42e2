package platformtoken_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

func TestSignatureAndBodyAreTheDocumentedOnesByteForByte(t *testing.T) {
	for _, tc := range []struct{ userID, currency, body, sign string }{
		{"t1_225478", "BRL", `{"tenantId":1,"userId":"t1_225478","currency":"BRL"}`, "cb525a74d029c553518c35c0478efaf7"},
		{"t1_225478", "", `{"tenantId":1,"userId":"t1_225478"}`, "bac8826b06d58294c49c3be6823a8f17"},
		{"игрок&<1>", "", `{"tenantId":1,"userId":"игрок&<1>"}`, "2921017800fff869d251e716135f78a7"},
	} {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			testkit.Until(1741837297)
			token(t, c, platformtoken.Player{UserID: tc.userID, Currency: tc.currency})
			r, body := last(t, srv)
			testkit.Equal(t, "method and path", r.Method+" "+r.URL.Path, "POST /auth/createToken")
			testkit.Equal(t, "body", body, tc.body)
			testkit.Equal(t, "sign", r.Header.Get("sign"), tc.sign)
			testkit.Equal(t, "timestamp", r.Header.Get("timestamp"), "1741837297")
			testkit.Equal(t, "language", r.Header.Get("Accept-Language"), "en")
			testkit.Equal(t, "content type", r.Header.Get("Content-Type"), "application/json; charset=utf-8")
			testkit.Equal(t, "authorization", r.Header.Values("Authorization"), nil)
		})
	}
}

func TestHeaderNamesGoOutAsThePageSpellsThem(t *testing.T) {
	socket := testkit.NewSocket(t, "")
	c := open(t, platformtoken.Config{
		BaseURL: socket.URL + "/v1", TenantID: 1, Secret: providerauth.StaticSecret("s"), MaxAttempts: 1,
	})
	defer c.Close()
	spelled := func(head []string) (names []string) {
		for _, line := range head[1:] {
			name, _, _ := strings.Cut(line, ":")
			if slices.ContainsFunc([]string{"sign", "timestamp", "accept-language", "content-type", "authorization"}, func(s string) bool {
				return strings.EqualFold(s, name)
			}) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	want := []string{"Accept-Language", "Content-Type", "sign", "timestamp"}

	_ = c.Call(t.Context(), http.MethodPost, "/player/register", nil, nil)
	head := socket.Lines()
	testkit.Equal(t, "request line", head[0], "POST /v1/player/register HTTP/1.1")
	testkit.Equal(t, "names of Call", spelled(head), want)

	// A caller's own spellings are replaced, not joined.
	r := testkit.Request(t, http.MethodPost, socket.URL+"/v1/x", "{}")
	r.Header = http.Header{"Sign": {"a"}, "SIGN": {"b"}, "Timestamp": {"c"}, "accept-language": {"zh"}, "Content-Type": {"text/plain"}}
	testkit.Do(t, c.HTTPClient(), r)
	head = socket.Lines()
	testkit.Equal(t, "names of HTTPClient", spelled(head), []string{"Content-Type", "accept-language", "sign", "timestamp"})
	if !slices.Contains(head, "accept-language: zh") || !slices.Contains(head, "Content-Type: text/plain") {
		t.Errorf("a header of the caller's was replaced: %q", head)
	}
	testkit.Equal(t, "the caller's header", len(r.Header), 5)
}

func TestSignerSeesExactlyTheBytesThatAreSent(t *testing.T) {
	var seen []platformtoken.SignInput
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		testkit.Until(1741837297)
		answering(srv, 200, `{"isSuccess":true,"code":0,"data":null}`)
		if err := c.Call(t.Context(), http.MethodPost, "/player/register?x=1", map[string]string{"userId": "a&b"}, nil); err != nil {
			t.Fatal(err)
		}
		r, body := last(t, srv)
		testkit.Equal(t, "input of Call", seen, []platformtoken.SignInput{{
			Method: "POST", Path: "/base/player/register", Body: []byte(body), Timestamp: "1741837297",
		}})
		testkit.Equal(t, "sign", r.Header.Get("sign"), "signature 1")
		do(t, c.HTTPClient(), srv, "/game/getRecords", `{ "tenantId" : 1 }`)
		testkit.Equal(t, "input of HTTPClient", string(seen[1].Body), `{ "tenantId" : 1 }`)
		if err := c.Call(t.Context(), http.MethodPost, "/x", nil, nil); err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "input without a body", len(seen[2].Body), 0)
	}, func(cfg *platformtoken.Config) {
		cfg.Secret = nil
		cfg.Signer = platformtoken.SignerFunc(func(_ context.Context, in platformtoken.SignInput) (string, error) {
			in.Body = bytes.Clone(in.Body)
			seen = append(seen, in)
			return fmt.Sprintf("signature %d", len(seen)), nil
		})
	})
}

func TestEveryAttemptIsSignedAnew(t *testing.T) {
	var signed []string
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.FailNext(2, http.StatusServiceUnavailable, http.Header{"Retry-After": {"2"}}, testkit.Path(getBalance))
		balance(t, c, brl)
		var sent []string
		for _, r := range srv.Requests() {
			sent = append(sent, r.Header.Get("timestamp"))
		}
		testkit.Equal(t, "sent", sent, []string{"946684800", "946684800", "946684802", "946684804"})
		testkit.Equal(t, "signed", signed, sent)
	}, func(cfg *platformtoken.Config) {
		cfg.Secret = nil
		cfg.Signer = platformtoken.SignerFunc(func(_ context.Context, in platformtoken.SignInput) (string, error) {
			signed = append(signed, in.Timestamp)
			const secret = "0123456789abcdef0123456789abcdef"
			sum := md5.Sum([]byte(secret + string(in.Body) + secret))
			return hex.EncodeToString(sum[:]), nil
		})
	})
}

func TestReplayIsSignedAnewAndKeepsItsBody(t *testing.T) {
	bubble(t, platformtokentest.Options{TimestampTolerance: 5 * time.Second}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		balance(t, c, brl)
		srv.OutsideCreate(brl.UserID)
		srv.Delay(3*time.Second, testkit.Path(getBalance)) // so that the replay is seconds later
		status, body := do(t, c.HTTPClientFor(brl), srv, getBalance, `{"userId":"t1_225478"}`)
		testkit.Equal(t, "answer", body, `{"isSuccess":true,"code":0,"data":{"balance":0,"currency":"BRL"}}`)
		testkit.Equal(t, "status", status, 200)
		testkit.Equal(t, "requests", srv.Count(getBalance), 3)
		all := srv.Requests()
		first, second := all[len(all)-3], all[len(all)-1]
		if first.Header.Get("timestamp") == second.Header.Get("timestamp") || first.Header.Get("Authorization") == second.Header.Get("Authorization") {
			t.Error("the replay has the old timestamp or token")
		}
	})
}

func TestSecretIsAskedForOncePerRequest(t *testing.T) {
	calls := 0
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		for range 10 {
			balance(t, c, brl)
		}
		do(t, c.HTTPClient(), srv, "/game/getRecords", `{"tenantId":1}`)
		testkit.Equal(t, "calls", calls, len(srv.Requests()))
	}, func(cfg *platformtoken.Config) {
		secret := cfg.Secret
		cfg.Secret = func(ctx context.Context) (string, error) { calls++; return secret(ctx) }
	})
}

func TestRotatedSecretTakesEffectWithTheNextRequest(t *testing.T) {
	secret := "0123456789abcdef0123456789abcdef"
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		balance(t, c, brl)
		srv.RotateSecrets("another")
		_, err := c.Balance(t.Context(), brl)
		e := errorIs(t, err)
		testkit.Equal(t, "code", e.Code, platformtokentest.CodeSign)
		secret = "another"
		balance(t, c, brl)
		testkit.Equal(t, "tokens: the signature is not the token's fault", srv.Created(brl.UserID), 1)
	}, func(cfg *platformtoken.Config) {
		cfg.Secret = func(context.Context) (string, error) { return secret, nil }
	})
}

func TestChangedSecretEndsTheBackOff(t *testing.T) {
	secret := testkit.NewVault("wrong")
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		for range 5 {
			_, err := c.Token(t.Context(), brl)
			testkit.Equal(t, "code", errorIs(t, err).Code, platformtokentest.CodeSign)
		}
		testkit.Equal(t, "requests", srv.Count(createToken), 1)
		secret.Change("0123456789abcdef0123456789abcdef", func() error { _, err := c.Token(t.Context(), brl); return err })
		token(t, c, brl)
	}, func(cfg *platformtoken.Config) {
		cfg.Secret = secret.Get
	})
}

func TestUnavailableSignatureCostsNoRequest(t *testing.T) {
	sealed := testkit.ErrSealed
	signer := func(value string, err error) func(*platformtoken.Config) {
		return func(cfg *platformtoken.Config) {
			cfg.Secret = nil
			cfg.Signer = platformtoken.SignerFunc(func(context.Context, platformtoken.SignInput) (string, error) { return value, err })
		}
	}
	secret := func(value string, err error) func(*platformtoken.Config) {
		return func(cfg *platformtoken.Config) {
			cfg.Secret = func(context.Context) (string, error) { return value, err }
		}
	}
	for name, tc := range map[string]struct {
		change func(*platformtoken.Config)
		cause  error
	}{
		"secret failing":   {secret("", sealed), sealed},
		"secret empty":     {secret("", nil), nil},
		"secret newline":   {secret("s\n", nil), nil},
		"signer failing":   {signer("x", sealed), sealed},
		"signer empty":     {signer("", nil), nil},
		"signer newline":   {signer("a\nb", nil), nil},
		"signer return":    {signer("a\r", nil), nil},
		"signer panicking": {func(cfg *platformtoken.Config) { cfg.Secret, cfg.Signer = nil, panicking{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				ctx := t.Context()
				_, err := c.Token(ctx, brl)
				errorIs(t, err, providerauth.ErrSecretUnavailable)
				if tc.cause != nil {
					errorIs(t, err, tc.cause)
				}
				_, err = c.CreateToken(ctx, platformtoken.CreateTokenRequest{UserID: "u"})
				errorIs(t, err, providerauth.ErrSecretUnavailable)
				_, transferred := c.Transfer(ctx, brl, platformtoken.TransferRequest{TxID: "tx", Direction: platformtoken.TransferIn, Amount: testkit.ParseAmount(t, "1")})
				_, entered := c.EnterGame(ctx, platformtoken.EnterGameRequest{UserID: "u", GameID: 1})
				signed := testkit.Post(c.HTTPClient(), srv.URL()+"/game/getRecords", "{}")
				attached := testkit.Post(c.HTTPClientFor(brl), srv.URL()+getBalance, "{}")
				for call, err := range map[string]error{
					"Transfer": transferred, "EnterGame": entered, "HTTPClient": signed, "HTTPClientFor": attached,
					"Call": c.Call(ctx, "POST", "/x", nil, nil), "CallFor": c.CallFor(ctx, brl, "POST", "/x", nil, nil),
				} {
					e := errorIs(t, err, providerauth.ErrSecretUnavailable, providerauth.ErrNotSent)
					if _, ok := e.Retryable(); !ok || e.Ambiguous() || e.Attempts != 0 {
						t.Errorf("%s: not retryable, though the vault may be opened, or ambiguous: %v", call, e)
					}
				}
				testkit.Equal(t, "requests", len(srv.Requests()), 0)
			}, tc.change)
		})
	}
}

type panicking struct{}

func (panicking) Sign(context.Context, platformtoken.SignInput) (string, error) { panic("x") }

func TestTimestampFollowsThePlatformsClock(t *testing.T) {
	for _, offset := range []time.Duration{-time.Hour, time.Hour} {
		bubble(t, platformtokentest.Options{TimestampTolerance: 10 * time.Second}, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			srv.SetClockOffset(offset)
			status, _ := do(t, c.HTTPClient(), srv, "/game/getRecords", `{"tenantId":1}`)
			testkit.Equal(t, "the first answer, which corrects the clock", status, 403)
			status, _ = do(t, c.HTTPClient(), srv, "/game/getRecords", `{"tenantId":1}`)
			testkit.Equal(t, "the second", status, 200)
			tok := token(t, c, brl)
			if left := time.Until(tok.ExpiresAt); left < 22*time.Hour+59*time.Minute || left > 24*time.Hour+time.Second {
				t.Errorf("the token is said to live %v by this machine's clock, want 24 hours, or less by the difference", left)
			}
		})
	}
}

func TestClient_fipsOnly(t *testing.T) {
	if !testkit.InFIPSOnly(t) {
		return
	}
	const rule = "MD5 is not allowed in FIPS 140-only mode, set Signer"
	cfg := platformtoken.Config{BaseURL: "https://platform.example", TenantID: 1}
	t.Run("New reports that the documented signature cannot be made", func(t *testing.T) {
		for name, secret := range map[string]providerauth.SecretFunc{
			"a static secret": providerauth.StaticSecret("a secret that is long enough"),
			"a function":      func(context.Context) (string, error) { panic("called") },
			"no secret":       nil,
		} {
			cfg := cfg
			cfg.Secret = secret
			_, err := platformtoken.New(cfg)
			testkit.Equal(t, name, errorIs(t, err, providerauth.ErrInvalidRequest).Fields, map[string]string{"Secret": rule})
		}
	})
	t.Run("a Signer works", func(t *testing.T) {
		cfg := cfg
		cfg.Signer = platformtoken.SignerFunc(func(context.Context, platformtoken.SignInput) (string, error) { return "signed", nil })
		cfg.HTTPClient = &http.Client{Transport: tap(func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
			testkit.Equal(t, "sign", r.Header["sign"], []string{"signed"})
			return testkit.Responding(http.StatusOK, nil, `{"isSuccess":true,"data":{"token":"token-1","expires":253402300799}}`)(r)
		}).through(nil)}
		c := open(t, cfg)
		defer c.Close()
		testkit.Equal(t, "token", token(t, c, brl).Value(), "token-1")
	})
}
