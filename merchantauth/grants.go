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

// maxSpent is how many refresh tokens a Client remembers as replaced. Token
// alone replaces one in five seconds at most where access tokens live for more
// than that, which makes 34,560 in their two days; beyond are only those who
// refresh tokens of their own without a pause. Then the ones that expire first
// are forgotten early.
const maxSpent = 1 << 16

// grants are the refresh tokens that must not be sent any more: those that an
// answer has replaced, each until it has expired and Kuna would say so itself.
// It also keeps two Refreshes of one refresh token from running at once. The
// zero value is ready for use.
type grants struct {
	mu      sync.Mutex
	current credential.ID // of the cache's refresh token; zero: it has none
	until   time.Time     // when that expires
	spent   map[credential.ID]time.Time
	sweepAt int
	busy    map[credential.ID]chan struct{} // closed when its Refresh is over
	closed  bool
	running sync.WaitGroup
}

// hold notes the refresh token of a token that is about to be the cache's. The
// one before is not to be sent again.
func (g *grants) hold(id credential.ID, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.current != (credential.ID{}) {
		g.add(g.current, g.until)
	}
	g.current, g.until = id, until
	delete(g.spent, id) // also if it was the current one already
}

// replace notes that an answer has replaced a refresh token by next, or by one
// that cannot be used, which is zero. What an answer brings is good again, if
// it was not before.
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

// enter waits until no other Refresh is under way with the refresh token; the
// caller then leaves when its own is over.
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

// take returns what to wait for, nil if the caller has its turn.
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

// close lets no further Refresh begin, and waits for those under way.
func (g *grants) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.running.Wait()
}
