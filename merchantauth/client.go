package merchantauth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// Config of a [Client]. In session mode MerchantID, Email and Password are set, in
// key mode only APIKey.
type Config struct {
	// BaseURL of Kuna Core, absolute and https (http for loopback hosts).
	// Required: Kuna publishes none. A path in it is kept.
	BaseURL string
	// MerchantID is the merchant's id. Required in session mode, an error in
	// key mode.
	MerchantID string
	// Email is the merchant's login name. Required in session mode, an error in key
	// mode.
	Email string
	// Password returns the password to Email. Required in session mode, an error in
	// key mode. The Client calls it once per login. While tokens are not available,
	// the Client also calls it at most once a second to detect a changed password.
	Password providerauth.SecretFunc
	// APIKey returns the merchant's API key. Required in key mode, an error in
	// session mode. The Client calls it once per call and request.
	APIKey providerauth.SecretFunc

	// HTTPClient sends the requests. Optional. It is copied: its Transport and
	// Timeout are kept, redirects are never followed, and a Jar is an error.
	HTTPClient *http.Client
	// Logger receives a debug record per attempt; a warning when renewals of a
	// token begin to fail, with op, status and the token's expiry, and an info
	// record when they recover, each at most once in 10 s; and a warning for
	// an answer whose expiresIn or exp cannot be used.
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
	// [Client.Call], after decompression; a longer body is
	// providerauth.ErrBadResponse. Optional, default 32 MiB. Other answers may
	// have 1 MiB.
	MaxResponseBytes int
	// RefreshBefore is how long before its expiry an access token is refreshed: at
	// most half its life, and at random up to a tenth earlier. Optional, default
	// about a fifth of its life.
	RefreshBefore time.Duration
	// KeepWarm refreshes without waiting for a caller. Optional.
	KeepWarm bool

	// Store shares the session with other processes of the operator: they log in
	// once, and no refresh token is sent by two of them. Without it, each process
	// has a session of its own. While the Store fails, a token in memory stays in
	// use, and a call that needs a new token fails with
	// [providerauth.ErrStoreUnavailable]. Optional; an error in key mode.
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

// LogValue shows the configuration without its secrets and the e-mail address.
func (c Config) LogValue() slog.Value {
	email := "not set"
	if c.Email != "" {
		email = "set"
	}
	options := c.options()
	attrs := append([]slog.Attr{
		slog.String("base_url", check.LogURL(c.BaseURL)),
		slog.String("merchant_id", c.MerchantID),
		slog.String("email", email),
		slog.String("password", check.LogSecret(c.Password)),
		slog.String("api_key", check.LogSecret(c.APIKey)),
	}, options.Attrs()...)
	return slog.GroupValue(append(attrs, c.store().Attrs()...)...)
}

// Format prints LogValue, under every verb.
func (c Config) Format(s fmt.State, _ rune) { fmt.Fprint(s, "merchantauth.Config", c.LogValue()) }

// A Client keeps a session, or uses an API key, and makes calls. It is
// immutable and safe for concurrent use.
type Client struct {
	logger  *slog.Logger
	session *session.Client

	key *credential.Source // nil in session mode

	// The remaining fields are for session mode; cache is nil in key mode.
	merchantID string
	email      *credential.Secret
	password   *credential.Source
	cache      *tokencache.Cache[struct{}, struct{}, Token]
	grants     grants
}

// New returns a Client. It checks the whole configuration and reports every problem
// at once, in the Fields of an [*Error] matching [providerauth.ErrInvalidRequest].
// New does no I/O.
func New(cfg Config) (*Client, error) {
	var p check.Problems
	base := p.BaseURL("BaseURL", cfg.BaseURL)
	checkMode(&p, cfg)
	options := cfg.options()
	options.Check(&p)
	store := cfg.store()
	store.Check(&p)
	if cfg.APIKey != nil {
		store.Forbid(&p, "together with APIKey: there is no token to share")
	}
	if err := invalid("New", p); err != nil {
		return nil, err
	}

	c := &Client{logger: cfg.Logger}
	c.session = session.New(session.Config{
		Provider: "merchantauth", BaseURL: base, Dialect: dialect{}, Options: options, LongestPause: time.Minute,
	})
	if cfg.APIKey != nil {
		c.key = credential.NewSource("APIKey", cfg.APIKey)
		return c, nil
	}
	c.merchantID = cfg.MerchantID
	c.email = credential.New(cfg.Email)
	c.password = credential.NewSource("Password", cfg.Password)
	c.cache = tokencache.New(tokencache.Config[struct{}, struct{}, Token]{
		Mode: tokencache.SingleUse, Secret: c.password,
		Retriever: loginer{c}, Renewer: refresher{c, apierror.Renews}, Renewable: c.renewable,
		AttemptTimeout: c.session.API.AttemptTimeout(), RefreshBefore: cfg.RefreshBefore, KeepWarm: cfg.KeepWarm, Logger: cfg.Logger,
		Sharing: tokencache.Share(store, codec{c}),
	})
	return c, nil
}

// checkMode requires all fields of either mode and no field of the other mode.
func checkMode(p *check.Problems, cfg Config) {
	given := map[string]bool{"MerchantID": cfg.MerchantID != "", "Email": cfg.Email != "", "Password": cfg.Password != nil}
	session := given["MerchantID"] || given["Email"] || given["Password"]
	switch {
	case cfg.APIKey != nil && session:
		p.Add("APIKey", "must not be set together with MerchantID, Email or Password")
		for field, set := range given {
			if set {
				p.Add(field, "must not be set together with APIKey")
			}
		}
	case cfg.APIKey == nil && !session:
		p.Add("APIKey", "required, or MerchantID, Email and Password instead "+check.StaticNote)
	case cfg.APIKey == nil:
		p.Require("MerchantID", cfg.MerchantID)
		p.Require("Email", cfg.Email)
		p.RequireSecret("Password", cfg.Password)
	}
}

// Token returns an access token valid for at least the expiry margin: 10 seconds,
// or less for tokens that live less than about two minutes, and perhaps less while
// renewals fail. All callers share
// the token until about a fifth of its life is left. Then the Client refreshes it,
// and hands it out until the refresh is done.
//
// Errors match [providerauth.ErrUnauthorized], [providerauth.ErrRateLimited],
// [providerauth.ErrBadResponse], [providerauth.ErrAmbiguous],
// [providerauth.ErrSecretUnavailable], [providerauth.ErrContested] or
// [providerauth.ErrClosed], or are ctx's; in key mode the error is [ErrNoSession].
// After a failure the next flight waits for a back-off. Until then callers in need
// of a token get the same error without a request.
func (c *Client) Token(ctx context.Context) (Token, error) {
	if err := c.needSession("Token", ctx); err != nil {
		return Token{}, err
	}
	t, err := c.cache.Get(ctx, struct{}{}, struct{}{})
	if err != nil {
		return Token{}, fail("Token", err)
	}
	return t, nil
}

// needSession returns the error of a call in key mode or with a nil ctx; otherwise
// nil.
func (c *Client) needSession(op string, ctx context.Context) error {
	switch {
	case ctx == nil:
		return nilContext(op)
	case c.cache == nil:
		return &Error{Op: op, Err: ErrNoSession}
	}
	return nil
}

// Invalidate drops the access token if it is the current token and may be replaced
// now, and reports whether it did; the next Token refreshes. Call it when Kuna
// rejects the token of a request made outside the Client. If it reports false,
// Token already returns another token, or no other token is available now:
// replacements are limited to a burst of five, then one per five seconds. Do not
// call it in a loop. In key mode it does nothing.
func (c *Client) Invalidate(t Token) bool {
	return c.cache != nil && t.secret != nil && c.cache.Invalidate(struct{}{}, t.secret.ID())
}

// Stats returns figures for monitoring. In key mode all figures are zero.
func (c *Client) Stats() providerauth.Stats {
	if c.cache == nil {
		return c.session.Stats(providerauth.Stats{})
	}
	return c.session.Stats(c.cache.Stats())
}

// Close ends background work and waits for logins and refreshes under way. It is
// idempotent and always returns nil. Afterwards Token still returns a valid token.
// If a new token is needed, Token fails with [providerauth.ErrClosed], and so do
// Login and Refresh. The session at Kuna goes on: Kuna has no call to end it.
func (c *Client) Close() error {
	if c.cache != nil {
		c.cache.Close()
		c.grants.close()
	}
	c.session.API.CloseIdle()
	return nil
}

func nilContext(op string) error {
	return &Error{Op: op, Fields: map[string]string{"ctx": "must not be nil"}}
}
