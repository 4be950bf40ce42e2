package platformtoken

import (
	"net/http"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/resend"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// dialect reads the platform's envelope with its flag and code. The codes are
// not public.
type dialect struct{ client *Client }

// Read reads the answer to a call without a player's token.
func (dialect) Read(_ *transport.Call, status int, _ http.Header, body []byte) apierror.Answer {
	env := readEnvelope(body)
	if !env.failed() {
		return apierror.Answer{Envelope: env}
	}
	return apierror.Answer{Class: apierror.EnvelopeClass(status), Time: refusesTime(status), Envelope: env}
}

// refusesTime reports whether a failure envelope under the status may refuse the
// timestamp. Its code is not public, and it may come inside a success.
func refusesTime(status int) bool {
	return status < http.StatusMultipleChoices || status == http.StatusBadRequest || transport.RefusedStatus(status)
}

// playerReader reads the answers to calls with a player's token, rejections
// included.
type playerReader struct{ client *Client }

func (p playerReader) Read(call *transport.Call, status int, h http.Header, body []byte) apierror.Answer {
	answer := dialect(p).Read(call, status, h, body)
	if call.Policy != transport.Safe && (answer.Class == apierror.MayHave || answer.Class == apierror.Unread && status == http.StatusSeeOther) {
		return answer // ambiguous: the platform may have acted
	}
	env, _ := answer.Envelope.(*envelope)
	if p.client.rejects(call.RelativePath(), status, env) {
		answer.Class = apierror.Rejected
	}
	return answer
}

// creationReader reads the answers to createToken. A failure envelope under a
// 2xx status counts as temporary. Its code is not public, and a temporary error
// mistaken for permanent would shut the player out for a minute.
type creationReader struct{ client *Client }

func (c creationReader) Read(call *transport.Call, status int, h http.Header, body []byte) apierror.Answer {
	answer := dialect(c).Read(call, status, h, body)
	answer.Later = answer.Class == apierror.Refused && status < http.StatusMultipleChoices
	return answer
}

// rejects reports whether an answer rejects the player's token. Under a status
// below 300, 408 or 5xx only a failure envelope can reject. Callers exclude
// ambiguous answers to calls other than reads.
func (c *Client) rejects(path string, status int, env *envelope) bool {
	if !env.failed() && (status < 300 || status == http.StatusRequestTimeout || status >= 500) {
		return false
	}
	if c.rejected == nil {
		return status == http.StatusUnauthorized
	}
	return c.rejected(path, status, env.code())
}

// peeked bounds the bytes read in search of a failure envelope.
const peeked = 16 << 10

// Rejected reports whether the answer to a request of a RoundTripper rejects the
// token.
func (d dialect) Rejected(path string, r *http.Request, resp *http.Response) bool {
	if d.client.rejected == nil {
		return resp.StatusCode == http.StatusUnauthorized
	}
	head, _ := session.Peek(r.Context(), resp, peeked)
	env := readEnvelope(head)
	if apierror.EnvelopeClass(resp.StatusCode) == apierror.MayHave && !resend.ByItself(r.Method) {
		return false // the request may not be a read
	}
	return d.client.rejects(path, resp.StatusCode, env)
}

// Fail returns the package's error.
func (dialect) Fail(op string, err error) error { return fail(op, err) }
