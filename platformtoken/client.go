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

	// longestPause bounds the pauses of the breaker. During a pause the call
	// does not replace a token invalidated from outside either, so a pause
	// stays shorter than the expected length of a contest.
	longestPause = 20 * time.Second
)

// Config of a [Client].
type Config struct {
	// BaseURL is the platform's API root, absolute and https (http for loopback
	// hosts). Required: it differs by merchant and is not published. A path in
	// it is kept.
	BaseURL string
	// TenantID is the merchant id given out by the platform. Required, greater
	// than 0.
	TenantID int64
	// Secret returns the merchant's signing secret, whose text is the key; it
	// is not decoded. Required, unless Signer is set; not usable in FIPS
	// 140-only mode, which does not allow MD5. It is called once for every
	// signed request. While no token is available it is also called at most
	// once a second, to detect a changed secret.
	Secret providerauth.SecretFunc
	// Signer signs requests in place of the default, the documented scheme; see
	// [Signer] for the limits of that scheme. It is called once for every
	// request. Set either Signer or Secret.
	Signer Signer
	// Language code of the platform's messages. Optional, default "en".
	Language string
	// Rejected reports whether an answer to a call with a player's token
	// rejects the token. Optional, default: status 401. The platform publishes
	// neither the status nor the code of rejections, its codes differ from
	// endpoint to endpoint, and it may send a failure envelope under 200. Set
	// Rejected if the platform reports an invalid token by anything but HTTP
	// 401. Otherwise a token invalidated by another system stays in use until
	// it expires.
	//
	// path extends BaseURL, as in "/player/getBalance"; code is 0 if the answer
	// has no failure envelope. Rejected is not called for successful answers,
	// nor for ambiguous answers. Ambiguous is a 408 or 5xx to a call that
	// creates or moves something, or to a request of HTTPClientFor other than
	// GET or HEAD, or without a failure envelope. Rejected must be safe for
	// concurrent use.
	Rejected func(path string, status, code int) bool

	// HTTPClient sends the requests. Optional. It is copied: its Transport and
	// Timeout are kept, redirects are never followed, and a Jar is an error.
	HTTPClient *http.Client
	// Logger receives a debug record per attempt; a warning when renewals of a
	// token begin to fail, with op, status and the token's expiry, and an info
	// record when they recover, each at most once in 10 s; and a warning for a
	// token with an unusable expiry, and for the first eviction of a live
	// token. Records contain no URL, header or body. Optional: nil is silent.
	Logger *slog.Logger
	// OnAttempt is called after each attempt of a call, of a token request, and of
	// a request through Transport or HTTPClient, for metrics and traces. ctx has the
	// values of the caller's context, and may have ended; a token request has those
	// of the caller that started it. The call goes on when OnAttempt returns, so it
	// must be quick, and safe for concurrent use. A panic is logged, at most once in
	// 10 s. Optional.
	OnAttempt func(ctx context.Context, a providerauth.Attempt)
	// AttemptTimeout bounds an attempt of a call. The creation of a token may
	// take twice AttemptTimeout plus a second. Optional, default 10 s. An
	// attempt of a call that is never repeated ends with its caller's context
	// instead. If the caller has no deadline, it ends after 2 minutes or
	// AttemptTimeout, whichever is longer.
	AttemptTimeout time.Duration
	// MaxAttempts bounds the attempts of a repeatable call. The creation of a
	// token is sent at most twice, whatever MaxAttempts is. Optional, default
	// 3.
	MaxAttempts int
	// MaxResponseBytes bounds the body of a successful answer to
	// [Client.Call] and [Client.CallFor], after decompression; a longer body is
	// providerauth.ErrBadResponse. Optional, default 32 MiB. Other answers may
	// have 1 MiB.
	MaxResponseBytes int
	// RefreshBefore is the time before expiry at which a token is replaced: at
	// most half its life, plus a random part of up to a tenth. Optional,
	// default 5 minutes, less for tokens living less than 100 minutes. The
	// platform may then reject calls in flight with the old token; they are
	// made once more.
	RefreshBefore time.Duration
	// KeepWarm replaces every kept token without waiting for a caller. Each
	// replacement invalidates the player's old token, also for players who may
	// be gone. Optional.
	KeepWarm bool
	// MaxEntries bounds the number of players whose tokens are kept. Beyond it,
	// expired tokens are dropped first, then the least recently used. A
	// returning player costs a new token, and the new token invalidates the
	// dropped token. Keep MaxEntries above the number of players active at a
	// time. Optional, default 100,000.
	MaxEntries int

	// Store shares the tokens with other processes of the operator: a token is
	// created once for all of them. Without it, replicas invalidate each other's
	// tokens; see the package documentation. While the Store fails, tokens in
	// memory stay in use, and a call that needs a new token fails with
	// [providerauth.ErrStoreUnavailable]. Optional.
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
	attrs = append(attrs, slog.Int("max_entries", c.MaxEntries))
	return slog.GroupValue(append(attrs, c.store().Attrs()...)...)
}

