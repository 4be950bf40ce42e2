package partnerjwt

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// DefaultLifetime is the life of a token if Config.Lifetime is zero. PiTrade's
// page calls this figure typical.
const DefaultLifetime = 15 * time.Minute

// Config of a [Client].
type Config struct {
	// ClientID is the partner's client identifier. Required.
	ClientID string
	// Secret returns the partner's secret, whose text is the signing key; it is
	// not decoded. Required; in FIPS 140-only mode at least 14 bytes. It is
	// called once for every minted token. While minting fails it is called at
	// most once a second, to detect a changed secret.
	Secret providerauth.SecretFunc
	// Lifetime of the tokens, in whole seconds, at least 1 s. Optional, default
	// 15 minutes. PiTrade states no maximum.
	Lifetime time.Duration
	// Backdate is how far in the past the iat of a token lies, in whole seconds
	// below Lifetime: receivers whose clock is behind refuse tokens issued in
	// their future. exp is moved back by the same time, so tokens live for less
	// than Lifetime from now. Optional, default 5 s or a twelfth of Lifetime,
	// whichever is less; a negative Backdate is none.
	Backdate time.Duration
	// BaseURL of the Partner API, absolute and https (http for loopback
	// hosts). Required: PiTrade publishes none, and credentials belong to an
	// environment. A path in it is kept.
	BaseURL string

	// HTTPClient sends the requests. Optional. It is copied: its Transport and
	// Timeout are kept, redirects are never followed, and a Jar is an error.
	HTTPClient *http.Client
	// Logger receives a debug record per attempt; a warning when renewals of a
	// token begin to fail, with op, status and the token's expiry, and an info
	// record when they recover, each at most once in 10 s. Records contain no
	// URL, header or body. Optional: nil is silent.
	Logger *slog.Logger
	// OnAttempt is called after each attempt of a call, and of a request through
	// Transport or HTTPClient, for metrics and traces; minting makes no request. ctx
	// is the caller's context, and may have ended. The call goes on when OnAttempt
	// returns, so it must be quick, and safe for concurrent use. A panic is logged,
	// at most once in 10 s. Optional.
	OnAttempt func(ctx context.Context, a providerauth.Attempt)
	// AttemptTimeout bounds an attempt of a call. Optional, default 10 s. An
	// attempt of a call that is never repeated ends with its caller's context
	// instead. If the caller has no deadline, it ends after 2 minutes or
	// AttemptTimeout, whichever is longer.
	AttemptTimeout time.Duration
	// MaxAttempts bounds the attempts of a repeatable call. Optional, default
	// 3.
	MaxAttempts int
	// MaxResponseBytes bounds the body of a successful answer to
	// [Client.Call], after decompression; a longer body is
	// providerauth.ErrBadResponse. Optional, default 32 MiB. Other answers may
	// have 1 MiB.
	MaxResponseBytes int
	// RefreshBefore is the time before expiry at which a token is replaced: at
	// most half its life, plus a random part of up to a tenth. Optional,
	// default about a fifth of its life.
	RefreshBefore time.Duration
	// KeepWarm mints the next token without waiting for a caller. Optional.
	KeepWarm bool
}

func (c *Config) options() session.Options {
	return session.Options{
		HTTPClient: c.HTTPClient, Logger: c.Logger, OnAttempt: c.OnAttempt,
		AttemptTimeout: c.AttemptTimeout, MaxAttempts: c.MaxAttempts, MaxResponseBytes: c.MaxResponseBytes,
		RefreshBefore: c.RefreshBefore, KeepWarm: c.KeepWarm,
	}
}

// LogValue shows the configuration without its secret.
func (c Config) LogValue() slog.Value {
	options := c.options()
	return slog.GroupValue(append([]slog.Attr{
		slog.String("client_id", c.ClientID),
		slog.String("secret", check.LogSecret(c.Secret)),
		slog.Duration("lifetime", c.Lifetime),
		slog.Duration("backdate", c.Backdate),
		slog.String("base_url", check.LogURL(c.BaseURL)),
	}, options.Attrs()...)...)
}

