package credential

import (
	"context"
	"hash/maphash"
	"reflect"
	"sync"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/text"
)

// staticCode is the common code of all functions of StaticSecret. The compiler
// copies the code of a function literal only where it inlines the function
// around it.
var (
	staticCode  = reflect.ValueOf(providerauth.StaticSecret("any")).Pointer()
	staticsCode = reflect.ValueOf(providerauth.StaticSecrets("any")).Pointer()
)

// StaticValue returns the value of a function of [providerauth.StaticSecret]. ok
// is false for any other function, which is not called. A function with the code
// of StaticSecret's does the same: it returns its value.
func StaticValue(f providerauth.SecretFunc) (value string, ok bool) {
	if f == nil || reflect.ValueOf(f).Pointer() != staticCode {
		return "", false
	}
	value, err := f(context.Background())
	return value, err == nil
}

// StaticValues is [StaticValue] for a function of [providerauth.StaticSecrets].
func StaticValues(f providerauth.SecretsFunc) (values []string, ok bool) {
	if f == nil || reflect.ValueOf(f).Pointer() != staticsCode {
		return nil, false
	}
	values, err := f(context.Background())
	return values, err == nil
}

// A Source asks a [providerauth.SecretFunc], refuses unusable values, and
// notices changes. It remembers no value. Safe for concurrent use.
type Source struct {
	field string
	f     providerauth.SecretFunc
	hmac  bool // the values are keys of HMAC

	static bool // f returns at once

	mu      sync.Mutex
	last    uint64 // keyed hash of the last value; meaningless while version is 0
	version uint64
	running *supply // nil: none
}

// NewSource returns a Source over f, named after its field of the
// configuration. With a nil f, Get always fails.
func NewSource(field string, f providerauth.SecretFunc) *Source {
	_, static := StaticValue(f)
	return &Source{field: field, f: f, static: static}
}

// NewHMACKey returns a [NewSource] for keys of HMAC. Get refuses keys forbidden
// in FIPS 140-only mode.
func NewHMACKey(field string, f providerauth.SecretFunc) *Source {
	s := NewSource(field, f)
	s.hmac = true
	return s
}

// Get is [Source.GetVersion] without the version.
func (s *Source) Get(ctx context.Context) (string, error) {
	value, _, err := s.GetVersion(ctx)
	return value, err
}

// GetVersion returns the result of a call of the function. One call runs at a
// time, and all callers share its result. If the call fails, panics or returns
// an unusable value, the error is an [*apierror.Error] and matches
// [providerauth.ErrSecretUnavailable]. It names the field and the rule.
// errors.Is and errors.As see the function's own error through it, but its text
// does not: the error of a vault may quote the request. If the context ended
// before, or its owner cancels it meanwhile, its error is returned as it is: it
// says nothing of the secret. version is [Source.Version] with this value; 0
// beside an error.
func (s *Source) GetVersion(ctx context.Context) (value string, version uint64, _ error) {
	if err := ctx.Err(); err != nil {
		return "", 0, err
	}
	value, err := s.call(ctx)
	if err != nil && ctx.Err() == context.Canceled {
		return "", 0, context.Canceled
	}
	if err == nil {
		rule := text.Defect(value)
		if rule == "" && s.hmac {
			rule = fips.HMACKey(value)
		}
		if rule != "" {
			err = broken(rule, nil)
		}
	}
	if err != nil {
		f, ok := err.(*apierror.Opaque)
		if !ok {
			f = broken("the function that supplies it failed", err)
		}
		named := broken(s.field+": "+f.Text, f.Cause)
		return "", 0, &apierror.Error{Kind: providerauth.ErrSecretUnavailable, Err: named}
	}
	return value, s.saw(value), nil
}

// broken is the failure of a function for the given reason, without the
// function's own error text.
func broken(rule string, cause error) *apierror.Opaque {
	return &apierror.Opaque{Text: rule, Cause: cause, Passing: true}
}

// A supply is a call of the function, shared by all waiting callers. mu of the
// Source guards waiting; value and err are for others once done is closed.
type supply struct {
	fresh   bool // it asks for a fresh secret
	done    chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
	waiting int

	value string
	err   error
	late  bool // nobody waited for it any longer when it ended
}

// call waits for the running call of the function, or starts a call. A running
// call may be of no use: nobody waited for it and its context ended, or it does
// not ask for a fresh secret. Then the function is called once more.
func (s *Source) call(ctx context.Context) (string, error) {
	switch {
	case s.f == nil:
		return "", broken("is not set", nil)
	case s.static:
		return s.f(ctx)
	}
	fresh := providerauth.WantsFreshSecret(ctx)
	for {
		c := s.join(ctx, fresh)
		select {
		case <-c.done:
			s.leave(c)
			if (c.fresh || !fresh) && (c.err == nil || !c.late) {
				return c.value, c.err
			}
		case <-ctx.Done():
			s.leave(c)
			return "", broken("the function that supplies it did not return in time", ctx.Err())
		}
	}
}

// join returns the running call, and starts a call if there is none. The call
// has the values of its first caller's context.
func (s *Source) join(ctx context.Context, fresh bool) *supply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		c := &supply{fresh: fresh, done: make(chan struct{})}
		c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
		s.running = c
		go s.run(c)
	}
	s.running.waiting++
	return s.running
}

// leave ends the context of the call if nobody waits for it any more. A
// function may ignore its context and keep its goroutine; no second goroutine
// is started.
func (s *Source) leave(c *supply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.waiting--; c.waiting == 0 {
		c.cancel()
	}
}

// run calls the function, on a goroutine of its own.
func (s *Source) run(c *supply) {
	c.err = broken("the function that supplies it ended its goroutine", nil)
	defer s.end(c)
	c.value, c.err = s.guarded(c.ctx)
}

func (s *Source) end(c *supply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.late = c.ctx.Err() != nil
	s.running = nil
	close(c.done)
}

func (s *Source) guarded(ctx context.Context) (value string, err error) {
	defer func() {
		if recover() != nil {
			value, err = "", broken("the function that supplies it panicked", nil)
		}
	}()
	return s.f(ctx)
}

// seed makes the remembered hash of a Source useless elsewhere.
var seed = maphash.MakeSeed()

func (s *Source) saw(value string) (version uint64) {
	hash := maphash.String(seed, value)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version == 0 || hash != s.last {
		s.last = hash
		s.version++
	}
	return s.version
}

// Version is 0 before Get returned a value for the first time and grows
// whenever Get returns another value than the last time. A retrieval that
// failed with an earlier version may succeed now. Version does not grow if the
// function fails and then returns the same value as before.
func (s *Source) Version() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}
