package platformtoken_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// dialError is what a host that takes no connections comes to.
func dialError() error { return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")} }

func TestNewReportsEveryProblemAtOnce(t *testing.T) {
	jar, _ := cookiejar.New(nil)
	sign := platformtoken.SignerFunc(func(context.Context, platformtoken.SignInput) (string, error) { return "x", nil })
	good := platformtoken.Config{BaseURL: "https://api.example.com/v1", TenantID: 1, Secret: providerauth.StaticSecret("s")}
	for name, tc := range map[string]struct {
		change func(*platformtoken.Config)
		fields []string
	}{
		"nothing":           {func(*platformtoken.Config) {}, nil},
		"a signer":          {func(c *platformtoken.Config) { c.Secret, c.Signer = nil, sign }, nil},
		"a language":        {func(c *platformtoken.Config) { c.Language = "pt-BR" }, nil},
		"all missing":       {func(c *platformtoken.Config) { *c = platformtoken.Config{} }, []string{"BaseURL", "Secret", "TenantID"}},
		"negative tenant":   {func(c *platformtoken.Config) { c.TenantID = -1 }, []string{"TenantID"}},
		"blank secret":      {func(c *platformtoken.Config) { c.Secret = providerauth.StaticSecret(" \n") }, []string{"Secret"}},
		"both":              {func(c *platformtoken.Config) { c.Signer = sign }, []string{"Signer"}},
		"nil func":          {func(c *platformtoken.Config) { c.Secret, c.Signer = nil, platformtoken.SignerFunc(nil) }, []string{"Signer"}},
		"two languages":     {func(c *platformtoken.Config) { c.Language = "zh,en" }, []string{"Language"}},
		"language newline":  {func(c *platformtoken.Config) { c.Language = "en\n" }, []string{"Language"}},
		"language too long": {func(c *platformtoken.Config) { c.Language = strings.Repeat("x", 36) }, []string{"Language"}},
		"http":              {func(c *platformtoken.Config) { c.BaseURL = "http://api.example.com" }, []string{"BaseURL"}},
		"http on loopback":  {func(c *platformtoken.Config) { c.BaseURL = "http://localhost:8080" }, nil},
		"userinfo":          {func(c *platformtoken.Config) { c.BaseURL = "https://u:hunter2@api.example.com" }, []string{"BaseURL"}},
		"query":             {func(c *platformtoken.Config) { c.BaseURL = "https://api.example.com?key=hunter2" }, []string{"BaseURL"}},
		"jar":               {func(c *platformtoken.Config) { c.HTTPClient = &http.Client{Jar: jar} }, []string{"HTTPClient.Jar"}},
		"negative": {func(c *platformtoken.Config) {
			c.AttemptTimeout, c.MaxAttempts, c.RefreshBefore, c.MaxEntries = -1, -1, -1, -1
		}, []string{"AttemptTimeout", "MaxAttempts", "MaxEntries", "RefreshBefore"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			tc.change(&cfg)
			provider.CheckConfig(t, cfg, tc.fields...)
		})
	}
}

func TestWrongPlayersAndRequestsCostNoRequest(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		ctx, one := t.Context(), testkit.ParseAmount(t, "1")
		for name, id := range map[string]string{
			"empty": "", "blank": "  ", "newline": "u\n", "leading space": " u", "bad UTF-8": "a\xff", "control": "a\x00b", "line separator": "a\u2028b",
		} {
			p := platformtoken.Player{UserID: id}
			_, got := c.Token(ctx, p)
			_, sourced := c.TokenSource(p).Token(ctx)
			_, created := c.CreateToken(ctx, platformtoken.CreateTokenRequest{UserID: id})
			_, balanced := c.Balance(ctx, p)
			_, transferred := c.Transfer(ctx, p, platformtoken.TransferRequest{TxID: "t", Direction: platformtoken.TransferIn, Amount: one})
			_, asked := c.TransferStatus(ctx, p, "r")
			_, entered := c.EnterGame(ctx, platformtoken.EnterGameRequest{UserID: id, GameID: 1})
			posted := testkit.Post(c.HTTPClientFor(p), srv.URL()+getBalance, "{}")
			for call, err := range map[string]error{
				"Token": got, "TokenSource": sourced, "CreateToken": created, "Balance": balanced, "Transfer": transferred,
				"TransferStatus": asked, "EnterGame": entered, "CallFor": c.CallFor(ctx, p, "POST", "/x", nil, nil),
			} {
				e := errorIs(t, err, providerauth.ErrInvalidRequest)
				if e.Fields["UserID"] == "" || e.Attempts != 0 || len(e.Fields) != 1 {
					t.Errorf("%s of a user id that is %s: %v", call, name, e)
				}
				if _, ok := e.Retryable(); ok {
					t.Errorf("%s: retryable", call)
				}
			}
			errorIs(t, posted, providerauth.ErrInvalidRequest, providerauth.ErrNotSent)
		}
		_, err := c.Token(ctx, platformtoken.Player{UserID: "u", Currency: "B\nRL"})
		testkit.Equal(t, "currency", errorIs(t, err).Fields["Currency"] != "", true)
		_, err = c.CreateToken(ctx, platformtoken.CreateTokenRequest{UserID: "u", Language: "zh,en"})
		testkit.Equal(t, "language", errorIs(t, err).Fields["Language"] != "", true)
		_, err = c.EnterGame(ctx, platformtoken.EnterGameRequest{UserID: "u", Language: "e n"})
		e := errorIs(t, err)
		testkit.Equal(t, "language and game", len(e.Fields), 2)
		_, err = c.TransferStatus(ctx, brl, "")
		testkit.Equal(t, "record id", errorIs(t, err).Fields["recordID"], "required")
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
	})
}

