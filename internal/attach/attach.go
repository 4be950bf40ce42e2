// Package attach holds the http.RoundTripper that puts a provider's
// credentials on requests for endpoints that the SDK does not wrap. It sends
// them to the provider's origin only, and replaces a token that the provider
// rejects, once.
package attach

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
	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/outcome"
	"github.com/providerauth/providerauth-go/internal/resend"
)

// Config of a Transport.
type Config[T any] struct {
	// Base sends the requests. Required.
	Base http.RoundTripper
	// Origin is the base URL of the provider.
	Origin *url.URL
	// Tokens are what is attached.
	Tokens Tokens[T]
	// Attach sets the credentials on a request that belongs to the Transport:
	// its header map may be changed, the values in it may not.
	Attach func(r *http.Request, t T) error
	// Rejected reports whether the answer says that the token is not good. It
	// may read the body by Peek. Nil: nothing is ever replaced or replayed.
	Rejected func(*http.Response) bool
	// Clock is corrected by a rejecting answer. Optional.
	Clock *clock.Clock
	// Fail makes the provider's error from the reason why nothing was sent.
	Fail func(reason *outcome.Cause) error
}

// New returns the RoundTripper. It is safe for concurrent use.
func New[T any](cfg Config[T]) http.RoundTripper { return &transport[T]{cfg} }

type transport[T any] struct{ Config[T] }

var (
	errRewind     = errors.New("the request's GetBody returned no body")
	errNoResponse = errors.New("the RoundTripper below returned neither an answer nor an error")
)

// misused is the reason not to send a request to its URL.
func misused(rule string) *outcome.Cause {
	return &outcome.Cause{Kind: providerauth.ErrInvalidRequest, Fields: map[string]string{"URL": rule}}
}

// RoundTrip sends the request with a token. An error of its own is the
// provider's and means that nothing was sent; every other error is the base's.
func (t *transport[T]) RoundTrip(req *http.Request) (*http.Response, error) {
	if req == nil || req.URL == nil {
		return nil, t.unsent(req, misused("is required"))
	}
	if req.URL.Opaque != "" {
		return nil, t.unsent(req, misused("must not be opaque: net/http would send it to another place than its host"))
	}
	if !SameOrigin(req.URL, t.Origin) {
		return nil, t.unsent(req, misused("must have the scheme, host and port of Config.BaseURL: credentials are sent nowhere else"))
	}
	var (
		resp  *http.Response
		fault error // of the base, or of the first Attach
		sent  bool
	)
	body := req.Body != nil && req.Body != http.NoBody
	// Below the base URL, as calls name it.
	path := strings.TrimPrefix(req.URL.Path, strings.TrimSuffix(t.Origin.Path, "/"))
	_, err := t.Tokens.Use(req.Context(), req.Method, path, !body || req.GetBody != nil, func(tok T) Verdict {
		own, err := t.own(req, tok, sent)
		if err != nil {
			if !sent {
				fault = t.unsent(req, err)
			}
			return Unclear // the first answer stands
		}
		if sent {
			discard(resp)
		}
		sent = true
		start := time.Now()
		if resp, fault = t.send(own); fault != nil {
			return Unclear
		}
		switch {
		case t.Rejected != nil && t.Rejected(resp):
		case resp.StatusCode >= http.StatusInternalServerError:
			return Unclear
		default:
			return Accepted
		}
		if t.Clock != nil {
			t.Clock.Observe(start, time.Now(), resp.Header)
		}
		return Rejected
	})
	if err != nil {
		return nil, t.unsent(req, err)
	}
	return resp, fault
}

// send has the base make one attempt, and no more by itself where that may do
// harm: buffered bodies would allow it.
func (t *transport[T]) send(r *http.Request) (*http.Response, error) {
	if !resend.ByItself(r.Method) {
		return t.sendOnce(r)
	}
	return usable(t.Base.RoundTrip(r))
}

func (t *transport[T]) sendOnce(r *http.Request) (*http.Response, error) {
	guard := new(resend.Guard)
	ctx, cancel := context.WithCancel(r.Context())
	r = r.WithContext(guard.Watch(ctx, cancel))
	resp, err := usable(t.Base.RoundTrip(r))
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

// unsent is the error of a request that is given up here.
func (t *transport[T]) unsent(req *http.Request, reason error) error {
	if req != nil && req.Body != nil {
		_ = req.Body.Close() // as every RoundTripper must
	}
	return t.Fail(outcome.NotSent(reason))
}

// own is a copy of the request with credentials, and with its body rewound if
// that was sent before. The header's values stay shared: a RoundTripper must
// not change its caller's request, and neither we nor the base do.
func (t *transport[T]) own(req *http.Request, tok T, rewind bool) (*http.Request, error) {
	r := new(http.Request)
	*r = *req
	r.Host = "" // the URL's: no credential goes to a virtual host that the request names
	r.Header = make(http.Header, len(req.Header)+1)
	for k, v := range req.Header {
		r.Header[k] = v
	}
	if err := t.Attach(r, tok); err != nil {
		return nil, err
	}
	if !resend.ByItself(r.Method) {
		resend.HideKey(r.Header)
	}
	if rewind && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil || body == nil {
			return nil, cmp.Or(err, errRewind)
		}
		r.Body = body
	}
	return r, nil
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

// SameOrigin reports whether both URLs have the same scheme, host and port.
func SameOrigin(a, b *url.URL) bool {
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
