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

// The hosts that AssetPay publishes, for Config.BaseURL. Mind the order of the
// words on staging: the older assetpay.co has them the other way round.
const (
	ProductionURL = "https://api.assetpay.gg"
	StagingURL    = "https://api-staging.assetpay.gg"
)

// A MintMode says where [Client.Token] gets tokens from.
type MintMode int

const (
	// MintRemote exchanges the API key for a token, one request each. AssetPay
	// learns the client data that way.
	MintRemote MintMode = iota
	// MintLocal signs tokens with the API secret, without a request and
	// without a rate limit.
	MintLocal
)

// String returns "remote" or "local".
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

// replacements is how many exchanges the rejections of all users together may
// cause. AssetPay allows an unverified merchant 100 exchanges an hour: the other
// 30 are for new users.
var replacements = tokencache.Rate{Burst: 10, Refill: time.Minute}

// Config of a [Client].
type Config struct {
	// APIKey returns the merchant's API key, which needs the scope
	// CORE_ACCESS. Required with MintRemote; with MintLocal only for
	// [Client.AuthenticateClient], [Client.Call], [Client.Transport] and
	// [Client.HTTPClient]. It is called once for every exchange, Call and
	// request that goes out with it, and while exchanges fail at most once a
	// second to see whether the key has changed.
	APIKey providerauth.SecretFunc
	// APISecret returns the merchant's API secret, whose text is the key that
	// signs client tokens; it is not decoded. In FIPS 140-only mode it needs
	// at least 14 bytes. Required with MintLocal; with MintRemote only for
	// [Client.MintClientToken] and [Client.VerifyClientToken]. It is called
	// once for every token that is minted or verified, and while minting fails
	// at most once a second.
	APISecret providerauth.SecretFunc
	// MerchantID is the merchant's id, which AssetPay puts into the tokens
	// that it issues. Required wherever APISecret is.
	MerchantID string
	// Backdate is how far in the past the iat of tokens lies that are minted
	// here, in whole seconds below a day: receivers whose clock is behind refuse
	// tokens that are issued in their future. exp lies as far back. Optional,
	// default 5 s; a negative Backdate is none.
	Backdate time.Duration
	// Mint says where tokens come from. Optional, default MintRemote.
	Mint MintMode
	// BareToken sends client tokens as the pages print them, "Authorization:
	// <token>". Optional, default "Authorization: Bearer <token>", as
	// AssetPay's OpenAPI document and its own SDK have it.
	BareToken bool
	// LooseTradeURL accepts as a trade URL every https URL whose host is
	// steamcommunity.com, of at most 512 characters, without port or user name.
	// Optional, default only
	// the form that AssetPay's OpenAPI document requires,
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
	// AttemptTimeout bounds an attempt of a call. Optional, default 10 s. An
	// attempt of a call that is never repeated ends with its caller's context, and
	// without a deadline of the caller after 2 minutes, if that is longer.
	AttemptTimeout time.Duration
	// MaxAttempts bounds the attempts of a call, where it may be repeated.
	// Optional, default 3.
	MaxAttempts int
	// MaxResponseBytes bounds the body of a successful answer to
	// [Client.Call] and [Client.CallFor], after decompression; a longer body is
	// providerauth.ErrBadResponse. Optional, default 32 MiB. Other answers may
	// have 1 MiB.
	MaxResponseBytes int
	// RefreshBefore is how long before it expires a token is replaced, at most
	// half its life, and by chance up to a tenth earlier. Optional, default about
	// a fifth of its life. (AssetPay's own SDK does so 5 minutes before.)
	RefreshBefore time.Duration
	// KeepWarm replaces every token that is kept without waiting for a caller,
	// with the client data it was last asked for with. With MintRemote that
	// costs requests for users who may be gone. Optional.
	KeepWarm bool
	// MaxEntries bounds how many tokens are kept; beyond it, expired and then
	// least recently used ones go. Optional, default 100,000.
	MaxEntries int
}

