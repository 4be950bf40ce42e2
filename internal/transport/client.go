// Package transport makes an HTTP call to a provider: it marshals the body, has
// every attempt signed, sends, repeats where the policy allows it, caps the
// body and judges the answer. It knows no provider and no tokens.
//
// A call is repeated by its [Policy] only. Whether the provider may have acted
// is decided here and ends up in the [apierror.Error].
package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

const (
	defaultAttemptTimeout = 10 * time.Second
	defaultMaxAttempts    = 3
	defaultMaxResponse    = 32 << 20

	// All callers talk to the same host. By default net/http keeps two idle
	// connections per host: a crowd of callers would dial for every second
	// call.
	idleConns       = 256
	idleTimeout     = 90 * time.Second
	dialTimeout     = 5 * time.Second
	maxHeaderBytes  = 256 << 10
	http2PingAfter  = 15 * time.Second // without a frame from the server
	http2PingExpiry = 5 * time.Second
)

// Config says how a Client reaches its provider.
type Config struct {
	// Provider is named in log lines and errors.
	Provider string
	// BaseURL is the scheme, host and leading path of every call. Required.
	BaseURL *url.URL
	// HTTPClient is the operator's. Optional. Only its Transport and its
	// Timeout, which bounds every attempt, are used, and nothing but RoundTrip
	// is ever called on the Transport. Without a Transport the Client has a
	// connection pool of its own. It uses the proxy of the environment, as
	// http.DefaultTransport does.
	HTTPClient *http.Client
	// Logger gets a line per attempt at debug level. Optional: nil is silent.
	Logger *slog.Logger
	// OnAttempt is called after each attempt, on the goroutine of its caller. A
	// panic is logged. Optional.
	OnAttempt func(context.Context, providerauth.Attempt)
	// AttemptTimeout bounds an attempt from connecting to the end of the body.
	// An attempt of a call with the policy Once may take as long as its
	// caller's deadline allows, and without a deadline 2 min or AttemptTimeout,
	// whichever is longer. Optional: 0 is 10 s.
	AttemptTimeout time.Duration
	// MaxAttempts bounds the attempts of a call, the first included. Optional:
	// 0 is 3.
	MaxAttempts int
	// MaxResponseBytes bounds the body of a success of a Long call, after
	// decompression. Optional: 0 is 32 MiB.
	MaxResponseBytes int
	// Clock is corrected by the Date of refusals. Optional.
	Clock *clock.Clock
	// Timestamps is true if every request is signed with a time of Clock. If it
	// is false, only Signers with a Stamp use it.
	Timestamps bool
	// ContentType of the bodies. Optional: "" is application/json.
	ContentType string
	// Reader reads the answers of calls without a Reader of their own.
	// Optional: nil is Unread for all answers.
	Reader Reader
}

// A Client is safe for concurrent use.
type Client struct {
	provider       string
	base           url.URL
	rt             http.RoundTripper
	pool           *http.Transport // rt if it is our own, else nil
	logger         *slog.Logger
	onAttempt      func(context.Context, providerauth.Attempt)
	panicked       panicked      // of onAttempt
	prompt         bool          // rt returns when its context ends
	timeout        time.Duration // of the operator's client; 0: none
	attemptTimeout time.Duration
	maxAttempts    int
	maxResponse    int
	clock          *clock.Clock
	timestamps     bool
	contentType    string
	reader         Reader
	budget         budget
	http2          atomic.Bool // a connection spoke HTTP/2
	abandoned      timebox.Abandoned
}

// New returns a Client. It does no I/O; cfg is expected to have been checked.
func New(cfg Config) *Client {
	c := &Client{
		provider:       cfg.Provider,
		logger:         cfg.Logger,
		onAttempt:      cfg.OnAttempt,
		attemptTimeout: cmp.Or(cfg.AttemptTimeout, defaultAttemptTimeout),
		maxAttempts:    cmp.Or(cfg.MaxAttempts, defaultMaxAttempts),
		maxResponse:    cmp.Or(cfg.MaxResponseBytes, defaultMaxResponse),
		clock:          cfg.Clock,
		timestamps:     cfg.Timestamps,
		contentType:    cmp.Or(cfg.ContentType, "application/json"),
		reader:         cfg.Reader,
	}
	if cfg.BaseURL != nil {
		c.base = *cfg.BaseURL
	}
	if c.clock == nil {
		c.clock = new(clock.Clock)
	}
	if h := cfg.HTTPClient; h != nil {
		if h.Timeout > 0 {
			c.timeout = h.Timeout
			c.attemptTimeout = min(c.attemptTimeout, h.Timeout)
		}
		c.rt = h.Transport
	}
	if c.rt == nil {
		c.pool = newPool()
		c.rt = c.pool
	}
	c.prompt = Prompt(c.rt)
	c.abandoned.Grace = promptness
	return c
}

// Base returns the RoundTripper of the Client, for requests made elsewhere on
// its connections. It has a RoundTrip method and no other.
func (c *Client) Base() http.RoundTripper { return roundTripOnly{c.rt} }

// Prompt reports whether rt is known to return when the context of its request
// ends.
func Prompt(rt http.RoundTripper) bool {
	if only, ok := rt.(roundTripOnly); ok {
		rt = only.rt
	}
	_, ok := rt.(*http.Transport)
	return ok
}

// AttemptTimeout returns the bound of an attempt, with the default and the
// operator's client taken into account.
func (c *Client) AttemptTimeout() time.Duration { return c.attemptTimeout }

// Abandoned returns how many calls of an operator's RoundTripper go on although
// their context has ended and nobody waits for them.
func (c *Client) Abandoned() int64 { return c.abandoned.Running() }

// Runs counts the runs behind Abandoned, for requests made elsewhere.
func (c *Client) Runs() *timebox.Abandoned { return &c.abandoned }

// CloseIdle closes the idle connections of the Client's own pool. The pool of
// an operator's transport is left alone: others may be using it.
func (c *Client) CloseIdle() {
	if c.pool != nil {
		c.pool.CloseIdleConnections()
	}
}

// roundTripOnly hides CloseIdleConnections, which http.Client passes on to the
// transport and which would close the connections of every other user too.
type roundTripOnly struct{ rt http.RoundTripper }

func (r roundTripOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	return r.rt.RoundTrip(req)
}

func newPool() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           idleConns,
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		// An HTTP/2 connection whose other end vanished without a word takes
		// every call down with it until TCP gives up, a quarter of an hour later.
		HTTP2: &http.HTTP2Config{SendPingTimeout: http2PingAfter, PingTimeout: http2PingExpiry},
	}
}