// Format prints the text of LogValue, under every verb.
func (c Config) Format(s fmt.State, _ rune) { fmt.Fprint(s, "partnerjwt.Config", c.LogValue()) }

// A Client mints tokens and makes calls with them. It is immutable and safe
// for concurrent use.
type Client struct {
	clientID string
	lifetime int64 // seconds
	backdate time.Duration
	secret   *credential.Source
	cache    *tokencache.Cache[struct{}, struct{}, Token]
	session  *session.Client
}

// New returns a Client. It checks the whole configuration and reports every
// problem at once, in the Fields of an [*Error] matching
// [providerauth.ErrInvalidRequest]; it does no I/O.
func New(cfg Config) (*Client, error) {
	var p check.Problems
	p.Require("ClientID", cfg.ClientID)
	p.RequireSecret("Secret", cfg.Secret)
	p.HMACKey("Secret", cfg.Secret)
	base := p.BaseURL("BaseURL", cfg.BaseURL)
	options := cfg.options()
	options.Check(&p)
	lifetime := cfg.Lifetime
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	if lifetime < time.Second || lifetime%time.Second != 0 {
		p.Add("Lifetime", "must be whole seconds, at least one")
	} else {
		p.Duration("Lifetime", lifetime)
	}
	backdate := p.Backdate("Backdate", cfg.Backdate, lifetime)
	if err := invalid("New", p); err != nil {
		return nil, err
	}

	c := &Client{
		clientID: cfg.ClientID,
		lifetime: int64(lifetime / time.Second),
		backdate: backdate,
		secret:   credential.NewHMACKey("Secret", cfg.Secret),
	}
	c.session = session.New(session.Config{
		Provider: "partnerjwt", BaseURL: base, Dialect: dialect{}, Options: options, LongestPause: time.Minute,
	})
	c.cache = tokencache.New(tokencache.Config[struct{}, struct{}, Token]{
		Mode: tokencache.Overlap, Retriever: minter{c}, Secret: c.secret, Local: true,
		AttemptTimeout: c.session.API.AttemptTimeout(), RefreshBefore: cfg.RefreshBefore, KeepWarm: cfg.KeepWarm, Logger: cfg.Logger,
	})
	return c, nil
}

// Token returns a token valid now and for at least the expiry margin of 10
// seconds. The margin is shorter for tokens that live less than about two
// minutes, and may be shorter while renewals fail. The token is minted once,
// without a request, and shared until about a fifth of its life is left. Errors match [providerauth.ErrSecretUnavailable],
// [providerauth.ErrContested] or [providerauth.ErrClosed], or are ctx's.
func (c *Client) Token(ctx context.Context) (Token, error) {
	if ctx == nil {
		return Token{}, nilContext("Token")
	}
	t, err := c.cache.Get(ctx, struct{}{}, struct{}{})
	if err != nil {
		return Token{}, fail("Token", err)
	}
	return t, nil
}

// Invalidate drops the token if it is the current token and may be replaced
// now, and reports whether it did; the next Token mints another. Call it when a
// request outside the Client is answered 401. If it reports false, no other
// token is available now, or Token has another already: replacements are
// limited to five at once and then one per five seconds. Do not call it in a
// loop.
func (c *Client) Invalidate(t Token) bool {
	return t.secret != nil && c.cache.Invalidate(struct{}{}, t.secret.ID())
}

// Stats returns figures for monitoring.
func (c *Client) Stats() providerauth.Stats { return c.session.Stats(c.cache.Stats()) }

// Close ends background work and waits for a mint under way. It is idempotent
// and always returns nil. Afterwards Token returns a kept token while it is
// valid, and then fails with [providerauth.ErrClosed].
func (c *Client) Close() error {
	c.cache.Close()
	c.session.API.CloseIdle()
	return nil
}

func nilContext(op string) error {
	return &Error{Op: op, Fields: map[string]string{"ctx": "must not be nil"}}
}
