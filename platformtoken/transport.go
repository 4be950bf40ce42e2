package platformtoken

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/resend"
)

// maxBody bounds a request's body, which is read before signing.
const maxBody = 1 << 20

// Transport returns an http.RoundTripper that signs every request as the
// merchant, for endpoints that take no token: /game/enter, /player/register,
// /game/getRecords. A nil base is the transport of Config.HTTPClient.
//
// It sets sign and timestamp, and Content-Type and Accept-Language if the
// request has none. Requests go to the scheme, host and port of Config.BaseURL
// only. A body is read into memory to be signed, and may have 1 MiB. Nothing is
// repeated.
//
// A base that is no *http.Transport runs on a goroutine of its own if the
// request's context can end; its panic is an error there. If base ignores the
// end of the context, RoundTrip returns [context.Cause] and base goes on alone:
// [providerauth.Stats].Abandoned counts it, and the body of its late answer is
// closed. RoundTrip closes the request's body too, but base may still read from
// it, as net/http allows every RoundTripper: do not use the body again. The
// body of an answer is the base's own: a Read may take longer than the context.
//
// An error of the RoundTripper itself is an [*Error] with Op "Transport"
// matching [providerauth.ErrNotSent]: the request did not leave. Every other
// error is the base's, and whether the request was acted on is unknown.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	return &buffering{c, c.session.Transport(c.merchant(), base)}
}

// TransportFor returns an http.RoundTripper with the behaviour of
// [Client.Transport]. In addition it puts the player's token on every request,
// for the endpoints below /player that need it. A nil base is the transport of
// Config.HTTPClient. If p is invalid, every request fails with that error.
//
// A rejection (Config.Rejected) replaces the token, if it is still the current
// token, and sends the request once more with the new token, newly signed. For
// Config.Rejected, the failure envelope of a failed answer has 100 ms to come.
// Twenty requests rejected with the same token cause a single new token. If no
// other token is available, the first rejection in a row sends the request once
// more with the same token, and any other rejection goes to the caller.
//
// If a new token is rejected too, the token was not the reason. The rejection
// goes to the caller, and for 1 s, doubling to 20 seconds, rejections of that
// player, method and path replace nothing. After three such rejections, to
// different calls or with no call accepted between, rejections of any call of
// the player replace nothing, for up to 5 seconds or until a new token helps. A
// changed secret ends both. Nothing else is repeated.
//
// Errors are as those of [Client.Transport].
func (c *Client) TransportFor(p Player, base http.RoundTripper) http.RoundTripper {
	return &buffering{c, c.session.Transport(c.userOf(p), base)}
}

// HTTPClient returns an http.Client over [Client.Transport] that follows no
// redirects. All clients returned share a pool of connections, so it is cheap
// to call.
func (c *Client) HTTPClient() *http.Client { return c.session.HTTPClient(c.Transport(nil)) }

// HTTPClientFor returns an http.Client over [Client.TransportFor] that follows
// no redirects. It shares the pool of [Client.HTTPClient].
func (c *Client) HTTPClientFor(p Player) *http.Client {
	return c.session.HTTPClient(c.TransportFor(p, nil))
}

// A payload is a request body held in memory.
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

// Payload returns the bytes to sign.
func (p *payload) Payload() []byte { return p.data }

// buffering reads bodies into memory, to sign them and to send them again.
type buffering struct {
	client *Client
	next   http.RoundTripper
}

var (
	errTooLarge = errors.New("the body is longer than 1048576 bytes and cannot be signed")
	errLength   = errors.New("the body has not the length that ContentLength says")
)

// RoundTrip passes nil requests and requests without a body on as they are.
func (b *buffering) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.send(req)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

func (b *buffering) send(req *http.Request) (*http.Response, error) {
	if req == nil || req.Body == nil || req.Body == http.NoBody {
		return b.next.RoundTrip(req)
	}
	data, err := readBody(req)
	if err != nil {
		return nil, b.client.session.Unsent(req, err)
	}
	_ = req.Body.Close()
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
		return nil, &apierror.Error{Kind: providerauth.ErrInvalidRequest, Err: errTooLarge}
	}
	var buf bytes.Buffer
	if req.ContentLength > 0 {
		buf.Grow(int(req.ContentLength) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(io.LimitReader(req.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, &apierror.Opaque{Text: "the body cannot be read", Cause: err}
	case buf.Len() > maxBody:
		return nil, &apierror.Error{Kind: providerauth.ErrInvalidRequest, Err: errTooLarge}
	case req.ContentLength > 0 && req.ContentLength != int64(buf.Len()):
		return nil, &apierror.Error{Kind: providerauth.ErrInvalidRequest, Err: errLength}
	}
	return buf.Bytes(), nil
}

// rewinding keeps the RoundTrippers below from resending a body the caller
// could not rewind.
type rewinding struct{ base http.RoundTripper }

func rewindingOver(base http.RoundTripper) http.RoundTripper { return &rewinding{base} }

func (o *rewinding) RoundTrip(r *http.Request) (*http.Response, error) {
	if p, ok := r.Body.(*payload); ok && p.fixed && r.GetBody != nil {
		once := *r
		once.GetBody = (&rewind{p}).body
		r = &once
	}
	return o.base.RoundTrip(r)
}

// rewind is the GetBody of a body the caller could not rewind. After its header
// is out, no RoundTripper below may send the body again if the caller's own
// request would not have allowed it. net/http writes the header before it reads
// a body of an unknown type.
type rewind struct{ last *payload }

func (r *rewind) body() (io.ReadCloser, error) {
	if r.last.Len() < len(r.last.data) {
		return nil, resend.Err
	}
	r.last = newPayload(r.last.data, true)
	return r.last, nil
}
