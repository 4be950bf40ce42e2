package assetpay

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// AssetPay's published hosts, for Config.BaseURL. Mind the order of the words on
// staging: the older assetpay.co has them the other way round.
const (
	ProductionURL = "https://api.assetpay.gg"
	StagingURL    = "https://api-staging.assetpay.gg"
)

// A MintMode is the origin of the tokens of [Client.Token].
type MintMode int

const (
	// MintRemote exchanges the API key for tokens, one request each. The exchange
	// also sends the client data to AssetPay.
	MintRemote MintMode = iota
	// MintLocal signs tokens with the API secret, without a request and
	// without a rate limit.
	MintLocal
)

// String returns "remote" or "local", and "MintMode(7)" for a value without a
// name.
func (m MintMode) String() string {
	switch m {
	case MintRemote:
		return "remote"
	case MintLocal:
		return "local"
	}
	return "MintMode(" + strconv.Itoa(int(m)) + ")"
}

const defaultMaxEntries = 100_000

// replacements limits the exchanges caused by rejections of all users' tokens
// together. AssetPay allows an unverified merchant 100 exchanges an hour: this
// limit leaves 30 of them for new users.
var replacements = tokencache.Rate{Burst: 10, Refill: time.Minute}

// Config of a [Client].
type Config struct {
	// APIKey returns the merchant's API key, which needs the scope CORE_ACCESS.
	// Required with MintRemote; with MintLocal only for
	// [Client.AuthenticateClient], [Client.Call], [Client.Transport] and
	// [Client.HTTPClient]. The Client calls it once per exchange, per Call and per
	// request sent with the API key. While exchanges fail, the Client also calls it
	// at most once a second to detect a changed key.
	APIKey providerauth.SecretFunc
	// APISecret returns the merchant's API secret. Its text, undecoded, is the key
	// of the signature of client tokens. In FIPS 140-only mode it needs at least 14
	// bytes. Required with MintLocal; with MintRemote only for
	// [Client.MintClientToken] and [Client.VerifyClientToken]. The Client calls it
	// once per token minted or verified, and at most once a second while minting
	// fails.
	APISecret providerauth.SecretFunc
	// MerchantID is the merchant's id, which AssetPay puts into its tokens.
	// Required wherever APISecret is.
	MerchantID string
	// Backdate moves iat and exp of locally minted tokens into the past, in whole
	// seconds below a day: a receiver whose clock is behind refuses tokens issued
	// in its future. Optional, default 5 s; a negative Backdate moves nothing.
	Backdate time.Duration
	// Mint is the origin of the tokens. Optional, default MintRemote.
	Mint MintMode
	// BareToken sends client tokens as the pages print them, "Authorization:
	// <token>". Optional, default "Authorization: Bearer <token>", as
	// AssetPay's OpenAPI document and its own SDK have it.
	BareToken bool
	// LooseTradeURL accepts as a trade URL every https URL whose host is
	// steamcommunity.com, of at most 512 characters, without port or user name.
	// Optional. By default the Client accepts only the form of AssetPay's OpenAPI
	// document,
	// https://steamcommunity.com/tradeoffer/new/?partner=1234&token=AbCd-_12.
	LooseTradeURL bool
	// BaseURL of AssetPay, absolute and https (http for loopback hosts).
	// Optional, default ProductionURL. A path in it is kept.
	BaseURL string

	// HTTPClient sends the requests. Optional. It is copied: its Transport and
	// Timeout are kept, redirects are never followed, and a Jar is an error.
	HTTPClient *http.Client
	// Logger receives a debug record per attempt; a warning when renewals of a
	// token begin to fail, with op, status and the token's expiry, and an info
	// record when they recover, each at most once in 10 s; and a warning for
	// a token whose own expiry cannot be used.
	// Records contain no URL, header or body. Optional: nil is silent.
	Logger *slog.Logger
	// OnAttempt is called after each attempt of a call, of a token request, and of
	// a request through Transport or HTTPClient, for metrics and traces. ctx has the
	// values of the caller's context, and may have ended; a token request has those
	// of the caller that started it. The call goes on when OnAttempt returns, so it
	// must be quick, and safe for concurrent use. A panic is logged, at most once in
	// 10 s. Optional.
	OnAttempt func(ctx context.Context, a providerauth.Attempt)
	// AttemptTimeout bounds an attempt of a call. Optional, default 10 s. If a call
	// is never repeated, its attempt ends with the caller's context instead. If
	// that context has no deadline, the attempt ends after AttemptTimeout or 2
	// minutes, whichever is longer.
	AttemptTimeout time.Duration
	// MaxAttempts bounds the attempts of a call, where it may be repeated.
	// Optional, default 3.
	MaxAttempts int
	// MaxResponseBytes bounds the body of a successful answer to
	// [Client.Call] and [Client.CallFor], after decompression; a longer body is
	// providerauth.ErrBadResponse. Optional, default 32 MiB. Other answers may
	// have 1 MiB.
	MaxResponseBytes int
	// RefreshBefore is how long before its expiry a token is replaced: at most half
	// its life, and at random up to a tenth earlier. Optional, default about a
	// fifth of its life. (AssetPay's own SDK replaces a token 5 minutes before its
	// expiry.)
	RefreshBefore time.Duration
	// KeepWarm replaces every kept token without waiting for a caller, with the
	// client data of the last request for it. With MintRemote this costs requests
	// for users who may have left. Optional.
	KeepWarm bool
	// MaxEntries bounds the number of kept tokens. Beyond it the Client drops
	// expired and then least recently used tokens. Optional, default 100,000.
	MaxEntries int

	// Store shares the tokens of exchanges with other processes of the operator.
	// Without it, each process makes an exchange of its own for every user, of the
	// hundred an hour of an unverified merchant. While the Store fails, each
	// process does the same. Optional; an error with MintLocal.
	Store providerauth.Store
	// StoreKeys returns the secrets that encrypt the values of Store: the first
	// encrypts, and each decrypts. They are random, of at least 32 characters, and
	// the same in all processes. Required with Store, an error without it. It is
	// called whenever a token is needed from Store or the provider. To change the
	// secret, deploy the list [old, new], then [new, old], and [new] when the
	// longest token has expired.
	StoreKeys providerauth.SecretsFunc
	// StoreTimeout bounds an operation of Store with its repetitions, and a call
	// of StoreKeys. Optional, default 1 s.
	StoreTimeout time.Duration
}

