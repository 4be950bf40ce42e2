package transport

import (
	"net/http"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/clock"
)

// A Stamped is a Signer whose credential was signed by the Client's clock, before
// the call.
type Stamped interface {
	// Stamp returns clock.Clock.Stamp as it was when the credential was signed:
	// the number of the clock's correction, and not a time. 0: the credential
	// holds no time of the clock.
	Stamp() uint32
}

// stamp returns the stamp of the clock for the next attempt.
func (r *run) stamp() uint32 {
	if r.client.timestamps {
		return r.client.clock.Stamp()
	}
	if s, ok := r.call.Signer.(Stamped); ok {
		return s.Stamp()
	}
	return 0
}

// observe shows the answer to the clock. Only a success or a refusal says
// something of the credential: a rate limit may come before its check.
func (r *run) observe(stamp uint32) {
	a := &r.now
	refused := RefusedStatus(a.status) || a.read.Class == apierror.Rejected || a.read.Time
	if a.status < 200 || !refused && a.status >= http.StatusMultipleChoices {
		return
	}
	r.client.clock.Observe(clock.Answer{
		Sent: a.sent, Received: a.received, Header: a.header, Refused: refused, Stamp: stamp,
	})
}

// RefusedStatus reports whether an answer with the status refuses the credential,
// or the time in the request, whatever its body says.
func RefusedStatus(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}