func (c *Config) options() session.Options {
	return session.Options{
		HTTPClient: c.HTTPClient, Logger: c.Logger, AttemptTimeout: c.AttemptTimeout, MaxAttempts: c.MaxAttempts,
		MaxResponseBytes: c.MaxResponseBytes,
		RefreshBefore:    c.RefreshBefore, KeepWarm: c.KeepWarm,
	}
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
	return slog.GroupValue(append(attrs, slog.Int("max_entries", c.MaxEntries))...)
}

// Format prints what LogValue shows, under every verb.
func (c Config) Format(s fmt.State, _ rune) { fmt.Fprint(s, "assetpay.Config", c.LogValue()) }

// A Client gets client tokens and makes calls with them. It is immutable and
// safe for concurrent use.
type Client struct {
	apiKey     *credential.Source // nil if it is not configured
	apiSecret  *credential.Source // the same
	merchantID string
	backdate   time.Duration
	bare       bool
	loose      bool
	logger     *slog.Logger
	cache      *tokencache.Cache[identity, purpose, Token]
	session    *session.Client
}

// New returns a Client. It checks the whole configuration and reports every
// problem at once, in the Fields of an [*Error] that matches
// [providerauth.ErrInvalidRequest]; it does no I/O.
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
	if local { // which costs no exchange
		retriever, secret, limit = minter{c}, c.apiSecret, tokencache.Rate{}
	}
	c.cache = tokencache.New(tokencache.Config[identity, purpose, Token]{
		Mode: tokencache.Overlap, Retriever: retriever, Secret: secret, Local: cfg.Mint == MintLocal,
		AttemptTimeout: c.session.API.AttemptTimeout(), RefreshBefore: cfg.RefreshBefore, KeepWarm: cfg.KeepWarm,
		MaxEntries: cmp.Or(cfg.MaxEntries, defaultMaxEntries), Replacements: limit, Shorten: short, Logger: cfg.Logger,
	})
	return c, nil
}

// Token returns the user's token, which is valid now and for at least the
// expiry margin of 10 seconds; less while renewals fail. One is kept per Steam ID and client id, and
// shared until about a fifth of its life is left. A request whose trade URL or
// client data differ from those of the last exchange is a new exchange, also
// where it goes back to earlier ones: AssetPay is to judge the user by what
// was said last. The older tokens stay good.
//
// Errors match [providerauth.ErrInvalidRequest], [providerauth.ErrUnauthorized], [providerauth.ErrRateLimited],
// [providerauth.ErrBadResponse], [providerauth.ErrSecretUnavailable], [providerauth.ErrContested] or [providerauth.ErrClosed], or
// are ctx's. After a failure the user's next exchange waits for a back-off;
// callers within it get the error again, without a request.
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

// Invalidate drops the token if it is its user's current one and may be replaced
// now, and reports whether it did; the next Token gets another. Call it when a
// request that did not go through the Client is answered that the token is
// invalid. If it reports false, there is no other token now, or Token has another
// already: see "Rejected tokens" in the package's documentation for the limits. Do
// not call it in a loop.
func (c *Client) Invalidate(t Token) bool {
	return t.secret != nil && t.who != nil && c.cache.Invalidate(*t.who, t.secret.ID())
}

// Stats returns figures for monitoring.
func (c *Client) Stats() providerauth.Stats { return c.session.Stats(c.cache.Stats()) }

// Close ends background work and waits for exchanges under way. It is
// idempotent and always returns nil. A token that is still good is returned
// afterwards; where a new one is needed, Token fails with [providerauth.ErrClosed].
func (c *Client) Close() error {
	c.cache.Close()
	c.session.API.CloseIdle()
	return nil
}

func nilContext(op string) error {
	return &Error{Op: op, Fields: map[string]string{"ctx": "must not be nil"}}
}

// unset is the error of a call that needs fields of the configuration that New
// does not require.
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
