package credential

import (
	"context"
	"hash/maphash"
	"reflect"
	"sync"
	"sync/atomic"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/text"
)

// staticCode is the code that all functions of StaticSecret share. The compiler
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

// A Source asks a [providerauth.SecretFunc], refuses what is not usable, and notices changes. It
// remembers no value. Safe for concurrent use.
type Source struct {
	field string
	f     providerauth.SecretFunc
	hmac  bool // the values are keys of HMAC

	mu    sync.Mutex
	last  uint64 // keyed hash of the last value; meaningless while epoch is 0
	epoch uint64
}

// NewSource returns a Source over f, named after the field of the
// configuration that holds it. With a nil f, Get always fails.
func NewSource(field string, f providerauth.SecretFunc) *Source {
	return &Source{field: field, f: f}
}

// NewHMACKey returns a [NewSource] whose values are keys of HMAC. Get refuses
// those that FIPS 140-only mode refuses.
func NewHMACKey(field string, f providerauth.SecretFunc) *Source {
	return &Source{field: field, f: f, hmac: true}
}

// Get calls the function once. If that fails, panics or returns a value that
// is not usable, the error is an [*apierror.Error] that matches
// [providerauth.ErrSecretUnavailable]; it names the field and the rule. errors.Is
// and errors.As see the function's own error through it, but its text does
// not: what a vault says may quote what it was asked for. A context that has
// ended before, or that its owner cancels meanwhile, says nothing of the secret,
// and its error is returned as it is.
func (s *Source) Get(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	value, err := s.call(ctx)
	if err != nil && ctx.Err() == context.Canceled {
		return "", context.Canceled
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
		return "", &apierror.Error{Kind: providerauth.ErrSecretUnavailable, Err: named}
	}
	epoch := s.saw(value)
	if n, ok := ctx.Value(noteKey{}).(note); ok && n.of == s {
		n.epoch.Store(epoch)
	}
	return value, nil
}

type noteKey struct{}

type note struct {
	of    *Source
	epoch *atomic.Uint64
}

// Noting returns a context under which Get writes down, in epoch, what Epoch
// was with the value that it returns.
func (s *Source) Noting(ctx context.Context, epoch *atomic.Uint64) context.Context {
	return context.WithValue(ctx, noteKey{}, note{s, epoch})
}

// broken is the failure of a function for the reason given, without what it said
// itself.
func broken(rule string, cause error) *apierror.Opaque {
	return &apierror.Opaque{Text: rule, Cause: cause}
}

func (s *Source) call(ctx context.Context) (value string, err error) {
	if s.f == nil {
		return "", broken("is not set", nil)
	}
	if ctx.Done() == nil {
		return s.guarded(ctx)
	}
	type result struct {
		value string
		err   error
	}
	// A function that hangs must not hold up what has a deadline. It keeps its
	// goroutine until it returns.
	done := make(chan result, 1)
	go func() {
		r := result{err: broken("the function that supplies it ended its goroutine", nil)}
		defer func() { done <- r }()
		r.value, r.err = s.guarded(ctx)
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return "", broken("the function that supplies it did not return in time", ctx.Err())
	}
}

func (s *Source) guarded(ctx context.Context) (value string, err error) {
	defer func() {
		if recover() != nil {
			value, err = "", broken("the function that supplies it panicked", nil)
		}
	}()
	return s.f(ctx)
}

// seed keeps the hash that a Source remembers from being of any use elsewhere.
var seed = maphash.MakeSeed()

func (s *Source) saw(value string) (epoch uint64) {
	hash := maphash.String(seed, value)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch == 0 || hash != s.last {
		s.last = hash
		s.epoch++
	}
	return s.epoch
}

// Epoch is 0 before Get returned a value for the first time and grows
// whenever Get returns another value than the last time. So if it differs from
// what it was when a retrieval failed, the secret has changed since. It does
// not grow when a function that failed returns the same value as before.
func (s *Source) Epoch() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}