func TestNilArgumentsAreErrorsAndNeverPanics(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		var none context.Context
		req := platformtoken.TransferRequest{TxID: "t", Direction: platformtoken.TransferIn, Amount: testkit.ParseAmount(t, "1")}
		for name, call := range map[string]func() error{
			"Token":          func() error { _, err := c.Token(none, brl); return err },
			"TokenSource":    func() error { _, err := c.TokenSource(brl).Token(none); return err },
			"CreateToken":    func() error { _, err := c.CreateToken(none, platformtoken.CreateTokenRequest{UserID: "u"}); return err },
			"Balance":        func() error { _, err := c.Balance(none, brl); return err },
			"Transfer":       func() error { _, err := c.Transfer(none, brl, req); return err },
			"TransferStatus": func() error { _, err := c.TransferStatus(none, brl, "r"); return err },
			"EnterGame": func() error {
				_, err := c.EnterGame(none, platformtoken.EnterGameRequest{UserID: "u", GameID: 1})
				return err
			},
			"Call":    func() error { return c.Call(none, "POST", "/x", nil, nil) },
			"CallFor": func() error { return c.CallFor(none, brl, "POST", "/x", nil, nil) },
		} {
			e := errorIs(t, call(), providerauth.ErrInvalidRequest)
			testkit.Equal(t, name, e.Fields, map[string]string{"ctx": "must not be nil"})
		}
		for _, rt := range []http.RoundTripper{c.Transport(nil), c.TransportFor(brl, nil)} {
			for _, r := range []*http.Request{nil, {}, {URL: &url.URL{}}} {
				_, err := rt.RoundTrip(r)
				e := errorIs(t, err, providerauth.ErrInvalidRequest, providerauth.ErrNotSent)
				testkit.Equal(t, "op", e.Op, "Transport")
			}
		}
		for _, tc := range []struct {
			method, path string
			in           any
			field        string
		}{
			{"POST", "https://evil.example.com/x", nil, "path"},
			{"POST", "//evil.example.com", nil, "path"},
			{"POST", "/../x", nil, "path"},
			{"POST", "x\n", nil, "path"},
			{"GET POST", "/x", nil, "method"},
			{"POST", "/x", make(chan int), "in"},
			{"POST", "/x", providerauth.Number{}, "in"},
		} {
			for _, err := range []error{
				c.Call(t.Context(), tc.method, tc.path, tc.in, nil),
				c.CallFor(t.Context(), brl, tc.method, tc.path, tc.in, nil), // a typo must not kill the player's token
			} {
				e := errorIs(t, err, providerauth.ErrInvalidRequest)
				testkit.Equal(t, "fields of "+tc.path, len(e.Fields) == 1 && e.Fields[tc.field] != "", true)
			}
		}
		testkit.Equal(t, "field of Call", errorIs(t, c.Call(t.Context(), "POST", "/x", nil, 1), providerauth.ErrInvalidRequest).Fields["out"] != "", true)
		testkit.Equal(t, "field of CallFor", errorIs(t, c.CallFor(t.Context(), brl, "POST", "/x", nil, 1)).Fields["out"] != "", true)
		testkit.Equal(t, "requests", len(srv.Requests()), 0)

		(platformtoken.Token{}).SetAuthHeader(nil)
		r := &http.Request{}
		(platformtoken.Token{}).SetAuthHeader(r)
		testkit.Equal(t, "headers of a zero token", len(r.Header), 0)
		testkit.Equal(t, "zero token invalidated", c.Invalidate(platformtoken.Token{}), false)
		tok := token(t, c, brl)
		tok.SetAuthHeader(r)
		testkit.Equal(t, "header", r.Header.Get("Authorization"), "Bearer "+tok.Value())
		testkit.Equal(t, "invalidated", c.Invalidate(tok), true)
		testkit.Equal(t, "a second time", c.Invalidate(tok), false)
	})
}

