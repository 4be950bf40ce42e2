package assetpay

import (
	"net/http"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// dialect reads AssetPay's answers: an envelope with a key for each error.
type dialect struct{}

// Read reads an answer's envelope.
func (dialect) Read(_ *transport.Call, status int, _ http.Header, body []byte) apierror.Answer {
	env := readEnvelope(body)
	return apierror.Answer{Class: classify(status, env), Later: passing(env.key()), Envelope: env}
}

// classify classifies an answer by its key. AssetPay's own SDK takes every key
// under a 5xx for definitive, except SERVER_ERROR. SERVER_ERROR is the key of an
// unforeseen fault, and proves nothing under any status. No key is documented for
// 408.
func classify(status int, env *envelope) apierror.Class {
	key := env.key()
	switch {
	case rejects(status, key):
		return apierror.Rejected
	case !env.failed:
		return apierror.Unread
	case key == "SERVER_ERROR":
		return apierror.MayHave
	case status == http.StatusRequestTimeout, status >= http.StatusInternalServerError && !isKey(key):
		return apierror.MayHave
	}
	return apierror.Refused
}

// peeked bounds how much of a failed answer is read to find its key.
const peeked = 16 << 10

// Rejected reports whether the answer rejects the token. A 401 whose key cannot be
// read does.
func (dialect) Rejected(_ string, r *http.Request, resp *http.Response) bool {
	if resp.StatusCode < http.StatusBadRequest {
		return false
	}
	head, _ := session.Peek(r.Context(), resp, peeked)
	return rejects(resp.StatusCode, readEnvelope(head).key())
}

// Fail implements session.Dialect.
func (dialect) Fail(op string, err error) error { return fail(op, err) }
