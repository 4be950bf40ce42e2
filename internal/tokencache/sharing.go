package tokencache

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/credential"
)

// Sharing of the tokens of a cache with other processes.
type Sharing[K, S comparable, T any] struct {
	Store providerauth.Store
	// Secrets returns the secrets of Config.StoreKeys.
	Secrets *credential.List
	// Timeout of an operation of the store, with its repetitions.
	Timeout time.Duration
	Codec   Codec[K, S, T]
}

// A Codec reads and writes the tokens of a provider for the records of a store. It is
// safe for concurrent use.
type Codec[K, S comparable, T any] interface {
	// Register returns the name of the register of a key.
	Register(K) string
	// Offset is the provider's time less this machine's. Two accepted answers
	// agree on it: records must not believe a single answer.
	Offset() time.Duration
	// Grant is how long after the expiry of a token its grant is of use; 0: it has
	// none.
	Grant(T) time.Duration
	// Marshal writes a token and its scope. The record has its expiry.
	Marshal(scope S, token T) ([]byte, error)
	// Unmarshal reads what Marshal has written. expiresAt is on this machine's
	// clock. The ID is zero if the record holds no token.
	Unmarshal(key K, data []byte, expiresAt time.Time) (scope S, token T, id credential.ID, _ error)
	// Adopt notes that the cache uses a token of another process.
	Adopt(T)
	// MarshalKey writes a key, for a notice.
	MarshalKey(K) string
	// UnmarshalKey reads what MarshalKey has written.
	UnmarshalKey(string) (key K, ok bool)
}

// sharing is the shared side of a cache.
type sharing[K, S comparable, T any] struct {
	registers
	codec    Codec[K, S, T]
	notifier providerauth.Notifier // nil: the store is none
	owner    string                // of the leases of this cache
	notices  noticeRate
	rewrite  rewriter
	warned   sync.Once // of a value that does not open

	sharedCounters
}

func newSharing[K, S comparable, T any](cfg *Sharing[K, S, T]) *sharing[K, S, T] {
	if cfg == nil {
		return nil
	}
	s := &sharing[K, S, T]{codec: cfg.Codec, owner: rand.Text()}
	s.store, s.secrets, s.timeout = cfg.Store, cfg.Secrets, cfg.Timeout
	s.reads, s.writes = recordVersion, recordVersion
	s.notifier, _ = cfg.Store.(providerauth.Notifier)
	return s
}

// now is the provider's time at t, in Unix ms.
func (s *sharing[K, S, T]) now(t time.Time) int64 {
	return t.Round(0).Add(s.codec.Offset()).UnixMilli()
}

// local is a time of a record on this machine's clock.
func (s *sharing[K, S, T]) local(unixMilli int64) time.Time {
	return time.UnixMilli(unixMilli).Add(-s.codec.Offset())
}

// register returns the register of a key, not read yet.
func (s *sharing[K, S, T]) register(ctx context.Context, key K) (*register, error) {
	keys, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return &register{registers: &s.registers, keys: keys, name: s.codec.Register(key)}, nil
}

// A claim is a flight's view of its register, and its lease.
type claim[K, S comparable, T any] struct {
	*flight[K, S, T]
	sharing *sharing[K, S, T]
	reg     *register

	base  record    // before the lease
	held  record    // with the lease
	since time.Time // before the lease was written
	taken bool      // the lease was written, and is ours unless it was lost
	lost  bool      // another process has taken it over

	conflicts int
	races     int       // for the lease, without another process's lease in the end
	begun     time.Time // of the flight
}

// maxConflicts is how often a flight begins anew after it lost its lease.
const maxConflicts = 2

