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

// dialect is how Kuna speaks: data or a list of errors, under any status.
type dialect struct{}

// Read reads the answer to a call. A 401 rejects the token, and so does an entry
// for an expired token, unless Kuna may have acted all the same on a call that
// must not be made twice.
func (dialect) Read(call *transport.Call, status int, _ http.Header, body []byte) apierror.Answer {
	env := readEnvelope(body)
	class := classify(status, env)
	harmless := call.Policy == transport.Safe || class == apierror.Refused || class == apierror.Unread && clear(status)
	if status == http.StatusUnauthorized || harmless && slices.ContainsFunc(env.entries, expired) {
		class = apierror.Rejected
	}
	return apierror.Answer{Class: class, Envelope: env}
}

// clear reports whether a status says by itself that nothing was done.
func clear(status int) bool {
	return status >= http.StatusMultipleChoices && status != http.StatusSeeOther &&
		apierror.EnvelopeClass(status) == apierror.Refused
}

// classify reads an answer's failure envelope; an answer that has data too is
// none. Of Kuna's codes only those of the authentication are public: if an
// answer says nothing but that the token has expired, nothing was done. The
// status decides about all others.
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

// authReader reads the answers to login and refresh. A refusal stands; any other
// answer may be another the next time, a redirect of a gateway too.
type authReader struct{}

func (authReader) Read(_ *transport.Call, status int, _ http.Header, body []byte) apierror.Answer {
	env := readEnvelope(body)
	return apierror.Answer{Class: classify(status, env), Later: !refuses(status, env.entries), Envelope: env}
}

// refuses reports whether Kuna answered a login or refresh with a refusal, and
// would do so again.
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

// peeked is how much of an answer is read to see whether it says that the token
// has expired; such answers are short.
const peeked = 16 << 10

// Rejected reports whether an answer is about the access token. Kuna may have
// acted on an answer with data beside its errors, so it is handed on.
func (dialect) Rejected(_ string, _ *http.Request, resp *http.Response) bool {
	if resp.StatusCode == http.StatusUnauthorized {
		return true
	}
	kind := strings.ToLower(resp.Header.Get("Content-Type"))
	if resp.ContentLength > peeked || kind != "" && !strings.Contains(kind, "json") {
		return false
	}
	head, whole := session.Peek(resp, peeked)
	if !whole || !bytes.Contains(head, []byte(nameTokenExpired)) {
		return false
	}
	env := readEnvelope(head)
	return classify(resp.StatusCode, env) == apierror.Refused && slices.ContainsFunc(env.entries, expired)
}

// Fail returns the package's error.
func (dialect) Fail(op string, err error) error { return fail(op, err) }