func TestConfigSaysWhatIsSet(t *testing.T) {
	cfg := platformtoken.Config{BaseURL: "https://api.example.com", TenantID: 7, Secret: providerauth.StaticSecret("hunter2")}
	for _, want := range []string{"base_url=https://api.example.com", "tenant_id=7", "secret=set", "signer=default", "rejected=default"} {
		if got := cfg.LogValue().String(); !strings.Contains(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: want %s", got, want)
		}
	}
	cfg.Secret, cfg.Signer = nil, panicking{}
	cfg.Rejected = func(string, int, int) bool { return false }
	for _, want := range []string{"secret=not set", "signer=set", "rejected=set"} {
		if got := cfg.LogValue().String(); !strings.Contains(got, want) {
			t.Errorf("%s: want %s", got, want)
		}
	}
}

func TestLanguageOfTheConfigIsSent(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		balance(t, c, brl)
		if _, err := c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: "u"}); err != nil {
			t.Error(err)
		}
		if _, err := c.EnterGame(t.Context(), platformtoken.EnterGameRequest{UserID: "u", GameID: 1}); err != nil {
			t.Error(err)
		}
		_ = c.Call(t.Context(), http.MethodPost, "/x", nil, nil)
		do(t, c.HTTPClient(), srv, "/game/getRecords", `{"tenantId":1}`)
		do(t, c.HTTPClientFor(brl), srv, getBalance, `{}`)
		testkit.Equal(t, "requests", len(srv.Requests()), 7)
		for _, r := range srv.Requests() {
			testkit.Equal(t, "language of "+r.URL.Path, r.Header.Values("Accept-Language"), []string{"zh"})
		}
	}, func(cfg *platformtoken.Config) { cfg.Language = "zh" })
}

func TestRequestIDOfTheAnswerIsInTheError(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		const id = "5b0f3c1e-8f0a-4f5e-9a5d-0d6a3b1c2e4f"
		srv.FailNext(4, http.StatusBadRequest, http.Header{"X-Request-Id": {id}})
		_, created := c.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: "u"})
		_, read := c.Balance(t.Context(), brl)
		_, moved := c.Transfer(t.Context(), brl, in(t, "tx-1", "1"))
		for call, err := range map[string]error{
			"CreateToken": created, "Balance": read, "Transfer": moved, "Call": c.Call(t.Context(), http.MethodPost, "/x", nil, nil),
		} {
			e := errorIs(t, err)
			testkit.Equal(t, call, e.RequestID, id)
			testkit.Equal(t, call+" in the text", strings.Contains(e.Error(), id), true)
		}
	})
}

func TestTokenIsNamedByAShortHash(t *testing.T) {
	a, b := platformtoken.NewToken("abc", time.Unix(0, 0)), platformtoken.NewToken("abd", time.Unix(0, 0))
	if len(a.ID()) != 12 || a.ID() == b.ID() {
		t.Errorf("ids %q and %q", a.ID(), b.ID())
	}
	testkit.Equal(t, "text", a.String(), "platformtoken.Token(id "+a.ID()+", expires 1970-01-01T00:00:00Z)")
	testkit.Equal(t, "value for the log", a.LogValue().String(), "[id="+a.ID()+" expires_at="+a.LogValue().Group()[1].Value.String()+"]")
	testkit.Equal(t, "id of no token", platformtoken.Token{}.ID(), "")
}

func TestBoundedMemoryCostsAnEvictedPlayerOneToken(t *testing.T) {
	const players, bound = 20_000, 1000
	p := &platform{}
	cfg := p.config()
	cfg.MaxEntries = bound
	c := open(t, cfg)
	defer c.Close()
	for i := range players {
		if _, err := c.Token(t.Context(), platformtoken.Player{UserID: fmt.Sprint("player-", i)}); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 0 {
			if n := c.Stats().Entries; n > bound {
				t.Fatalf("%d entries", n)
			}
		}
	}
	st := c.Stats()
	if st.Entries > bound || st.Entries < bound*9/10 {
		t.Errorf("%d entries, want about %d", st.Entries, bound)
	}
	testkit.Equal(t, "evicted", int(st.Evictions)+st.Entries, players)
	testkit.Equal(t, "evicted live", st.EvictedLive, st.Evictions)
	testkit.Equal(t, "requests", p.requests.Load(), int64(players))
	for range 10 {
		token(t, c, platformtoken.Player{UserID: "player-0"}) // who was evicted
		token(t, c, platformtoken.Player{UserID: fmt.Sprint("player-", players-1)})
	}
	testkit.Equal(t, "requests of the one who came back", p.requests.Load(), int64(players+1))
}

