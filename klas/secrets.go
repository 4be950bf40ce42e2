package klas

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

// maxHanging bounds the calls of Config.Secrets running on after the end of
// their context. At the bound no further call is made.
const maxHanging = 8

// secrets asks Config.Secrets, one call at a time: webhooks arriving meanwhile
// share its result.
type secrets struct {
	f       providerauth.SecretsFunc
	static  bool // f returns at once
	timeout time.Duration
	hanging timebox.Abandoned // calls that ignore the end of their context

	mu      sync.Mutex
	current *secretsCall // nil: no call is under way
}

// A secretsCall is a call of the function.
type secretsCall struct {
	done chan struct{} // closed when list, err and late are set
	list []string
	err  error
	late bool // the context of the call had ended
}

func newSecrets(f providerauth.SecretsFunc, timeout time.Duration) *secrets {
	_, static := credential.StaticValues(f)
	return &secrets{f: f, static: static, timeout: timeout}
}

// get returns the secrets of this moment.
func (s *secrets) get(ctx context.Context) ([]string, error) {
	list, err := s.ask(ctx)
	if err == nil {
		err = unusableList(list)
	}
	if err != nil {
		return nil, &apierror.Error{Kind: providerauth.ErrSecretUnavailable, Err: err}
	}
	return list, nil
}

var errHangs = unusable("the function that supplies them does not return", nil)

// ask waits for the call of the function under way, or makes a call. A call
// begun earlier may end at its own, earlier deadline; ask then makes another
// call.
func (s *secrets) ask(ctx context.Context) ([]string, error) {
	if s.static {
		return s.f(ctx)
	}
	for {
		c := s.join()
		if c == nil {
			return nil, errHangs
		}
		select {
		case <-c.done:
			if c.err == nil {
				return c.list, nil
			}
			if !c.late || timebox.Over(ctx) {
				return nil, c.err
			}
		case <-ctx.Done():
			return nil, unusable("the function that supplies them did not return within Config.HandlerTimeout", context.DeadlineExceeded)
		}
	}
}

// join returns the call under way, or a new call; nil if too many hang.
func (s *secrets) join() *secretsCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil && s.hanging.Running() < maxHanging {
		s.current = &secretsCall{done: make(chan struct{})}
		go s.call(s.current)
	}
	return s.current
}

// call calls the function. The context has no values: the result is for
// webhooks of every origin.
func (s *secrets) call(c *secretsCall) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	list, err := timebox.Run(ctx, &s.hanging, s.f, nil)
	switch err.(type) {
	case nil:
	case *timebox.Panic:
		err = unusable(fmt.Sprintf("the function that supplies them %v", err), nil)
	default:
		if err == timebox.ErrLate || err == timebox.ErrNotBegun {
			err = context.DeadlineExceeded
		}
		err = unusable("the function that supplies them failed", err)
	}
	c.list, c.err, c.late = list, err, timebox.Over(ctx)
	s.mu.Lock()
	s.current = nil
	s.mu.Unlock()
	close(c.done)
}

func unusableList(list []string) error {
	if len(list) == 0 {
		return unusable("the list is empty", nil)
	}
	for _, s := range list {
		if rule := cmp.Or(text.Defect(s), fips.HMACKey(s)); rule != "" {
			return unusable("a member "+rule, nil)
		}
	}
	return nil
}

// unusable is the reason for missing secrets, without the text of the
// function's own error.
func unusable(rule string, cause error) error {
	return &apierror.Opaque{Text: "Secrets: " + rule, Cause: cause}
}
