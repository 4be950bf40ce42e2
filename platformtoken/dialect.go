package platformtoken

import (
	"net/http"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/resend"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// dialect is how the platform speaks: an envelope with a flag and a code. The
// codes are not public.
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

// playerReader reads the answers to calls with a player's token, some of which
// reject it.
type playerReader struct{ client *Client }

func (p playerReader) Read(call *transport.Call, status int, h http.Header, body []byte) apierror.Answer {
	answer := dialect(p).Read(call, status, h, body)
	if call.Policy != transport.Safe && (answer.Class == apierror.MayHave || answer.Class == apierror.Unread && status == http.StatusSeeOther) {
		return answer // it may have been acted on
	}
	env, _ := answer.Envelope.(*envelope)
	if p.client.rejects(call.RelativePath(), status, env) {
		answer.Class = apierror.Rejected
	}
	return answer
}

// creationReader reads the answers to createToken. Nobody but the platform knows
// which refusals inside a success are temporary, and a temporary refusal that is
// taken for permanent shuts the player out for a minute.
type creationReader struct{ client *Client }

func (c creationReader) Read(call *transport.Call, status int, h http.Header, body []byte) apierror.Answer {
	answer := dialect(c).Read(call, status, h, body)
	answer.Later = answer.Class == apierror.Refused && status < http.StatusMultipleChoices
	return answer
}

// rejects reports whether an answer rejects the player's token. Under a status
// that leaves open whether the platform acted, only its failure envelope can say
// so, and only to a call that may be made twice: the callers see to that.
func (c *Client) rejects(path string, status int, env *envelope) bool {
	if !env.failed() && (status < 300 || status == http.StatusRequestTimeout || status >= 500) {
		return false
	}
	if c.rejected == nil {
		return status == http.StatusUnauthorized
	}
	return c.rejected(path, status, env.code())
}

// peeked is how much of an answer is read to see whether it is a failure
// envelope.
const peeked = 16 << 10

// Rejected reports whether the answer to a request of a RoundTripper rejects the
// token.
func (d dialect) Rejected(path string, r *http.Request, resp *http.Response) bool {
	if d.client.rejected == nil {
		return resp.StatusCode == http.StatusUnauthorized
	}
	head, _ := session.Peek(resp, peeked)
	env := readEnvelope(head)
	if apierror.EnvelopeClass(resp.StatusCode) == apierror.MayHave && !resend.ByItself(r.Method) {
		return false // nothing here says whether the request was only to read
	}
	return d.client.rejects(path, resp.StatusCode, env)
}

// Fail returns the package's error.
func (dialect) Fail(op string, err error) error { return fail(op, err) }