// share is a flight with a store: it adopts the token of another process, or takes
// the lease, gets a token and saves it.
func (f *flight[K, S, T]) share(values context.Context) {
	s := f.cache.sharing
	reg, err := s.register(values, f.key)
	if err != nil {
		f.withoutStore(values, err)
		return
	}
	b := f.before
	reg.needed = f.kind != creation && f.kind != look || b == nil || b.state == tombstone || f.startedAt >= b.validUntil()
	c := &claim[K, S, T]{flight: f, sharing: s, reg: reg, begun: time.Now()}
	err = reg.load(values)
	for err == nil {
		var done bool
		done, err = c.step(values)
		if done {
			return
		}
	}
	f.withoutStore(values, err)
}

// step does what the register asks for, and reports whether the flight is over. If
// not, the register has been seen anew.
func (c *claim[K, S, T]) step(values context.Context) (done bool, _ error) {
	switch {
	case c.adopt():
		return true, nil
	case c.kind == look:
		c.giveUp(c.looked)
		return true, nil
	case c.leased():
		return c.await(values)
	case c.backsOff():
		c.fail(c.sharedFailure())
		return true, nil
	}
	held, err := c.take(values)
	switch {
	case errors.Is(err, providerauth.ErrContested):
		c.giveUp(err)
		return true, nil
	case err != nil:
		return false, err
	case !held:
		return c.lostRace()
	}
	done = c.hold(values)
	if done {
		return true, nil
	}
	c.conflicts++
	if c.conflicts > maxConflicts {
		c.fail(&apierror.Error{Kind: providerauth.ErrContested, RetryAfter: time.Second})
		return true, nil
	}
	c.outcome, c.lost = outcome[T]{}, false
	c.receivedAt, c.plan, c.generation = time.Time{}, plan{}, 0
	return false, nil
}

// maxRaces is how often a flight loses the race for a lease that nobody then holds. No
// working store and fleet bring about so many.
const maxRaces = 16

var errUnruly = unavailable("it answers otherwise than a Store may", nil)

// lostRace has the flight look again at what the register holds, a moment later.
func (c *claim[K, S, T]) lostRace() (done bool, _ error) {
	if c.leased() {
		return false, nil
	}
	c.races++
	switch {
	case c.races > maxRaces:
		return false, errUnruly
	case !c.cache.pause(jittered(firstPoll)):
		c.fail(&apierror.Error{Kind: providerauth.ErrClosed})
		return true, nil
	}
	return false, nil
}

// withoutStore is the rest of a flight whose register cannot be read or written. If
// old tokens stay valid, another creation does no harm.
func (f *flight[K, S, T]) withoutStore(values context.Context, err error) {
	var u *unreadable
	if errors.As(err, &u) {
		f.cache.warnUnreadable(u)
	}
	if f.kind == look {
		f.giveUp(f.looked)
		return
	}
	if f.kind == creation && f.cache.cfg.Mode.mayCreateAlone() {
		ctx, cancel := context.WithTimeout(values, f.cache.deadline)
		defer cancel()
		f.retrieve(ctx)
		return
	}
	f.fail(err)
}

// warnUnreadable logs the first value that does not open.
func (c *Cache[K, S, T]) warnUnreadable(u *unreadable) {
	c.sharing.warned.Do(func() {
		defer func() { _ = recover() }() // of a logger
		var own string
		if keys := c.sharing.keys.Load(); keys != nil {
			own = keys.ID()
		}
		c.cfg.Logger.Warn("the store holds a value that cannot be opened; it is not overwritten, and goes when its time is over",
			"sealed_with", u.keyID, "own_key", own)
	})
}

// fail ends the flight with an error of its own, without an attempt.
func (f *flight[K, S, T]) fail(err error) {
	f.outcome = outcome[T]{err: err, last: err}
}

// giveUp ends the flight without a token, and without a back-off.
func (f *flight[K, S, T]) giveUp(err error) {
	f.fail(err)
	f.gaveUp = true
}

