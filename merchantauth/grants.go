package merchantauth

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/credential"
)

// maxSpent is the number of replaced refresh tokens remembered by a Client. If
// access tokens live for more than five seconds, Token replaces at most one refresh
// token per five seconds: 34,560 in the two days of their life. Only callers with
// refresh tokens of their own can exceed the limit, by refreshing without a pause.
// The Client then forgets the tokens with the earliest expiry.
const maxSpent = 1 << 16

// grants records the refresh tokens which must not be sent again because an answer
// has replaced them, each until its expiry; from then on Kuna would refuse it
// anyway. grants also serialises Refreshes of the same refresh token. The zero
// value is ready for use.
type grants struct {
	mu      sync.Mutex
	current credential.ID // of the cache's refresh token; zero: no refresh token
	until   time.Time     // expiry of current
	spent   map[credential.ID]time.Time
	sweepAt int
	busy    map[credential.ID]chan struct{} // closed when its Refresh is over
	closed  bool
	running sync.WaitGroup
}

// hold records the refresh token of the cache's next token. The previous refresh
// token must not be sent again.
func (g *grants) hold(id credential.ID, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.current != (credential.ID{}) {
		g.add(g.current, g.until)
	}
	g.current, g.until = id, until
	delete(g.spent, id) // also if id was current before, and was just added
}

// replace records the replacement of a refresh token by next; zero: the new refresh
// token is unusable. A refresh token issued again by an answer is valid again.
func (g *grants) replace(id credential.ID, until time.Time, next credential.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.add(id, until)
	delete(g.spent, next)
}

func (g *grants) add(id credential.ID, until time.Time) {
	if g.spent == nil {
		g.spent = make(map[credential.ID]time.Time)
	}
	if len(g.spent) >= max(g.sweepAt, 64) {
		g.sweep(time.Now())
	}
	if until.After(g.spent[id]) {
		g.spent[id] = until
	}
}

func (g *grants) sweep(now time.Time) {
	maps.DeleteFunc(g.spent, func(_ credential.ID, until time.Time) bool { return !now.Before(until) })
	if len(g.spent) >= maxSpent {
		soonest := slices.SortedFunc(maps.Keys(g.spent), func(a, b credential.ID) int { return g.spent[a].Compare(g.spent[b]) })
		for _, id := range soonest[:maxSpent/64] {
			delete(g.spent, id)
		}
	}
	g.sweepAt = min(2*len(g.spent), maxSpent)
}

// replaced reports whether the refresh token must not be sent again.
func (g *grants) replaced(id credential.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.spent[id])
}

// isCurrent reports whether the refresh token is the cache's.
func (g *grants) isCurrent(id credential.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current == id
}

// enter waits until no other Refresh of the refresh token is under way. The caller
// then calls leave when its own Refresh is over.
func (g *grants) enter(ctx context.Context, id credential.ID) (leave func(), err error) {
	for {
		busy, err := g.take(id)
		switch {
		case err != nil:
			return nil, err
		case busy == nil:
			return func() { g.leave(id) }, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns the channel to wait for; nil: the caller may refresh now.
func (g *grants) take(id credential.ID) (<-chan struct{}, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, &apierror.Error{Kind: providerauth.ErrClosed}
	}
	if busy := g.busy[id]; busy != nil {
		return busy, nil
	}
	if g.busy == nil {
		g.busy = make(map[credential.ID]chan struct{})
	}
	g.busy[id] = make(chan struct{})
	g.running.Add(1)
	return nil, nil
}

func (g *grants) leave(id credential.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.busy[id])
	delete(g.busy, id)
	g.running.Done()
}

// close prevents further Refreshes, and waits for those under way.
func (g *grants) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.running.Wait()
}
