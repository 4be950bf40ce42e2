package session

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/resend"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// Transport returns an http.RoundTripper. It makes requests as the user,
// through base; nil: the transport of the calls. A base that ignores the end of a
// request's context holds no caller. It is safe for concurrent use.
func (c *Client) Transport(u User, base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = c.API.Base()
	}
	t := &roundTripper{Client: c, user: u, next: base, prompt: transport.Prompt(base)}
	if c.layer != nil {
		t.next = c.layer(base)
	}
	return t
}

type roundTripper struct {
	*Client
	user   User
	next   http.RoundTripper
	prompt bool // next returns when the context of its request ends
}

var errRewind = errors.New("the request's GetBody returned no body")

// misused is the reason not to send a request to its URL.
func misused(rule string) *apierror.Error {
	return &apierror.Error{Kind: providerauth.ErrInvalidRequest, Fields: map[string]string{"URL": rule}}
}

// RoundTrip sends the request with a secret. Its own errors have the provider's
// type and mean that nothing was sent. Every other error is the base's, or the
// cause of the end of the context if the base did not return by then.
func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if req == nil || req.URL == nil {
		return nil, t.Unsent(req, misused("is required"))
	}
	if req.URL.Opaque != "" {
		return nil, t.Unsent(req, misused("must not be opaque: net/http would send it to another place than its host"))
	}
	if !sameOrigin(req.URL, t.base) {
		return nil, t.Unsent(req, misused("must have the scheme, host and port of Config.BaseURL: credentials are sent nowhere else"))
	}
	r := &requestSender{roundTripper: t, req: req, path: t.relative(req.URL.Path)}
	if _, err := t.use(req.Context(), &t.user, req.Method, r.path, r); err != nil {
		return nil, t.Unsent(req, err)
	}
	if r.resp != nil {
		r.resp.Request = req // ours has the token in its header
	}
	return r.resp, r.fault
}

// Unsent is the provider's error of a request given up here for the given
// reason.
func (c *Client) Unsent(req *http.Request, reason error) error {
	e := apierror.NotSent(reason)
	if req != nil {
		e.Method = cmp.Or(req.Method, http.MethodGet)
		if req.URL != nil {
			e.Path = c.relative(req.URL.Path)
		}
		if req.Body != nil {
			_ = req.Body.Close() // as every RoundTripper must
		}
	}
	return c.dialect.Fail("Transport", e)
}

// relative is the part of a URL's path below the base URL.
func (c *Client) relative(path string) string {
	if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(c.base.Path, "/")); ok && strings.HasPrefix(rest, "/") {
		return rest
	}
	return path
}

// A requestSender is a request of a RoundTripper as a sender.
type requestSender struct {
	*roundTripper
	req  *http.Request
	path string // below the base URL

	attempts int // so far
	resp     *http.Response
	fault    error   // of the base, or of Credential.Set before anything was sent
	first    sending // in here it costs no allocation
}

// A sending is the part of a request for the base. The base may still hold it
// when the request is over, so each sending has its own copy.
type sending struct {
	req   http.Request // the copy for the base
	guard resend.Guard
	body  ending
}

func (r *requestSender) again() bool {
	return r.req.Body == nil || r.req.Body == http.NoBody || r.req.GetBody != nil
}

func (r *requestSender) send(_ context.Context, s *credential.Secret) verdict {
	stamp := r.stamp(s)
	own, err := r.own(s)
	if err != nil {
		if r.attempts == 0 {
			r.fault = r.Unsent(r.req, err)
		}
		return unclear // an earlier answer stands
	}
	if r.attempts > 0 {
		discard(r.resp)
	}
	r.attempts++
	start := time.Now()
	r.resp, r.fault = r.pass(own)
	received := time.Now()
	v := r.judge(s)
	r.observe(v, clock.Answer{Sent: start, Received: received, Stamp: stamp})
	r.report(v, received.Sub(start))
	return v
}

// judge returns the meaning of the answer for the secret.
func (r *requestSender) judge(s *credential.Secret) verdict {
	switch {
	case r.fault != nil:
		return unclear
	case r.resp.StatusCode < http.StatusOK:
		return accepted
	case r.user.Keeper != nil && r.dialect.Rejected(r.path, r.req, r.resp):
		return rejected
	case r.resp.StatusCode >= http.StatusInternalServerError:
		return unclear
	}
	if rest, unfinished := r.resp.Body.(*watched); unfinished && r.user.Keeper != nil {
		rest.settle = r.settler(s, *r.resp)
		return unclear
	}
	return accepted
}

// settler returns a function for the answer's whole body, once the caller has
// read it. It is too late to repeat the request, but the next request profits.
func (r *requestSender) settler(s *credential.Secret, resp http.Response) func(body []byte) {
	return func(body []byte) {
		if body != nil {
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			req := r.req.WithContext(context.WithoutCancel(r.req.Context())) // Peek has the body at hand
			if r.dialect.Rejected(r.path, req, &resp) {
				r.user.Keeper.Reject(s.ID())
				return
			}
		}
		r.user.Keeper.Accept(s)
	}
}

// own returns a copy of the request with the secret, and with its body rewound if
// the body was sent before. The header's values stay shared: a RoundTripper must
// not change its caller's request, and neither we nor the base do.
func (r *requestSender) own(s *credential.Secret) (*sending, error) {
	out := &r.first
	if r.attempts > 0 {
		out = new(sending)
	}
	own := &out.req
	*own = *r.req
	own.Host = "" // the URL's: no credential goes to a virtual host named by the request
	if own.Header = maps.Clone(r.req.Header); own.Header == nil {
		own.Header = http.Header{}
	}
	if err := r.user.Credential.Set(own, s, payload(own)); err != nil {
		return nil, err
	}
	if !resend.ByItself(own.Method) {
		resend.HideKey(own.Header)
	}
	if r.attempts > 0 && r.req.GetBody != nil {
		body, err := r.req.GetBody()
		if err != nil || body == nil {
			return nil, cmp.Or(err, errRewind)
		}
		own.Body = body
	}
	return out, nil
}

// payload returns the bytes to sign of a body with the method Payload, which package
// platformtoken puts on its requests; nil for any other body.
func payload(r *http.Request) []byte {
	if p, ok := r.Body.(interface{ Payload() []byte }); ok {
		return p.Payload()
	}
	return nil
}

// sameOrigin reports whether both URLs have the same scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	if a.Scheme == b.Scheme && a.Host == b.Host {
		return true
	}
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}
