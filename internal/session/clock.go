package session

import (
	"context"

	"github.com/providerauth/providerauth-go/internal/clock"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// stamp returns the stamp of the clock for a request with the secret.
func (c *Client) stamp(s *credential.Secret) uint32 {
	if c.timestamps {
		return c.Clock.Stamp()
	}
	return s.Stamp()
}

// outdated reports whether the secret was signed before the clock's last
// correction.
func (c *Client) outdated(s *credential.Secret) bool {
	return s.Stamp() != 0 && s.Stamp() != c.Clock.Stamp()
}

// current returns the user's secret. A secret signed before the clock's last
// correction is replaced first, if possible.
func (c *Client) current(ctx context.Context, u *User) (*credential.Secret, error) {
	secret, err := u.Credential.Get(ctx)
	if err != nil || u.Keeper == nil || !c.outdated(secret) {
		return secret, err
	}
	u.Keeper.Reject(secret.ID())
	next, err := u.Credential.Get(ctx)
	if err != nil {
		return secret, nil //nolint:nilerr // the outdated secret may do
	}
	return next, nil
}

// observe shows the answer to the clock, if it is a success or a refusal.
func (r *requestSender) observe(v verdict, a clock.Answer) {
	if r.fault != nil {
		return
	}
	status := r.resp.StatusCode
	a.Header = r.resp.Header
	a.Refused = v == rejected || transport.RefusedStatus(status)
	if a.Refused || status >= 200 && status < 300 {
		r.Clock.Observe(a)
	}
}
