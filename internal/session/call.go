package session

import (
	"context"
	"errors"
	"net/http"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// Do makes the call as the user, and once more with another token if the
// provider rejects the first. Its errors are *apierror.Error.
func (c *Client) Do(ctx context.Context, u User, call transport.Call) (*transport.Response, error) {
	if err := c.API.Check(ctx, &call); err != nil {
		return nil, err
	}
	r := &callSender{client: c, call: call, credential: u.Credential}
	contested, err := c.use(ctx, &u, call.Method, call.RelativePath(), r)
	switch {
	case err != nil:
		return nil, notSent(&call, err)
	case r.failed == nil:
		return r.resp, nil
	case r.failed.Attempts == 0 && errors.Is(r.failed, providerauth.ErrSecretUnavailable):
		return nil, notSent(&call, r.failed)
	case contested != nil:
		return nil, r.failed.Contested(contested.wait, contested.why)
	}
	return nil, r.failed
}

// notSent is the error of a call without a secret or signature.
func notSent(call *transport.Call, reason error) *apierror.Error {
	e := apierror.NotSent(reason)
	e.Op, e.Method, e.Path = call.Op, call.Method, call.RelativePath()
	return e
}

// A callSender is a call as a sender.
type callSender struct {
	client     *Client
	call       transport.Call
	credential Credential

	resp   *transport.Response
	failed *apierror.Error // nil: resp is the result
}

func (r *callSender) send(ctx context.Context, s *credential.Secret) verdict {
	call := r.call
	call.Signer = &signer{r.credential, s}
	if r.failed != nil {
		call.Before = r.failed.Attempts
	}
	resp, err := r.client.API.Do(ctx, call)
	var e *apierror.Error
	if !errors.As(err, &e) {
		r.resp, r.failed = resp, nil
		return accepted
	}
	if r.failed != nil && e.Attempts == call.Before {
		return unclear // nothing was sent: the first answer stands
	}
	r.failed = e
	switch {
	case e.Status == 0, call.Policy != transport.Safe && e.Ambiguous:
		return unclear
	case e.Answer.Class == apierror.Rejected:
		return rejected
	case e.Status >= http.StatusInternalServerError:
		return unclear
	}
	return accepted
}

func (r *callSender) again() bool { return true }

// Stamp implements transport.Stamped.
func (s *signer) Stamp() uint32 { return s.secret.Stamp() }

// A signer puts a secret on the attempts of a call.
type signer struct {
	credential Credential
	secret     *credential.Secret
}

func (s *signer) Sign(_ context.Context, r *http.Request, body []byte) error {
	return s.credential.Set(r, s.secret, body)
}
