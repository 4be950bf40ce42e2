package session

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
)

// A verdict is the meaning of an answer for the secret of its request.
type verdict int

const (
	unclear  verdict = iota // no answer, or an answer without a meaning for the secret
	accepted                // the secret is valid
	rejected                // the secret is not valid
)

// A Keeper keeps the tokens of one user, and decides whether a rejected token is
// replaced.
type Keeper interface {
	// Current reports whether the token is the current one, was not dropped
	// after a rejection, and is not about to be killed by a renewal.
	Current(id credential.ID) bool
	// Reject drops the token if it is the current one and may be replaced now.
	// Thereafter Credential.Get returns another, or the same if no other is to
	// be had. first reports whether the rejection was the token's first in a
	// row.
	Reject(id credential.ID) (first bool)
	// Accept notes that the provider took the token.
	Accept(token *credential.Secret)
	// Contested counts a rejection that stands because the token was not
	// replaced, and returns the time until a replacement is possible. why is set
	// if the store of the tokens is the reason.
	Contested() (wait time.Duration, why error)
	// Probe checks the secret behind the tokens for a change, and returns a
	// number that changes with the secret.
	Probe() (epoch uint64)
}

// A sender sends a request, each time with the given secret.
type sender interface {
	// send returns the meaning of the answer for the secret. The sender keeps
	// the answer.
	send(ctx context.Context, s *credential.Secret) verdict
	// again reports whether the request can be sent once more.
	again() bool
}

// maxReplaced bounds the repeats of a request with another token. There is a
// second repeat only if other requests have the token replaced while this
// request is under way.
const maxReplaced = 4

// use sends a request with the user's secret, and once more after a rejection.
// The rejected token is dropped if it is still current and another may be had.
// If the rejection corrected the clock that the token was signed by, the
// correction may be the cure, so the request is sent again whatever was tried
// before. A rejection may be a mistake: if no other token is to be had, the
// first rejection in a row has the request sent once more with the same token.
//
// An error means that nothing was sent. If a rejection stands because there is
// no other token, it is contested; nil: it is not.
func (c *Client) use(ctx context.Context, u *User, method, path string, r sender) (*contest, error) {
	secret, err := c.current(ctx, u)
	if err != nil {
		return nil, err
	}
	if u.Keeper == nil {
		r.send(ctx, secret)
		return nil, nil
	}
	of := call{u.Key, cmp.Or(method, http.MethodGet), strings.TrimPrefix(path, "/")}
	for replaced := 0; ; replaced++ {
		switch r.send(ctx, secret) {
		case unclear:
			return nil, nil
		case accepted:
			u.Keeper.Accept(secret)
			c.breaker.accepted(of)
			if replaced > 0 {
				c.breaker.cured(u.Key)
			}
			return nil, nil
		}
		id := secret.ID()
		if u.Keeper.Current(id) && !c.outdated(secret) {
			if replaced > 0 { // so it was not the token
				c.breaker.trip(of, u.Keeper.Probe())
				return nil, nil
			}
			if rest := c.breaker.holds(of, u.Keeper.Probe); rest > 0 {
				return u.contested(rest), nil
			}
		}
		first := u.Keeper.Reject(id)
		if !r.again() || replaced == maxReplaced {
			return u.contested(0), nil
		}
		next, err := u.Credential.Get(ctx)
		if err != nil {
			return u.contested(0), nil
		}
		if next.ID() == id {
			if !first {
				return u.contested(0), nil
			}
			return c.once(ctx, u, of, next, r), nil
		}
		secret = next
	}
}

// once sends a request once more with the rejected token: there is no other. A
// second rejection says nothing of the request, and trips no Breaker.
func (c *Client) once(ctx context.Context, u *User, of call, secret *credential.Secret, r sender) *contest {
	switch r.send(ctx, secret) {
	case accepted:
		u.Keeper.Accept(secret)
		c.breaker.accepted(of)
	case rejected:
		u.Keeper.Reject(secret.ID())
		return u.contested(0)
	}
	return nil
}

// A contest is a final rejection for want of another token.
type contest struct {
	wait time.Duration // until there may be another
	why  error         // of the store of the tokens; nil: it is not the reason
}

// contested returns a contest of at least rest. It is a second if the Keeper knows no
// wait, such as while the replacement is still under way.
func (u *User) contested(rest time.Duration) *contest {
	wait, why := u.Keeper.Contested()
	return &contest{cmp.Or(max(wait, rest), time.Second), why}
}
