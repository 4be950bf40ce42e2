package session

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/resend"
)

// Transport returns an http.RoundTripper that makes requests as the user,
// through base; nil: the transport of the calls. It is safe for concurrent use.
func (c *Client) Transport(u User, base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = c.API.Base()
	}
	return &roundTripper{c, u, base}
}

type roundTripper struct {
	*Client
	user User
	next http.RoundTripper
}

var (
	errRewind     = errors.New("the request's GetBody returned no body")
	errNoResponse = errors.New("the RoundTripper below returned neither an answer nor an error")
)

// misused is the reason not to send a request to its URL.
func misused(rule string) *apierror.Error {
	return &apierror.Error{Kind: providerauth.ErrInvalidRequest, Fields: map[string]string{"URL": rule}}
}

// RoundTrip sends the request with a secret. An error of its own is the
// provider's and means that nothing was sent; every other error is the base's.
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
	return r.resp, r.fault
}

// Unsent is the provider's error of a request that is given up here, for the
// reason given.
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

	sent  bool
	resp  *http.Response
	fault error        // of the base, or of Credential.Set before anything was sent
	first http.Request // the first copy of req; in here it costs no allocation
}

func (r *requestSender) again() bool {
	return r.req.Body == nil || r.req.Body == http.NoBody || r.req.GetBody != nil
}

func (r *requestSender) send(_ context.Context, s *credential.Secret) verdict {
	stamp := r.stamp(s)
	own, err := r.own(s)
	if err != nil {
		if !r.sent {
			r.fault = r.Unsent(r.req, err)
		}
		return unclear // an answer that came before stands
	}
	if r.sent {
		discard(r.resp)
	}
	r.sent = true
	start := time.Now()
	r.resp, r.fault = r.pass(own)
	received := time.Now()
	v := r.judge()
	r.observe(v, clock.Answer{Sent: start, Received: received, Stamp: stamp})
	return v
}

// judge returns the meaning of the answer for the secret.
func (r *requestSender) judge() verdict {
	switch {
	case r.fault != nil:
		return unclear
	case r.user.Keeper != nil && r.dialect.Rejected(r.path, r.req, r.resp):
		return rejected
	case r.resp.StatusCode >= http.StatusInternalServerError:
		return unclear
	}
	return accepted
}

// own is a copy of the request with the secret, and with its body rewound if
// that was sent before. The header's values stay shared: a RoundTripper must
// not change its caller's request, and neither we nor the base do.
func (r *requestSender) own(s *credential.Secret) (*http.Request, error) {
	own := &r.first
	if r.sent {
		own = new(http.Request) // the base may still hold the first
	}
	*own = *r.req
	own.Host = "" // the URL's: no credential goes to a virtual host that the request names
	own.Header = make(http.Header, len(r.req.Header)+1)
	for k, v := range r.req.Header {
		own.Header[k] = v
	}
	if err := r.user.Credential.Set(own, s, payload(own)); err != nil {
		return nil, err
	}
	if !resend.ByItself(own.Method) {
		resend.HideKey(own.Header)
	}
	if r.sent && r.req.GetBody != nil {
		body, err := r.req.GetBody()
		if err != nil || body == nil {
			return nil, cmp.Or(err, errRewind)
		}
		own.Body = body
	}
	return own, nil
}

// payload returns the bytes of a body that is in memory, to be signed; nil of
// any other.
func payload(r *http.Request) []byte {
	if p, ok := r.Body.(interface{ Payload() []byte }); ok {
		return p.Payload()
	}
	return nil
}

// pass has the base make a single attempt where a second could do harm:
// buffered bodies would allow the base to repeat it.
func (t *roundTripper) pass(r *http.Request) (*http.Response, error) {
	if !resend.ByItself(r.Method) {
		return t.passOnce(r)
	}
	return usable(t.next.RoundTrip(r))
}

func (t *roundTripper) passOnce(r *http.Request) (*http.Response, error) {
	guard := new(resend.Guard)
	ctx, cancel := context.WithCancel(r.Context())
	r = r.WithContext(guard.Watch(ctx, cancel))
	resp, err := usable(t.next.RoundTrip(r))
	switch {
	case err != nil:
		cancel()
		if guard.Resent() {
			err = resend.Err
		}
	case resp.StatusCode != http.StatusSwitchingProtocols:
		resp.Body = &ending{resp.Body, cancel}
	}
	return resp, err
}

// usable sees to it that there is an answer with a body, or else an error.
func usable(resp *http.Response, err error) (*http.Response, error) {
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, errNoResponse
	case resp.Body == nil:
		resp.Body = http.NoBody
	}
	return resp, nil
}

// ending is a body that ends the context of its request when it has been read,
// or is closed.
type ending struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil {
		e.cancel()
	}
	return n, err
}

func (e *ending) Close() error {
	defer e.cancel()
	return e.ReadCloser.Close()
}

// discard gives the connection of an answer back, if the rest is known to be
// short; nobody waits here for a body that does not come to its end.
func discard(resp *http.Response) {
	if resp.ContentLength >= 0 && resp.ContentLength <= 16<<10 {
		_, _ = io.CopyN(io.Discard, resp.Body, resp.ContentLength)
	}
	_ = resp.Body.Close()
}

// Peek reads up to n bytes of the body and puts them back.
func Peek(resp *http.Response, n int64) []byte {
	if resp.Body == nil {
		return nil
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, n))
	rest := resp.Body
	var tail io.Reader = rest
	if err != nil {
		tail = failed{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), tail), rest}
	return head
}

// failed repeats the error that Peek met, where it met it.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// sameOrigin reports whether both URLs have the same scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
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
