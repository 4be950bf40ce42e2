package platformtoken

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/attach"
	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/outcome"
	"github.com/providerauth/providerauth-go/internal/resend"
	"github.com/providerauth/providerauth-go/internal/transport"
)

const (
	maxBody = 1 << 20  // of a request, which has to be read before it can be signed
	peeked  = 64 << 10 // of an answer, to see whether it is a failure envelope
)

// Transport returns an http.RoundTripper that signs every request as the
// merchant, for endpoints that take no token: /game/enter, /player/register,
// /game/getRecords. A nil base is the transport of Config.HTTPClient.
//
// It sets sign and timestamp, and Content-Type and Accept-Language if the
// request has none. Requests go to the scheme, host and port of Config.BaseURL
// only. A body is read into memory to be signed, and may have 1 MiB. Nothing is
// repeated.
//
// An error of the RoundTripper itself is an [*Error] with Op "Transport" that
// matches [providerauth.ErrNotSent]: the request did not leave. Every other error is the
// base's, and whether the request was acted on is unknown.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	return buffering{attach.New(attach.Config[struct{}]{
		Base: c.over(base), Origin: c.base, Fail: unsent,
		Tokens: attach.Tokens[struct{}]{
			Token: func(context.Context) (struct{}, error) { return struct{}{}, nil },
		},
		Attach: func(r *http.Request, _ struct{}) error { return c.signBuffered(r) },
	})}
}

// TransportFor returns an http.RoundTripper that does what [Client.Transport]
// does and puts the player's token on every request, for the endpoints below
// /player that take one. A nil base is the transport of Config.HTTPClient. A
// player that is wrong is the error of every request.
//
// An answer that says that the token is dead (Config.Rejected) replaces it, if it
// is still the current one, and sends the request once more with the new one,
// newly signed. Twenty requests that meet the same dead token cause one new
// token. Where no other token is to be had, the first such answer in a row sends
// the request once more with the same token, and any other goes to the caller.
//
// If a new token is answered so too, it was not the token: the answer goes to the
// caller, and for one second, doubling to 20 seconds, such answers to that player,
// method and path replace nothing. After three of them, to different calls or with
// no call accepted between, those to any call of the player replace nothing, for
// up to 5 seconds or until a new token helps. A changed secret ends both. Nothing
// else is repeated.
//
// Errors are as those of [Client.Transport].
func (c *Client) TransportFor(p Player, base http.RoundTripper) http.RoundTripper {
	return buffering{attach.New(attach.Config[Token]{
		Base: c.over(base), Origin: c.base, Fail: unsent, Tokens: c.tokensOf(p),
		Attach: func(r *http.Request, t Token) error {
			header.Authorize(r.Header, t.secret.Bearer())
			return c.signBuffered(r)
		},
		Rejected: func(resp *http.Response) bool {
			if c.rejected == nil {
				return resp.StatusCode == http.StatusUnauthorized
			}
			code, _, refusal := readRefusal(attach.Peek(resp, peeked))
			if transport.EnvelopeClass(resp.StatusCode) == transport.MayHave && !resend.ByItself(resp.Request.Method) {
				return false // nothing here says whether the request was only to read
			}
			return c.rejects(c.relative(resp.Request.URL.Path), resp.StatusCode, code, refusal)
		},
	})}
}

// HTTPClient returns an http.Client over [Client.Transport] that follows no
// redirects. All clients returned share one pool of connections, so it is cheap
// to call.
func (c *Client) HTTPClient() *http.Client { return c.httpClient(c.Transport(nil)) }

// HTTPClientFor returns an http.Client over [Client.TransportFor] that follows
// no redirects. It shares the pool of [Client.HTTPClient].
func (c *Client) HTTPClientFor(p Player) *http.Client {
	return c.httpClient(c.TransportFor(p, nil))
}

func (c *Client) httpClient(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: rt,
		Timeout:   c.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// tokensOf are the player's tokens, replaced when they are rejected.
func (c *Client) tokensOf(p Player) attach.Tokens[Token] {
	return attach.Tokens[Token]{
		Token: c.sourceOf(p).Token, Keeper: c.cache.Of(p.UserID), Key: p.UserID, Breaker: c.breaker,
		Secret: func(t Token) *credential.Secret { return t.secret },
	}
}

// rejects reports whether an answer says that the player's token is dead. Under
// a status that leaves open whether the platform acted, only its failure
// envelope can say so, and only to a call that may be made twice: the callers
// see to that.
func (c *Client) rejects(path string, status, code int, refusal bool) bool {
	if !refusal && (status < 300 || status == http.StatusRequestTimeout || status >= 500) {
		return false
	}
	if c.rejected == nil {
		return status == http.StatusUnauthorized
	}
	return c.rejected(path, status, code)
}

// relative is what of a URL's path extends the base URL.
func (c *Client) relative(path string) string {
	if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(c.base.Path, "/")); ok && strings.HasPrefix(rest, "/") {
		return rest
	}
	return path
}

