package attach

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/providerauth/providerauth-go/internal/credential"
)

// A Verdict is what an answer says of the token that the request carried.
type Verdict int

const (
	Unclear  Verdict = iota // no answer, or one that says nothing
	Accepted                // the token is good
	Rejected                // the token is not
)

// Tokens are the tokens of one user, with the rule for a rejected one: it is
// dropped if it is still the current one, and the call that met the rejection
// is made once more if that brings another token.
type Tokens[T any] struct {
	// Token returns the token to use.
	Token func(ctx context.Context) (T, error)
	// Invalidate drops the token if it is the current one.
	Invalidate func(T) bool
	// ID tells tokens apart.
	ID func(T) credential.ID
	// Key is whose tokens these are, for the damper.
	Key string
	// Damper is shared by all that a client sends.
	Damper *Damper
}

// Use calls send with a token, and a second time with another one if the first
// was rejected and again allows it. An error means that send was not called.
// If there is no other token to be had, the first outcome stands. path is the
// call's, below the base URL.
func (s *Tokens[T]) Use(ctx context.Context, method, path string, again bool, send func(T) Verdict) error {
	tok, err := s.Token(ctx)
	if err != nil {
		return err
	}
	call := dampKey{s.Key, cmp.Or(method, http.MethodGet), strings.TrimPrefix(path, "/")}
	switch send(tok) {
	case Unclear:
		return nil
	case Accepted:
		s.Damper.accepted(call)
		return nil
	}
	if s.Damper.on(call) {
		return nil
	}
	s.Invalidate(tok)
	if !again {
		return nil
	}
	next, err := s.Token(ctx)
	if err != nil || s.ID(next) == s.ID(tok) {
		return nil
	}
	switch send(next) {
	case Accepted:
		s.Damper.accepted(call)
		s.Damper.cured(s.Key)
	case Rejected: // so it was not the token
		s.Damper.trip(call)
	}
	return nil
}