// Format prints the text of LogValue, under every verb.
func (c Config) Format(s fmt.State, _ rune) { fmt.Fprint(s, "platformtoken.Config", c.LogValue()) }

// A Client gets players' tokens and makes calls with them. It is immutable and
// safe for concurrent use. Use a single Client per tenant in a process: two
// Clients invalidate each other's tokens.
type Client struct {
	tenantID int64
	secret   *credential.Source // nil if there is a signer
	signer   SignerFunc         // nil: none. A function, since fmt prints the fields of other values
	language string
	rejected func(path string, status, code int) bool // nil: 401
	logger   *slog.Logger
	cache    *tokencache.Cache[string, string, Token]
	session  *session.Client
}

// New returns a Client. It checks the whole configuration and reports every
// problem at once, in the Fields of an [*Error] matching
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
	cfg.store().Check(&p)
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
		signer := cfg.Signer // no method value: of a nil pointer it may panic right here
		c.signer = func(ctx context.Context, in SignInput) (string, error) { return signer.Sign(ctx, in) }
	}
	c.session = session.New(session.Config{
		Provider: "platformtoken", BaseURL: base, Dialect: dialect{c}, Options: options,
		ContentType: contentType, Timestamps: true, LongestPause: longestPause, Layer: rewindingOver,
	})
	c.cache = tokencache.New(tokencache.Config[string, string, Token]{
		Mode: tokencache.Exclusive, Retriever: creator{c, "Token", c.language, apierror.Renews}, Secret: c.secret,
		Serves: anyCurrency, Suspect: Token.suspected,
		AttemptTimeout: c.session.API.AttemptTimeout(), RefreshBefore: cfg.RefreshBefore, KeepWarm: cfg.KeepWarm,
		MaxEntries: cmp.Or(cfg.MaxEntries, defaultMaxEntries), Shorten: short, Logger: cfg.Logger,
		Sharing: tokencache.Share(cfg.store(), codec{c}),
	})
	return c, nil
}

// Token returns the player's token, valid now and for at least the expiry
// margin of 10 seconds. The margin is shorter for tokens that live less than
// 80 seconds, or a few minutes if Config.AttemptTimeout is short, and may be
// shorter while renewals fail. The Client keeps a token per user id, makes it by a
// single request however many callers wait, and replaces it shortly before it
// expires. The replacement invalidates the old token, so callers wait for it.
//
// A live token of any currency serves an empty Currency. A Currency other than
// the live token's makes a new token and invalidates the live token. Such
// switches, and replacements of rejected tokens, are limited for each player to
// five at once and then one per five seconds. Beyond the limit Token sends no
// request: a rejected token stays in use, and a switch fails with an error that
// matches [providerauth.ErrContested] and states the wait.
//
// If the answer to a token request is lost, the request is sent once more. If
// the second answer is lost too, Token returns the old token until it expires,
// marked by [Token.Suspect]. Errors match [providerauth.ErrInvalidRequest],
// [providerauth.ErrUnauthorized], [providerauth.ErrRateLimited],
// [providerauth.ErrBadResponse], [providerauth.ErrAmbiguous],
// [providerauth.ErrSecretUnavailable], [providerauth.ErrContested] or
// [providerauth.ErrClosed], or are ctx's. After a failure the player's next
// creation waits for a back-off. Callers within it get the old token while it is
// valid, otherwise the error again, without a request.
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

// Invalidate drops the token if it is its player's current token and may be
// replaced now, and reports whether it did; the next Token gets a new token.
// Call it when a request outside the Client is rejected. If it reports false,
// no other token is available now, or Token has another already: replacements
// are limited to five at once and then one per five seconds. Do not call it in
// a loop.
func (c *Client) Invalidate(t Token) bool {
	return t.secret != nil && c.cache.Invalidate(t.Player.UserID, t.secret.ID())
}

// Stats returns figures for monitoring.
func (c *Client) Stats() providerauth.Stats { return c.session.Stats(c.cache.Stats()) }

// Close ends background work and waits for creations under way. It is
// idempotent and always returns nil. Afterwards Token returns a kept token
// while it is valid; if a new token is needed, Token fails with
// [providerauth.ErrClosed].
func (c *Client) Close() error {
	c.cache.Close()
	c.session.API.CloseIdle()
	return nil
}

func nilContext(op string) error {
	return &Error{Op: op, Fields: map[string]string{"ctx": "must not be nil"}}
}
