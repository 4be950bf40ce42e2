package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// Options of [Test].
type Options struct {
	// Prefix begins the keys that Test uses. A random part follows, so a store
	// in use keeps its values. Test leaves keys behind, for at most 90 days.
	Prefix string
	// Callers is how many goroutines use one key at once. Default 32.
	Callers int
	// Others are further handles on the same store, as other processes have
	// them: other connections, other nodes.
	Others []providerauth.Store
	// Disconnect breaks all connections of the handles, as a failing network
	// does. Test calls it last, and expects that Watch returns. Without it, Test
	// does not try that.
	Disconnect func()
}

// patience is how long Test waits for a single operation, and for a message. It
// is long for a database, and short for a person.
const patience = 10 * time.Second

// Test uses the store s in every way that clients do, and some more. It returns
// all that is wrong, joined. Each error names the rule that s breaks, and what
// was done. Values are not in the errors.
//
// If s implements [providerauth.Notifier], Test tries that too, with those of
// Others that implement it.
//
// Test takes about 2 s, because values must go when their time is over. In a
// bubble of testing/synctest it takes simulated time. All its goroutines have
// ended when it returns, unless Watch does not return after its context ended.
// If ctx ends, Test returns early with the error of ctx.
func Test(ctx context.Context, s providerauth.Store, o Options) error {
	if o.Callers <= 0 {
		o.Callers = 32
	}
	stores := append([]providerauth.Store{s}, o.Others...)
	var errs []error
	for _, rule := range rules {
		if ctx.Err() != nil {
			break
		}
		c := &check{ctx: ctx, rule: rule.text, stores: stores, options: o}
		rule.run(c)
		errs = append(errs, c.errs...)
		if c.left > 0 {
			errs = append(errs, fmt.Errorf("storetest: %s: %d further errors", rule.text, c.left))
		}
	}
	if ctx.Err() != nil {
		errs = append(errs, fmt.Errorf("storetest: not all rules were tried: %w", ctx.Err()))
	}
	return errors.Join(errs...)
}

// A rule is a part of the contract of a store.
type rule struct {
	text string
	run  func(*check)
}

var rules = slices.Concat(valueRules, timeRules, crowdRules, contextRules, notifierRules)

// A check is the trial of one rule. Its methods are safe for concurrent use.
type check struct {
	ctx     context.Context
	rule    string
	stores  []providerauth.Store
	options Options

	mu    sync.Mutex
	errs  []error
	left  int               // errors beyond most
	names map[string]string // of the values, for the errors
}

// most is how many errors of one rule Test returns.
const most = 5

// failf adds an error.
func (c *check) failf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) == most {
		c.left++
		return
	}
	c.errs = append(c.errs, fmt.Errorf("storetest: %s: %w", c.rule, fmt.Errorf(format, args...)))
}

// failed reports whether there was an error.
func (c *check) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.errs) > 0
}

// key returns a key that nobody has used. It looks like the keys of clients: a
// prefix, and 24 characters of which any may be a letter of either case, a
// digit, "-" or "_".
func (c *check) key() string {
	b := make([]byte, 18)
	_, _ = rand.Read(b) // never fails
	return c.options.Prefix + base64.RawURLEncoding.EncodeToString(b)
}

// value returns a random value of 600 bytes, by its name in the errors.
func (c *check) value(name string) []byte {
	b := make([]byte, 600)
	_, _ = rand.Read(b) // never fails
	return c.named(name, b)
}

// named gives a value a name in the errors.
func (c *check) named(name string, value []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names == nil {
		c.names = map[string]string{}
	}
	c.names[string(value)] = name
	return value
}

// describe returns the name of a value.
func (c *check) describe(value []byte) string {
	if value == nil {
		return "nil"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if name, ok := c.names[string(value)]; ok {
		return name
	}
	return fmt.Sprintf("other %d bytes", len(value))
}

// expect fails the check unless an operation returned want and no error.
func (c *check) expect(want []byte, done string, got []byte, err error) bool {
	switch {
	case err != nil:
		c.failf("%s: %w", done, err)
	case !bytes.Equal(got, want) || (got == nil) != (want == nil):
		c.failf("%s: got %s, want %s", done, c.describe(got), c.describe(want))
	default:
		return true
	}
	return false
}

// load loads key by a handle, and expects want.
func (c *check) load(s providerauth.Store, key string, want []byte, done string) bool {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	got, err := s.Load(ctx, key)
	return c.expect(want, done, got, err)
}

// A swap is the arguments of a Swap. Without a ttl it is for a minute.
type swap struct {
	key        string
	prev, next []byte
	ttl        time.Duration
}

// do calls Swap.
func (c *check) do(s providerauth.Store, x swap) ([]byte, error) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if x.ttl == 0 {
		x.ttl = time.Minute
	}
	return s.Swap(ctx, x.key, x.prev, x.next, x.ttl)
}

// swap calls Swap by the first handle, and expects want.
func (c *check) swap(x swap, want []byte, done string) bool {
	got, err := c.do(c.stores[0], x)
	return c.expect(want, done, got, err)
}

// put calls Swap by the first handle, and expects that it puts next there.
func (c *check) put(x swap) bool { return c.swap(x, x.next, "Swap to "+c.describe(x.next)) }

// sleep waits for d, or until the context of Test ends.
func (c *check) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	}
}
