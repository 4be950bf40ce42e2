package platformtoken

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

const (
	defaultMaxEntries = 100_000

	// While a call's rejections are passed on, a token killed from outside is
	// not replaced for it either, so the pauses stay shorter than the time in
	// which a fight over a token should be over.
	longestPause = 20 * time.Second
)

// Config of a [Client].
type Config struct {
	// BaseURL is the platform's API root, absolute and https (http for
	// loopback hosts). Required: there is one per merchant, and none is
	// published. A path in it is kept.
	BaseURL string
	// TenantID is the merchant id that the platform has given out. Required,
	// greater than 0.
	TenantID int64
	// Secret returns the merchant's signing secret, whose text is the key; it
	// is not decoded. Required, unless Signer is set; not usable in FIPS
	// 140-only mode, which does not allow MD5. It is called once for
	// every request that is signed, and while tokens cannot be had at most
	// once a second in addition, to see whether the secret has changed.
	Secret providerauth.SecretFunc
	// Signer signs requests in place of the documented scheme, which is the
	// default; see there for what that does not protect. It is called once for
	// every request. Set either this or Secret.
	Signer Signer
	// Language of the platform's messages, one code. Optional, default "en".
	Language string
	// Rejected reports whether an answer to a call that was made with a
	// player's token says that the token is dead. Optional, default: if the
	// status is 401. The platform publishes neither the status nor the code of
	// such answers, its codes differ from endpoint to endpoint, and it may
	// refuse inside a 200: unless a dead token is answered 401, set this, or a
	// token that another system has killed is used until it expires.
	//
	// path extends BaseURL, as in "/player/getBalance"; code is 0 if the
	// answer has no failure envelope. Successful answers are not asked about,
	// nor those that leave open whether the platform acted: a 408 or 5xx to a
	// call that creates or moves something, or to a request of HTTPClientFor
	// that is no GET or HEAD, or without a failure envelope. It must be safe
	// for concurrent use.
	Rejected func(path string, status, code int) bool

	// HTTPClient sends the requests. Optional. It is copied: its Transport and
	// Timeout are kept, redirects are never followed, and a Jar is an error.
	HTTPClient *http.Client
	// Logger receives a debug record per attempt; a warning when renewals of a
	// token begin to fail, with op, status and the token's expiry, and an info
	// record when they recover, each at most once in 10 s; and a warning for
	// a token whose expiry cannot be used, and for the first live token that is
	// evicted.
	// Records contain no URL, header or body. Optional: nil is silent.
	Logger *slog.Logger
	// AttemptTimeout bounds an attempt of a call. The creation of a token may
	// take two of them and a second. Optional, default 10 s. An attempt of a call
	// that is never repeated ends with its caller's context, and without a deadline
	// of the caller after 2 minutes, if that is longer.
	AttemptTimeout time.Duration
	// MaxAttempts bounds the attempts of a call, where it may be repeated. The
	// creation of a token is sent twice at most whatever this says. Optional,
	// default 3.
	MaxAttempts int
	// MaxResponseBytes bounds the body of a successful answer to
	// [Client.Call] and [Client.CallFor], after decompression; a longer body is
	// providerauth.ErrBadResponse. Optional, default 32 MiB. Other answers may
	// have 1 MiB.
	MaxResponseBytes int
	// RefreshBefore is how long before it expires a token is replaced, at most
	// half its life, and by chance up to a tenth earlier. Optional, default 5
	// minutes, less for tokens that live less than 100. Calls in flight may meet the dead token then, and are made
	// once more.
	RefreshBefore time.Duration
	// KeepWarm replaces every token that is kept without waiting for a caller,
	// and kills the player's old one each time, for players who may be gone as
	// well. Optional.
	KeepWarm bool
	// MaxEntries bounds how many players' tokens are kept; beyond it, expired
	// and then least recently used ones go. A player who comes back costs one
	// new token, which kills the one that was dropped: keep it above the
	// number of players who are active at one time. Optional, default 100,000.
	MaxEntries int
}

func (c *Config) options() session.Options {
	return session.Options{
		HTTPClient: c.HTTPClient, Logger: c.Logger, AttemptTimeout: c.AttemptTimeout, MaxAttempts: c.MaxAttempts,
		MaxResponseBytes: c.MaxResponseBytes,
		RefreshBefore:    c.RefreshBefore, KeepWarm: c.KeepWarm,
	}
}

// LogValue shows the configuration without its secret.
func (c Config) LogValue() slog.Value {
	signer, rejected := "default", "default"
	if c.Signer != nil {
		signer = "set"
	}
	if c.Rejected != nil {
		rejected = "set"
	}
	options := c.options()
	attrs := append([]slog.Attr{
		slog.String("base_url", check.LogURL(c.BaseURL)),
		slog.Int64("tenant_id", c.TenantID),
		slog.String("secret", check.LogSecret(c.Secret)),
		slog.String("signer", signer),
		slog.String("language", c.Language),
		slog.String("rejected", rejected),
	}, options.Attrs()...)
	return slog.GroupValue(append(attrs, slog.Int("max_entries", c.MaxEntries))...)
}

// Format prints what LogValue shows, under every verb.
func (c Config) Format(s fmt.State, _ rune) { fmt.Fprint(s, "platformtoken.Config", c.LogValue()) }