// signBuffered completes a request that has come through buffering.
func (c *Client) signBuffered(r *http.Request) error {
	var body []byte
	if p, ok := r.Body.(*payload); ok {
		body = p.data
	}
	header.Default(r.Header, headerType, contentType)
	header.Default(r.Header, headerLanguage, c.language)
	return c.sign(r.Context(), r, body)
}

func unsent(reason *outcome.Cause) error {
	return &Error{Op: "Transport", RetryAfter: reason.RetryAfter, Fields: reason.Fields, Err: reason}
}

// A payload is the body of a request, with all of it at hand.
type payload struct {
	bytes.Reader
	data  []byte
	fixed bool // the caller's body could not be rewound
}

func newPayload(data []byte, fixed bool) *payload {
	p := &payload{data: data, fixed: fixed}
	p.Reset(data)
	return p
}

func (p *payload) Close() error { return nil }

// buffering reads bodies into memory, so that they can be signed and sent
// again.
type buffering struct{ next http.RoundTripper }

var (
	errTooLarge = errors.New("the body is longer than 1048576 bytes and cannot be signed")
	errLength   = errors.New("the body has not the length that ContentLength says")
)

// RoundTrip leaves requests without a body, and those that are nil, to the
// RoundTripper behind it.
func (b buffering) RoundTrip(req *http.Request) (*http.Response, error) {
	if req == nil || req.Body == nil || req.Body == http.NoBody {
		return b.next.RoundTrip(req)
	}
	data, err := readBody(req)
	_ = req.Body.Close()
	if err != nil {
		return nil, unsent(outcome.NotSent(err))
	}
	r := new(http.Request)
	*r = *req
	r.TransferEncoding, r.ContentLength = nil, int64(len(data))
	r.Body, r.GetBody = http.NoBody, nil
	if len(data) > 0 {
		fixed := req.GetBody == nil
		r.Body = newPayload(data, fixed)
		r.GetBody = func() (io.ReadCloser, error) { return newPayload(data, fixed), nil }
	}
	return b.next.RoundTrip(r)
}

func readBody(req *http.Request) ([]byte, error) {
	if req.ContentLength > maxBody {
		return nil, &outcome.Cause{Kind: providerauth.ErrInvalidRequest, Err: errTooLarge}
	}
	var buf bytes.Buffer
	if req.ContentLength > 0 {
		buf.Grow(int(req.ContentLength) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(io.LimitReader(req.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, &unreadable{err}
	case buf.Len() > maxBody:
		return nil, &outcome.Cause{Kind: providerauth.ErrInvalidRequest, Err: errTooLarge}
	case req.ContentLength > 0 && req.ContentLength != int64(buf.Len()):
		return nil, &outcome.Cause{Kind: providerauth.ErrInvalidRequest, Err: errLength}
	}
	return buf.Bytes(), nil
}

// unreadable is a failure of the caller's own body. Its text may hold anything,
// so it is not printed, and there is no Unwrap for those who print chains.
type unreadable struct{ err error }

func (u *unreadable) Error() string        { return "the body cannot be read" }
func (u *unreadable) Is(target error) bool { return errors.Is(u.err, target) }
func (u *unreadable) As(target any) bool   { return errors.As(u.err, target) }

// over returns the RoundTripper that requests are sent through.
func (c *Client) over(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = c.api.Base()
	}
	return &observed{base, &c.clock}
}

// observed corrects the clock by every answer, since timestamps depend on it,
// and makes up for what a base leaves out that is not net/http's.
type observed struct {
	base  http.RoundTripper
	clock *clock.Clock
}

var errNoResponse = errors.New("platformtoken: the base RoundTripper returned neither an answer nor an error")

func (o *observed) RoundTrip(r *http.Request) (*http.Response, error) {
	if p, ok := r.Body.(*payload); ok && p.fixed {
		// Once its header is out, nobody below may send again what the caller's own
		// request would not have let it send again. net/http writes the header
		// before it reads a body of a type that it does not know.
		once := *r
		once.GetBody = func() (io.ReadCloser, error) {
			if p.Len() < len(p.data) {
				return nil, resend.Err
			}
			p = newPayload(p.data, true)
			return p, nil
		}
		r = &once
	}
	start := time.Now()
	resp, err := o.base.RoundTrip(r)
	switch {
	case err != nil:
		return resp, err
	case resp == nil:
		return nil, errNoResponse
	}
	if resp.Request == nil || resp.Request.URL == nil {
		resp.Request = r
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	o.clock.Observe(start, time.Now(), resp.Header)
	return resp, nil
}
