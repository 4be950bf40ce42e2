package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// callTimeout is how long a caller waits for an answer. It is longer than processes
// are stopped, and than a loaded machine lets them wait.
const callTimeout = 30 * time.Second

// A Report is what a worker says of itself.
type Report struct {
	Calls  int
	Failed Failures
	Stats  providerauth.Stats
	Stall  time.Duration // the longest time in which it did not run
}

// Failures are numbers of failed calls by their kind.
type Failures map[string]int

// Sum is the number of all failures.
func (f Failures) Sum() int {
	n := 0
	for _, m := range f {
		n += m
	}
	return n
}

// Add adds the failures of others.
func (f Failures) Add(others Failures) {
	for kind, n := range others {
		f[kind] += n
	}
}

// String shows the number of all failures and their kinds.
func (f Failures) String() string {
	if len(f) == 0 {
		return "0"
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(f)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", f[kind], kind))
	}
	return strings.Join(kinds, ", ")
}

// Unavailable is the kind of a failure that matches ErrStoreUnavailable.
const Unavailable = "store unavailable"

// Kind names the kind of a failed call; "" if it has not failed.
func Kind(err error) string {
	if err == nil {
		return ""
	}
	for _, known := range []struct {
		err  error
		kind string
	}{
		{providerauth.ErrStoreUnavailable, Unavailable},
		{providerauth.ErrContested, "contested"},
		{providerauth.ErrUnauthorized, "rejected"},
		{providerauth.ErrAmbiguous, "ambiguous"},
		{context.DeadlineExceeded, "timed out"},
	} {
		if errors.Is(err, known.err) {
			return known.kind
		}
	}
	return waits.ReplaceAllString(err.Error(), "")
}

// waits are the parts of errors' texts that differ from one to the next.
var waits = regexp.MustCompile(`retry after [^:]*: `)

// A Crowd is the callers inside a worker.
type Crowd struct {
	Callers int
	Players int
	Pause   time.Duration // of a caller between two calls, on average

	// Call makes a call for a player and returns the kind of its failure, "" if
	// it has not failed.
	Call func(ctx context.Context, player string) string
	// Stats are those of the client that Call uses.
	Stats func() providerauth.Stats

	stall  Stall
	mu     sync.Mutex
	calls  int
	failed Failures
}

// Run lets the callers call, and prints a Report several times a second, until
// the input of this process ends.
func (c *Crowd) Run() error {
	c.failed = Failures{}
	done := make(chan struct{})
	go c.stall.Watch(done)
	var callers sync.WaitGroup
	for range c.Callers {
		callers.Go(func() { c.caller(done) })
	}
	end := UntilInputEnds()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		if err := c.report(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-end:
			running = false
		}
	}
	close(done)
	callers.Wait()
	return c.report()
}

func (c *Crowd) caller(done <-chan struct{}) {
	for {
		select {
		case <-time.After(rand.N(2 * c.Pause)):
		case <-done:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		failure := c.Call(ctx, Player(rand.IntN(c.Players)))
		cancel()
		c.mu.Lock()
		c.calls++
		if failure != "" {
			c.failed[failure]++
		}
		c.mu.Unlock()
	}
}

func (c *Crowd) report() error {
	stats := c.Stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.NewEncoder(os.Stdout).Encode(Report{c.calls, c.failed, stats, c.stall.Longest()})
}
