package merchantauth

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// dialect reads Kuna's answers: data or a list of errors, under any status.
type dialect struct{}

// Read reads the answer to a call. A 401 rejects the token. So does an entry for an
// expired token, except for a call which must not be made twice if Kuna may have
// acted on it.
func (dialect) Read(call *transport.Call, status int, _ http.Header, body []byte) apierror.Answer {
	env := readEnvelope(body)
	class := classify(status, env)
	harmless := call.Policy == transport.Safe || class == apierror.Refused || class == apierror.Unread && clear(status)
	if status == http.StatusUnauthorized || harmless && slices.ContainsFunc(env.entries, expired) {
		class = apierror.Rejected
	}
	return apierror.Answer{Class: class, Envelope: env}
}

// clear reports whether the status alone means: Kuna has not acted.
func clear(status int) bool {
	return status >= http.StatusMultipleChoices && status != http.StatusSeeOther &&
		apierror.EnvelopeClass(status) == apierror.Refused
}

// classify classifies an answer by its failure envelope. An answer with data is no
// failure envelope. Of Kuna's codes only the codes of authentication are public. If
// all entries are for an expired token, Kuna has not acted. Otherwise the status
// decides.
func classify(status int, env *envelope) apierror.Class {
	switch {
	case env.err != nil, !env.empty(), len(env.entries) == 0:
		return apierror.Unread
	case !slices.ContainsFunc(env.entries, otherThanExpired):
		return apierror.Refused
	}
	return apierror.EnvelopeClass(status)
}

func otherThanExpired(e ErrorEntry) bool { return !expired(e) }

// authReader reads the answers to login and refresh. A refusal is permanent. Any
// other answer is temporary, even a redirect of a gateway.
type authReader struct{}

func (authReader) Read(_ *transport.Call, status int, _ http.Header, body []byte) apierror.Answer {
	env := readEnvelope(body)
	return apierror.Answer{Class: classify(status, env), Later: !refuses(status, env.entries), Envelope: env}
}

// refuses reports whether Kuna refused a login or refresh permanently.
func refuses(status int, entries []ErrorEntry) bool {
	switch {
	case status == 0:
		return false
	case slices.ContainsFunc(entries, refreshExpired):
		return true
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests, status >= 500:
		return false
	}
	return status >= 400 || len(entries) > 0
}

func refreshExpired(e ErrorEntry) bool { return e.Code == codeRefreshExpired }

// peeked bounds how much of an answer is read to find an expired token; such
// answers are short.
const peeked = 16 << 10

// Rejected reports whether the answer rejects the access token. An answer with data
// beside its errors is no rejection, because Kuna may have acted.
func (dialect) Rejected(_ string, r *http.Request, resp *http.Response) bool {
	if resp.StatusCode == http.StatusUnauthorized {
		return true
	}
	kind := strings.ToLower(resp.Header.Get("Content-Type"))
	if resp.ContentLength > peeked || kind != "" && !strings.Contains(kind, "json") {
		return false
	}
	head, whole := session.Peek(r.Context(), resp, peeked)
	if !whole || !bytes.Contains(head, []byte(nameTokenExpired)) {
		return false
	}
	env := readEnvelope(head)
	return classify(resp.StatusCode, env) == apierror.Refused && slices.ContainsFunc(env.entries, expired)
}

// Fail implements session.Dialect.
func (dialect) Fail(op string, err error) error { return fail(op, err) }
