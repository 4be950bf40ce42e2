package session

import (
	"cmp"
	"net/http"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// report shows the attempt to Options.OnAttempt.
func (r *requestSender) report(v verdict, took time.Duration) {
	if !r.API.Reports() {
		return
	}
	a := providerauth.Attempt{
		Op: "Transport", Method: cmp.Or(r.req.Method, http.MethodGet), Path: r.path,
		Attempt: r.attempts, Duration: took, Outcome: r.outcome(v),
	}
	if r.fault == nil {
		a.StatusCode = r.resp.StatusCode
	}
	r.API.Report(r.req.Context(), a)
}

func (r *requestSender) outcome(v verdict) providerauth.Outcome {
	switch {
	case r.fault != nil && r.req.Context().Err() != nil:
		return providerauth.OutcomeCanceled
	case r.fault != nil:
		return transport.Unanswered(r.fault)
	case v == rejected:
		return providerauth.OutcomeRejected
	case r.resp.StatusCode < http.StatusBadRequest:
		return providerauth.OutcomeOK
	}
	return transport.Failed(r.resp.StatusCode)
}
