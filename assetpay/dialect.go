package assetpay

import (
	"net/http"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// dialect is how AssetPay speaks: an envelope whose error has a key.
type dialect struct{}

// Read reads an answer's envelope.
func (dialect) Read(_ *transport.Call, status int, _ http.Header, body []byte) apierror.Answer {
	env := readEnvelope(body)
	return apierror.Answer{Class: classify(status, env), Later: passing(env.key()), Envelope: env}
}

// classify judges an answer by its key. AssetPay's own SDK takes every key under
// a 5xx for definitive, except SERVER_ERROR, the key of a fault that nobody
// foresaw, which proves nothing under any status. No key is documented for 408.
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

// peeked bounds the part of a failure that is read to find its reason.
const peeked = 16 << 10

// Rejected reports whether the answer rejects the token. A 401 whose body does not
// come is taken for one that says nothing.
func (dialect) Rejected(_ string, _ *http.Request, resp *http.Response) bool {
	if resp.StatusCode < http.StatusBadRequest {
		return false
	}
	head, _ := session.Peek(resp, peeked)
	return rejects(resp.StatusCode, readEnvelope(head).key())
}

// Fail returns the package's error.
func (dialect) Fail(op string, err error) error { return fail(op, err) }
