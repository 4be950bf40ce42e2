// Package session makes requests with credentials, and handles their rejection:
// it gets a token, sends the request, replaces a rejected token, and sends the
// request once more. It does so as a call ([Client.Do]) and as an
// http.RoundTripper ([Client.Transport]), by one rule (use.go).
package session

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// Options are the common fields of all providers' Configs.
type Options struct {
	HTTPClient       *http.Client
	Logger           *slog.Logger
	OnAttempt        func(context.Context, providerauth.Attempt)
	AttemptTimeout   time.Duration
	MaxAttempts      int
	MaxResponseBytes int
	RefreshBefore    time.Duration
	KeepWarm         bool
}

// Check reports invalid options.
func (o *Options) Check(p *check.Problems) {
	p.HTTPClient(o.HTTPClient)
	p.Duration("AttemptTimeout", o.AttemptTimeout)
	p.Count("MaxAttempts", o.MaxAttempts)
	p.Count("MaxResponseBytes", o.MaxResponseBytes)
	p.Duration("RefreshBefore", o.RefreshBefore)
}

// Attrs shows the options in a log.
func (o *Options) Attrs() []slog.Attr {
	onAttempt := "not set"
	if o.OnAttempt != nil {
		onAttempt = "set"
	}
	return []slog.Attr{
		slog.String("on_attempt", onAttempt),
		slog.Duration("attempt_timeout", o.AttemptTimeout),
		slog.Int("max_attempts", o.MaxAttempts),
		slog.Int("max_response_bytes", o.MaxResponseBytes),
		slog.Duration("refresh_before", o.RefreshBefore),
		slog.Bool("keep_warm", o.KeepWarm),
	}
}

// Dialect reads a provider's answers and makes its errors. Its methods are safe
// for concurrent use.
type Dialect interface {
	// Read reads the answer to a call. The class Rejected has the token
	// replaced.
	transport.Reader
	// Rejected reports whether the answer to a RoundTripper's request is a
	// rejection of the token. path is below the base URL. It may read the body
	// by Peek, and nothing else of it. It is not asked below status 200.
	Rejected(path string, r *http.Request, resp *http.Response) bool
	// Fail returns the provider's error for an error from below.
	Fail(op string, err error) error
}

// Credential authenticates the requests of a user, or of the merchant.
type Credential interface {
	// Get returns the secret to send; nil if the requests carry a signature
	// only.
	Get(ctx context.Context) (*credential.Secret, error)
	// Set puts the secret on a request and signs the request. It changes
	// headers only. body will be sent.
	Set(r *http.Request, s *credential.Secret, body []byte) error
}

// User is whose requests are made.
type User struct {
	Credential Credential
	// Keeper keeps the tokens of Credential. Nil: a rejected secret is never
	// replaced.
	Keeper Keeper
	// Key tells users apart for the Breaker.
	Key string
}

// Config of a Client.
type Config struct {
	Provider string // the package
	BaseURL  *url.URL
	Dialect  Dialect
	Options  Options
	// ContentType of the bodies of calls. Optional, default application/json.
	ContentType string
	// Timestamps is true if every request is signed with a time of Clock.
	Timestamps bool
	// LongestPause bounds the pauses of the Breaker.
	LongestPause time.Duration
	// Layer returns the package's own RoundTripper in front of the base of
	// Transport. Optional.
	Layer func(base http.RoundTripper) http.RoundTripper
}

// A Client is the common part of every provider's Client. It is safe for
// concurrent use.
type Client struct {
	API   *transport.Client
	Clock clock.Clock

	dialect    Dialect
	timestamps bool
	base       *url.URL
	timeout    time.Duration // of the operator's HTTPClient
	breaker    *Breaker
	layer      func(http.RoundTripper) http.RoundTripper // nil: none

	protocol atomic.Int32 // of the connections
}

// New returns a Client. cfg has been checked.
func New(cfg Config) *Client {
	c := &Client{dialect: cfg.Dialect, timestamps: cfg.Timestamps, base: cfg.BaseURL, breaker: NewBreaker(cfg.LongestPause), layer: cfg.Layer}
	o := &cfg.Options
	if o.HTTPClient != nil {
		c.timeout = o.HTTPClient.Timeout
	}
	c.API = transport.New(transport.Config{
		Provider: cfg.Provider, BaseURL: cfg.BaseURL, HTTPClient: o.HTTPClient, Logger: o.Logger, OnAttempt: o.OnAttempt,
		AttemptTimeout: o.AttemptTimeout, MaxAttempts: o.MaxAttempts, Clock: &c.Clock, Timestamps: cfg.Timestamps,
		MaxResponseBytes: o.MaxResponseBytes,
		Reader:           cfg.Dialect, ContentType: cfg.ContentType,
	})
	return c
}

// BaseURL returns the provider's base URL.
func (c *Client) BaseURL() string { return c.base.String() }

// Stats returns the figures of a cache together with those of the calls.
func (c *Client) Stats(cache providerauth.Stats) providerauth.Stats {
	cache.Abandoned = int(c.API.Abandoned())
	return cache
}

// HTTPClient returns an http.Client over rt without redirects.
func (c *Client) HTTPClient(rt http.RoundTripper) *http.Client {
	return &http.Client{Transport: rt, Timeout: c.timeout, CheckRedirect: stay}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
