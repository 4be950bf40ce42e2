package credential

import (
	"context"
	"errors"
	"hash/maphash"
	"reflect"
	"sync"
	"sync/atomic"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/outcome"
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
// is not usable, the error is an [*outcome.Cause] that matches
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
			err = &failure{rule: rule}
		}
	}
	if err != nil {
		f, ok := err.(*failure)
		if !ok {
			f = &failure{rule: "the function that supplies it failed", err: err}
		}
		f.field = s.field
		return "", &outcome.Cause{Kind: providerauth.ErrSecretUnavailable, Err: f}
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

func (s *Source) call(ctx context.Context) (value string, err error) {
	if s.f == nil {
		return "", &failure{rule: "is not set"}
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
		r := result{err: &failure{rule: "the function that supplies it ended its goroutine"}}
		defer func() { done <- r }()
		r.value, r.err = s.guarded(ctx)
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return "", &failure{rule: "the function that supplies it did not return in time", err: ctx.Err()}
	}
}

func (s *Source) guarded(ctx context.Context) (value string, err error) {
	defer func() {
		if recover() != nil {
			value, err = "", &failure{rule: "the function that supplies it panicked"}
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

// failure is always used by pointer, or %d would print the error underneath.
// It has no Unwrap: reporters that print every error of a chain would print
// that one too.
type failure struct {
	field, rule string
	err         error
}

func (f *failure) Error() string { return f.field + ": " + f.rule }

// Is leaves out the ambiguity of the error underneath: a secret may be fetched
// by a call of this SDK, but it is not this call's provider that it went to.
func (f *failure) Is(target error) bool {
	return target != providerauth.ErrAmbiguous && errors.Is(f.err, target)
}

func (f *failure) As(target any) bool { return errors.As(f.err, target) }