func TestWaitersOfOneTokenHaveAnErrorEach(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		srv.FailNext(1, 403, nil)
		_, first := c.Token(t.Context(), brl)
		_, second := c.Token(t.Context(), brl)
		a, b := errorIs(t, first), errorIs(t, second)
		text := b.Error()
		a.Op, a.StatusCode, a.TxID = "mine", http.StatusTeapot, "mine"
		testkit.Equal(t, "text of the other's", b.Error(), text)
	})
}

func TestHundredThousandPlayersAreKeptByDefault(t *testing.T) {
	const bound, players = 100_000, 110_000
	c := open(t, (&platform{}).config())
	defer c.Close()
	tok := platformtoken.NewToken("token", time.Now().Add(time.Hour))
	for i := range players {
		if err := c.Keep(t.Context(), fmt.Sprint("player-", i), tok); err != nil {
			t.Fatal(err)
		}
	}
	st := c.Stats()
	if st.Entries > bound || st.Entries < bound*9/10 {
		t.Errorf("%d entries, want about %d", st.Entries, bound)
	}
	testkit.Equal(t, "evicted", int(st.Evictions)+st.Entries, players)
}

func TestClient_memory(t *testing.T) {
	t.Run("refused players are forgotten", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const players = 20_000
			refusal := fmt.Sprintf(`{"isSuccess":false,"code":1,"message":%q}`, strings.Repeat("m", 12<<10))
			c := open(t, platformtoken.Config{
				BaseURL: "https://api.example.com", TenantID: 1, Secret: providerauth.StaticSecret("0123456789abcdef"),
				HTTPClient: &http.Client{Transport: testkit.Responding(http.StatusForbidden, nil, refusal)},
			})
			defer c.Close()
			before := testkit.Heap()
			for hundred := range players / 100 {
				testkit.Crowd(100, func(i int) {
					if _, err := c.Token(context.Background(), platformtoken.Player{UserID: fmt.Sprint("made up ", hundred, " ", i)}); err == nil {
						t.Error("no error")
					}
				})
			}
			during := testkit.Heap() - before
			time.Sleep(time.Hour)
			synctest.Wait()
			after := testkit.Heap() - before
			t.Logf("%d refused players: %d KiB, and %d KiB an hour later", players, during>>10, after>>10)
			if during > 18<<20 {
				t.Errorf("%d bytes for failures, want at most 16 MiB and a little", during)
			}
			if after > 2<<20 {
				t.Errorf("%d bytes are left an hour later, want at most 2 MiB", after)
			}
		})
	})
	t.Run("an error keeps little of a long answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			long := strings.Repeat("m", 900<<10)
			c := open(t, platformtoken.Config{
				BaseURL: "https://api.example.com", TenantID: 1, Secret: providerauth.StaticSecret("0123456789abcdef"),
				HTTPClient: &http.Client{Transport: testkit.Responding(
					http.StatusOK, http.Header{"X-Request-Id": {strings.Repeat("r", 10<<10)}}, fmt.Sprintf(`{"isSuccess":false,"code":1,"message":%q}`, long),
				)},
			})
			defer c.Close()
			_, err := c.Token(t.Context(), brl)
			e := errorIs(t, err)
			testkit.Equal(t, "message, request id, body", fmt.Sprint(len(e.Message), len(e.RequestID), len(e.Body())), "1024 128 4096")
			_, err = c.Token(t.Context(), brl)
			e = errorIs(t, err)
			testkit.Equal(t, "within the back-off", fmt.Sprint(len(e.Message), len(e.RequestID), len(e.Body())), "256 128 0")
		})
	})
	t.Run("an id of any length is an error of the call", func(t *testing.T) {
		c := open(t, platformtoken.Config{BaseURL: "https://api.example.com", TenantID: 1, Secret: providerauth.StaticSecret("0123456789abcdef")})
		defer c.Close()
		_, err := c.Token(t.Context(), platformtoken.Player{UserID: strings.Repeat("u", 257), Currency: strings.Repeat("c", 33)})
		testkit.Equal(t, "fields", errorIs(t, err, providerauth.ErrInvalidRequest).Fields, map[string]string{
			"UserID": "must have at most 256 characters", "Currency": "must have at most 32 characters",
		})
	})
}