func (c *Config) options() session.Options {
	return session.Options{
		HTTPClient: c.HTTPClient, Logger: c.Logger, OnAttempt: c.OnAttempt,
		AttemptTimeout: c.AttemptTimeout, MaxAttempts: c.MaxAttempts, MaxResponseBytes: c.MaxResponseBytes,
		RefreshBefore: c.RefreshBefore, KeepWarm: c.KeepWarm,
	}
}

func (c *Config) store() tokencache.StoreOptions {
	return tokencache.StoreOptions{Store: c.Store, Keys: c.StoreKeys, Timeout: c.StoreTimeout}
}

// LogValue shows the configuration without its secrets.
func (c Config) LogValue() slog.Value {
	options := c.options()
	attrs := append([]slog.Attr{
		slog.String("api_key", check.LogSecret(c.APIKey)),
		slog.String("api_secret", check.LogSecret(c.APISecret)),
		slog.String("merchant_id", c.MerchantID),
		slog.Duration("backdate", c.Backdate),
		slog.String("mint", c.Mint.String()),
		slog.Bool("bare_token", c.BareToken),
		slog.Bool("loose_trade_url", c.LooseTradeURL),
		slog.String("base_url", check.LogURL(c.BaseURL)),
	}, options.Attrs()...)
	attrs = append(attrs, slog.Int("max_entries", c.MaxEntries))
	return slog.GroupValue(append(attrs, c.store().Attrs()...)...)
}

// Format prints LogValue, under every verb.
func (c Config) Format(s fmt.State, _ rune) { fmt.Fprint(s, "assetpay.Config", c.LogValue()) }

// A Client gets client tokens and makes calls with them. It is immutable and
// safe for concurrent use.
type Client struct {
	apiKey     *credential.Source // nil if not configured
	apiSecret  *credential.Source // nil if not configured
	merchantID string
	backdate   time.Duration
	bare       bool
	loose      bool
	logger     *slog.Logger
	cache      *tokencache.Cache[identity, purpose, Token]
	session    *session.Client
}

