package attach

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
)

// A Verdict is what an answer says of the token that the request carried.
type Verdict int

const (
	Unclear  Verdict = iota // no answer, or one that says nothing
	Accepted                // the token is good
	Rejected                // the token is not
)

// A Keeper keeps the tokens of one user, and decides whether a rejected one is
// replaced.
type Keeper interface {
	// Current reports whether the token is the current one, and has not been
	// dropped after a rejection. It may be about to be renewed.
	Current(id credential.ID) bool
	// Reject drops the token if it is the current one and may be replaced now.
	// Thereafter Tokens.Token returns another, or the same if no other is to be
	// had. first reports whether the rejection was the token's first in a row.
	Reject(id credential.ID) (first bool)
	// Accept notes that the provider took the token.
	Accept(token *credential.Secret)
	// Contested counts a rejection that stands because the token was not
	// replaced, and returns how long it takes until it can be.
	Contested() (wait time.Duration)
	// Probe has the secret looked at, and returns a number that changes when the
	// secret does.
	Probe() (epoch uint64)
}

// Tokens are the tokens of one user, with the rule for a rejected one: it is
// dropped if it is still the current one and another may be had, and the call
// that met the rejection is made once more with that. A rejection may be a
// mistake: if no other token is to be had, the first rejection in a row has the
// call made once more with the same one.
type Tokens[T any] struct {
	// Token returns the token to use.
	Token func(ctx context.Context) (T, error)
	// Secret returns the value of a token. Required where tokens are rejected,
	// as the next three.
	Secret func(T) *credential.Secret
	// Keeper keeps the tokens.
	Keeper Keeper
	// Key is whose tokens these are, for the Breaker.
	Key string
	// Breaker is shared by all that a client sends.
	Breaker *Breaker
}

// maxReplaced bounds how often one call is made again with another token. It is
// more than once only if other calls have the token replaced time and again
// while this one is under way.
const maxReplaced = 4

// Use calls send with a token, and again after a rejection if again allows it.
// An error means that send was not called. A rejection that stands because no
// other token was to be had is contested for the duration returned; 0: it is
// not. path is the call's, below the base URL.
func (s *Tokens[T]) Use(ctx context.Context, method, path string, again bool, send func(T) Verdict) (contested time.Duration, _ error) {
	tok, err := s.Token(ctx)
	if err != nil {
		return 0, err
	}
	c := call{s.Key, cmp.Or(method, http.MethodGet), strings.TrimPrefix(path, "/")}
	for replaced := 0; ; replaced++ {
		switch send(tok) {
		case Unclear:
			return 0, nil
		case Accepted:
			s.accept(c, tok)
			if replaced > 0 {
				s.Breaker.cured(s.Key)
			}
			return 0, nil
		}
		id := s.Secret(tok).ID()
		if s.Keeper.Current(id) {
			if replaced > 0 { // so it was not the token
				s.Breaker.trip(c, s.Keeper.Probe())
				return 0, nil
			}
			if rest := s.Breaker.holds(c, s.Keeper.Probe); rest > 0 {
				return max(rest, s.Keeper.Contested()), nil
			}
		}
		first := s.Keeper.Reject(id)
		if !again || replaced == maxReplaced {
			return s.contested(), nil
		}
		next, err := s.Token(ctx)
		if err != nil {
			return s.contested(), nil
		}
		if s.Secret(next).ID() == id {
			return s.once(c, next, first, send), nil
		}
		tok = next
	}
}

// once makes a call once more with the token that was rejected, if that was its
// first rejection in a row: there is no other. If it is rejected again, that
// says nothing of the call, and trips no Breaker.
func (s *Tokens[T]) once(c call, tok T, first bool, send func(T) Verdict) (contested time.Duration) {
	if !first {
		return s.contested()
	}
	switch send(tok) {
	case Accepted:
		s.accept(c, tok)
	case Rejected:
		s.Keeper.Reject(s.Secret(tok).ID())
		return s.contested()
	}
	return 0
}

func (s *Tokens[T]) accept(c call, tok T) {
	if s.Keeper == nil {
		return
	}
	s.Keeper.Accept(s.Secret(tok))
	s.Breaker.accepted(c)
}

// contested is the wait of a rejection that stands. Where nothing says how long
// that is, such as while the replacement is still under way, it is a second.
func (s *Tokens[T]) contested() time.Duration { return cmp.Or(s.Keeper.Contested(), time.Second) }