// adopt makes the token of the record the flight's, if it is fresh and serves. During
// a back-off of all processes a token past its refresh-at serves as well.
func (c *claim[K, S, T]) adopt() bool {
	r := &c.reg.record
	if c.kind == replacement || c.kind == renewal || r.Token == nil || r.Dead || r.Lease != nil && c.cache.cfg.Mode.killsPrevious() {
		return false
	}
	t := time.Now()
	now := c.sharing.now(t)
	left := min(ms(r.Expires-now), ms(r.Life))
	refresh := left - ms(r.Lead)
	if r.Suspect || refresh <= 0 {
		refresh = min(r.pause(now), left-ms(r.Margin))
	}
	if refresh <= 0 {
		return false
	}
	scope, token, id, err := c.sharing.codec.Unmarshal(c.key, r.Token, t.Add(left))
	none := id == (credential.ID{})
	if err != nil || none || !c.cache.serves(scope, c.scope) || id == c.rejectedID() {
		return false
	}
	if r.Suspect && c.cache.cfg.Suspect != nil {
		token = c.cache.cfg.Suspect(token)
	}
	c.outcome = outcome[T]{issued: Issued[T]{Token: token, ID: id, ExpiresAt: t.Add(left)}}
	c.issuedFor, c.generation, c.adopted = scope, r.Generation, true
	c.receivedAt = t
	c.plan = plan{refreshAt: int64(refresh), validUntil: int64(left - ms(r.Margin)), expiresAt: int64(left)}
	c.fleetFullAt = r.FullAt
	c.sharing.codec.Adopt(token)
	c.sharing.adopted.Add(1)
	return true
}

// rejectedID is the ID of the rejected token that the flight replaces; zero: none.
func (f *flight[K, S, T]) rejectedID() (id credential.ID) {
	if f.before != nil && f.before.state == tombstone {
		id = f.before.id
	}
	return id
}

// leased reports whether another process holds a lease that is not over.
func (c *claim[K, S, T]) leased() bool {
	l := c.reg.record.Lease
	return l != nil && l.Owner != c.sharing.owner && time.Since(c.reg.seenAt) < l.ttl()
}

const (
	firstPoll = 3 * time.Millisecond
	maxPoll   = 100 * time.Millisecond
	calmPoll  = 250 * time.Millisecond // of a flight whose callers have a token
)

// await waits until the lease of another process may be over, and loads the register.
// It reports whether the flight is over.
func (c *claim[K, S, T]) await(values context.Context) (done bool, _ error) {
	serves := c.cache.cfg.Mode.servesWhileRenewing()
	if serves && c.unasked { // KeepWarm tries again; callers start a flight of their own
		c.giveUp(errLeased)
		return true, nil
	}
	if c.polls == 0 {
		c.pollEvery = firstPoll
		if serves && !c.reg.needed {
			c.pollEvery = calmPoll
		}
	}
	c.polls++
	left := c.reg.record.Lease.ttl() - time.Since(c.reg.seenAt)
	if time.Since(c.begun) > 2*maxLease {
		return false, errUnruly
	}
	if !c.cache.pause(min(jittered(c.pollEvery), left)) {
		c.fail(&apierror.Error{Kind: providerauth.ErrClosed})
		return true, nil
	}
	c.pollEvery = max(c.pollEvery, min(c.pollEvery*3/2, maxPoll))
	return false, c.reg.load(values)
}

// backsOff reports whether the back-off of another process binds the flight. It does
// not bind the replacement of a rejected token: the limiter does.
func (c *claim[K, S, T]) backsOff() bool {
	left := c.reg.record.pause(c.sharing.now(time.Now()))
	return c.kind == creation && c.rejectedID() == (credential.ID{}) && left > 0
}

var errElsewhere = errors.New("another process was refused a token, or got no answer")

// sharedFailure is the error of a flight that another process's failure binds.
func (c *claim[K, S, T]) sharedFailure() error {
	r := &c.reg.record
	return &apierror.Error{
		Err: errElsewhere, Status: r.Status, Temporary: true, Effect: apierror.Renews,
		RetryAfter: r.pause(c.sharing.now(time.Now())),
	}
}