// New returns a Client. It checks the whole configuration and reports every problem
// at once, in the Fields of an [*Error] matching [providerauth.ErrInvalidRequest].
// New does no I/O.
func New(cfg Config) (*Client, error) {
	var p check.Problems
	local := cfg.Mint == MintLocal
	if !local && cfg.Mint != MintRemote {
		p.Add("Mint", "must be MintRemote or MintLocal")
	}
	p.HMACKey("APISecret", cfg.APISecret)
	if local {
		p.RequireSecret("APISecret", cfg.APISecret)
		p.Require("MerchantID", cfg.MerchantID)
	} else {
		p.RequireSecret("APIKey", cfg.APIKey)
		p.Optional("MerchantID", cfg.MerchantID)
	}
	backdate := p.Backdate("Backdate", cfg.Backdate, life)
	base := p.BaseURL("BaseURL", cmp.Or(cfg.BaseURL, ProductionURL))
	options := cfg.options()
	options.Check(&p)
	p.Count("MaxEntries", cfg.MaxEntries)
	store := cfg.store()
	store.Check(&p)
	if local {
		store.Forbid(&p, "with MintLocal: a token costs no exchange")
	}
	if err := invalid("New", p); err != nil {
		return nil, err
	}

	c := &Client{
		merchantID: cfg.MerchantID,
		backdate:   backdate,
		bare:       cfg.BareToken,
		loose:      cfg.LooseTradeURL,
		logger:     cfg.Logger,
	}
	if cfg.APIKey != nil {
		c.apiKey = credential.NewSource("APIKey", cfg.APIKey)
	}
	if cfg.APISecret != nil {
		c.apiSecret = credential.NewHMACKey("APISecret", cfg.APISecret)
	}
	c.session = session.New(session.Config{
		Provider: "assetpay", BaseURL: base, Dialect: dialect{}, Options: options, LongestPause: time.Minute,
	})
	var retriever tokencache.Retriever[identity, purpose, Token] = exchanger{c}
	secret, limit := c.apiKey, replacements
	if local { // minting costs no exchange, so it needs no common limit
		retriever, secret, limit = minter{c}, c.apiSecret, tokencache.Rate{}
	}
	c.cache = tokencache.New(tokencache.Config[identity, purpose, Token]{
		Mode: tokencache.Overlap, Retriever: retriever, Secret: secret, Local: cfg.Mint == MintLocal,
		AttemptTimeout: c.session.API.AttemptTimeout(), RefreshBefore: cfg.RefreshBefore, KeepWarm: cfg.KeepWarm,
		MaxEntries: cmp.Or(cfg.MaxEntries, defaultMaxEntries), Replacements: limit, Shorten: short, Logger: cfg.Logger,
		Sharing: tokencache.Share(store, codec{c}),
	})
	return c, nil
}

// Token returns the user's token. The token is valid for at least the expiry margin
// of 10 seconds, or for less while renewals fail. The Client keeps a token per
// Steam ID and client id, and returns it to all callers until about a fifth of its
// life is left. If the trade URL or the client data differs from the last exchange,
// Token makes a new exchange, even to return to earlier data: AssetPay judges the
// user by the last exchange. The older tokens stay valid.
//
// Errors match [providerauth.ErrInvalidRequest], [providerauth.ErrUnauthorized],
// [providerauth.ErrRateLimited], [providerauth.ErrBadResponse],
// [providerauth.ErrSecretUnavailable], [providerauth.ErrContested] or
// [providerauth.ErrClosed], or are ctx's. After a failure the user's next exchange
// waits for a back-off. Until then callers get the same error without a request.
func (c *Client) Token(ctx context.Context, u User) (Token, error) {
	if ctx == nil {
		return Token{}, nilContext("Token")
	}
	who, why, problems := c.read(u)
	if err := invalid("Token", problems); err != nil {
		return Token{}, err
	}
	return c.token(ctx, who, why)
}

func (c *Client) token(ctx context.Context, who identity, why purpose) (Token, error) {
	t, err := c.cache.Get(ctx, who, why)
	if err != nil {
		return Token{}, fail("Token", err)
	}
	return t, nil
}

// Invalidate drops the token if it is its user's current token and may be replaced
// now, and reports whether it did; the next Token gets another. Call it when
// AssetPay rejects the token of a request made outside the Client. If it reports
// false, Token already returns another token, or no other token is available now:
// see "Rejected tokens" in the package's documentation for the limits. Do not call
// it in a loop.
func (c *Client) Invalidate(t Token) bool {
	return t.secret != nil && t.who != nil && c.cache.Invalidate(*t.who, t.secret.ID())
}

// Stats returns figures for monitoring.
func (c *Client) Stats() providerauth.Stats { return c.session.Stats(c.cache.Stats()) }

// Close ends background work and waits for exchanges under way. It is idempotent
// and always returns nil. Afterwards Token still returns a valid token. If a new
// token is needed, Token fails with [providerauth.ErrClosed].
func (c *Client) Close() error {
	c.cache.Close()
	c.session.API.CloseIdle()
	return nil
}

func nilContext(op string) error {
	return &Error{Op: op, Fields: map[string]string{"ctx": "must not be nil"}}
}

// unset returns the error of a call without the fields it needs from the Config.
// New does not require these fields.
func unset(op string, fields ...string) error {
	p := make(map[string]string, len(fields))
	for _, field := range fields {
		p[field] = "is not set in the Config, and this call needs it"
		if field != "MerchantID" {
			p[field] += " " + check.StaticNote
		}
	}
	return &Error{Op: op, Fields: p}
}
