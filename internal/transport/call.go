package transport

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/expiry"
	"github.com/providerauth/providerauth-go/internal/resend"
)

// Call is a call of a provider's API.
type Call struct {
	// Op names the call in log lines and errors.
	Op string
	// Method is GET, POST and so on. GET, HEAD, OPTIONS and TRACE must be
	// Safe: net/http sends them again by itself when a connection dies.
	Method string
	// Path extends the base URL's and may have a query. A path with a host or
	// dot segments is refused.
	Path string
	// In becomes the body, as JSON; nil is no body. It is marshalled once,
	// before the first attempt, into bytes of the Client's own.
	In any
	// Policy says when the call may be repeated here.
	Policy Policy
	// Effect is the effect of a second execution. It decides whether the caller
	// may repeat the call. A Safe call Reads, unless it Renews.
	Effect apierror.Effect
	// Before is how many attempts the call has had before. They count in
	// Attempts of the result.
	Before int
	// Signer sets the credential. Optional.
	Signer Signer
	// Reader reads the answers. Optional: the Client's.
	Reader Reader
	// Long allows a success to be as long as Config.MaxResponseBytes, instead of
	// 1 MiB.
	Long bool
}

// Signer sets credentials, signature and timestamp on the header of a request,
// and changes nothing else. It is called for every attempt, with a header that
// no other attempt has seen and the bytes that will be sent. It must not change
// the bytes. The Idempotency-Key header, which makes net/http repeat a request
// by itself, is refused under every policy but Safe. The duration of Sign does
// not count towards AttemptTimeout. Its error ends the call without a request.
type Signer interface {
	Sign(ctx context.Context, r *http.Request, body []byte) error
}

// Reader reads the provider's failure envelope, once for every answer. Any
// class but Unread makes an error of a 2xx too. Of any other answer Read sees the
// first 16 KiB.
type Reader interface {
	Read(call *Call, status int, h http.Header, body []byte) apierror.Answer
}

// Response is a successful answer: a 2xx that is no failure envelope.
type Response struct {
	Status   int
	Header   http.Header
	Body     []byte          // decompressed, at most 1 MiB; see Call.Long
	Attempts int             // attempts made, including those without a byte sent
	Sent     time.Time       // the last attempt; with a monotonic reading, like Received
	Received time.Time       // when the header was there, by this machine's clock
	Answer   apierror.Answer // the result of the Reader

	call *Call
}

// Timing returns when the answer came, for the life of a token in it.
func (r *Response) Timing() expiry.Timing {
	return expiry.Timing{Sent: r.Sent, Received: r.Received, Date: clock.Date(r.Header)}
}

// Unusable is the error of an undecodable successful answer, for the given
// reason: the provider acted, and there is no usable result. The text of the
// reason is kept, so it must show nothing of the body; see Unmarshal.
func (r *Response) Unusable(reason error) *apierror.Error {
	e := r.call.fail(providerauth.ErrBadResponse, reason)
	e.Status, e.Header, e.Body, e.Attempts = r.Status, r.Header, kept(r.Body), r.Attempts
	e.Answer = r.Answer
	e.Ambiguous = true
	return e
}

// kept is the part of an answer's body that an error keeps.
func kept(body []byte) []byte {
	if len(body) <= maxErrorBody {
		return body
	}
	return append([]byte(nil), body[:maxErrorBody]...)
}

// Do makes the call. It returns when there is a usable answer, when the policy
// allows no further attempt, or when ctx ends. Its errors are *apierror.Error.
//
// ctx bounds the whole call: Do returns when ctx ends, even if the RoundTripper
// does not, provided that the Signer honours ctx. Without a deadline the attempts
// and waits take at most MaxAttempts times AttemptTimeout, and 10 s for every wait
// between. For Once, the longer of AttemptTimeout and 2 min counts in the place of
// AttemptTimeout. The time of the Signer comes on top. If ctx can never end, a
// RoundTripper that ignores its own context is not bounded.
func (c *Client) Do(ctx context.Context, call Call) (*Response, error) {
	r := &run{client: c, call: call}
	var bad *misuse
	if r.url, r.body, bad = c.build(ctx, &call); bad != nil {
		return nil, call.misused(bad)
	}
	r.attempts = call.Before
	r.loop(ctx)
	return r.result()
}

// Check returns the error of a call that Do would refuse without a request.
// Call Check before fetching a token for the call. Check also marshals call.In,
// so Do can be called repeatedly.
func (c *Client) Check(ctx context.Context, call *Call) error {
	_, body, bad := c.build(ctx, call)
	if bad != nil {
		return call.misused(bad)
	}
	if body != nil {
		call.In = marshalled(body)
	}
	return nil
}

// marshalled is an In with a finished body. Nobody writes to it.
type marshalled []byte

var (
	noContext = &misuse{field: "ctx", rule: "must not be nil"}
	badMethod = &misuse{field: "method", rule: "is not one of HTTP"}
	unsafe    = &misuse{field: "method", rule: "may be sent again by net/http itself, so the policy must be Safe"}
)

// build checks the call and makes the common values of all its attempts.
func (c *Client) build(ctx context.Context, call *Call) (u url.URL, body []byte, bad *misuse) {
	switch {
	case ctx == nil:
		return u, nil, noContext
	case !isToken(call.Method):
		return u, nil, badMethod
	case call.Policy != Safe && resend.ByItself(call.Method):
		return u, nil, unsafe
	}
	if u, bad = join(&c.base, call.Path); bad != nil || call.In == nil {
		return u, nil, bad
	}
	if body, ok := call.In.(marshalled); ok {
		return u, body, nil
	}
	body, err := marshal(call.In)
	if err != nil {
		return u, nil, &misuse{"in", "cannot be written as JSON", err}
	}
	return u, body, nil
}

func (c *Call) misused(bad *misuse) *apierror.Error {
	e := c.fail(providerauth.ErrInvalidRequest, bad.err)
	e.Fields = map[string]string{bad.field: bad.rule}
	return e
}

// fail is an error of the call.
func (c *Call) fail(kind, err error) *apierror.Error {
	e := &apierror.Error{Op: c.Op, Method: c.Method, Path: c.RelativePath(), Kind: kind, Err: err, Effect: c.Effect}
	if c.Policy == Safe && c.Effect == apierror.Acts {
		e.Effect = apierror.Reads
	}
	return e
}

// RelativePath is the path below the base URL, without query.
func (c *Call) RelativePath() string {
	path, _, _ := strings.Cut(c.Path, "?")
	return "/" + strings.TrimPrefix(path, "/")
}