// A Client gets players' tokens and makes calls with them. It is immutable and
// safe for concurrent use. In one process there should be one Client per
// tenant: two of them kill each other's tokens.
type Client struct {
	tenantID int64
	secret   *credential.Source // nil if there is a signer
	signer   SignerFunc         // nil if there is none; fmt prints the fields of anything but a function
	language string
	rejected func(path string, status, code int) bool // nil: 401
	logger   *slog.Logger
	cache    *tokencache.Cache[string, string, Token]
	session  *session.Client
}

// New returns a Client. It checks the whole configuration and reports every
// problem at once, in the Fields of an [*Error] that matches
// [providerauth.ErrInvalidRequest]; it does no I/O.
func New(cfg Config) (*Client, error) {
	var p check.Problems
	base := p.BaseURL("BaseURL", cfg.BaseURL)
	if cfg.TenantID <= 0 {
		p.Add("TenantID", "required, must be greater than 0")
	}
	f, isFunc := cfg.Signer.(SignerFunc)
	refused := fips.MD5()
	switch {
	case cfg.Signer == nil && refused != "":
		p.Add("Secret", refused+", set Signer")
	case cfg.Signer == nil:
		p.RequireSecret("Secret", cfg.Secret)
	case cfg.Secret != nil:
		p.Add("Signer", "must not be set beside Secret")
	case isFunc && f == nil:
		p.Add("Signer", "must not be a nil function")
	}
	checkLanguage(&p, cfg.Language)
	options := cfg.options()
	options.Check(&p)
	p.Count("MaxEntries", cfg.MaxEntries)
	if err := invalid("New", p); err != nil {
		return nil, err
	}

	c := &Client{
		tenantID: cfg.TenantID,
		language: cmp.Or(cfg.Language, "en"),
		rejected: cfg.Rejected,
		logger:   cfg.Logger,
	}
	if cfg.Secret != nil {
		c.secret = credential.NewSource("Secret", cfg.Secret)
	} else {
		signer := cfg.Signer // no method value: one of a nil pointer may panic right here
		c.signer = func(ctx context.Context, in SignInput) (string, error) { return signer.Sign(ctx, in) }
	}
	c.session = session.New(session.Config{
		Provider: "platformtoken", BaseURL: base, Dialect: dialect{c}, Options: options,
		ContentType: contentType, Timestamps: true, LongestPause: longestPause,
	})
	c.cache = tokencache.New(tokencache.Config[string, string, Token]{
		Mode: tokencache.Exclusive, Retriever: creator{c, "Token", c.language, apierror.Renews}, Secret: c.secret,
		Serves: anyCurrency, Suspect: Token.suspected,
		AttemptTimeout: c.session.API.AttemptTimeout(), RefreshBefore: cfg.RefreshBefore, KeepWarm: cfg.KeepWarm,
		MaxEntries: cmp.Or(cfg.MaxEntries, defaultMaxEntries), Shorten: short, Logger: cfg.Logger,
	})
	return c, nil
}

// Token returns the player's token, which is valid now and for at least the
// expiry margin of 10 seconds, less for tokens of a few minutes and while renewals
// fail. One is kept
// per user id, made by one request however many callers want it, and replaced
// shortly before it expires. As that kills the old one, callers wait for it.
//
// An empty Currency is served by a live token of any currency. Another one than
// the live token's makes a new token and kills that one. Such switches, and
// replacements of tokens that were rejected, are limited for each player to
// five at once and then one per five seconds; beyond that there is no request,
// and the error matches [providerauth.ErrContested] and says when to come back.
//
// If the answer to a request for a new token is lost, the request is sent once
// more; if that is lost too, the old token is returned while it lasts, and says
// so ([Token.Suspect]). Errors match [providerauth.ErrInvalidRequest], [providerauth.ErrUnauthorized],
// [providerauth.ErrRateLimited], [providerauth.ErrBadResponse], [providerauth.ErrAmbiguous], [providerauth.ErrSecretUnavailable],
// [providerauth.ErrContested] or [providerauth.ErrClosed], or are ctx's. After a failure the player's
// next creation waits for a back-off; callers within it get the error again,
// without a request.
func (c *Client) Token(ctx context.Context, p Player) (Token, error) {
	if ctx == nil || !p.plain() {
		return c.sourceOf(p).Token(ctx)
	}
	t, err := c.cache.Get(ctx, p.UserID, p.Currency)
	if err != nil {
		return Token{}, fail("Token", err)
	}
	return t, nil
}

// Invalidate drops the token if it is its player's current one and may be
// replaced now, and reports whether it did; the next Token gets another. Call it
// when a request that did not go through the Client is answered that the token is
// dead. If it reports false, there is no other token now, or Token has another
// already: replacements are limited to five at once and then one per five
// seconds. Do not call it in a loop.
func (c *Client) Invalidate(t Token) bool {
	return t.secret != nil && c.cache.Invalidate(t.Player.UserID, t.secret.ID())
}

// Stats returns figures for monitoring.
func (c *Client) Stats() providerauth.Stats { return c.session.Stats(c.cache.Stats()) }

// Close ends background work and waits for creations under way. It is
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
