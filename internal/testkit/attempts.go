package testkit

import (
	"context"
	"fmt"
	"sync"

	providerauth "github.com/providerauth/providerauth-go"
)

// Attempts records what a Config.OnAttempt is shown.
type Attempts struct {
	mu    sync.Mutex
	lines []string
}

type traceKey struct{}

// Trace returns ctx with a trace id, which Lines shows.
func (*Attempts) Trace(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, traceKey{}, id)
}

// Add is an OnAttempt.
func (s *Attempts) Add(ctx context.Context, a providerauth.Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _ := ctx.Value(traceKey{}).(string)
	s.lines = append(s.lines, fmt.Sprintf("%s %s %s %s %d: %d %s, %s", a.Provider, a.Op, a.Method, a.Path, a.Attempt, a.StatusCode, a.Outcome, id))
}

// Lines returns the attempts, each as provider, op, method, path, number, status,
// outcome and the trace id of its context.
func (s *Attempts) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines...)
}
