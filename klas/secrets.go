package klas

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

// secrets asks Config.Secrets, one call at a time: a function that hangs holds
// one goroutine, however many webhooks come.
type secrets struct {
	f       providerauth.SecretsFunc
	static  bool // f returns at once
	timeout time.Duration
	calls   singleflight.Group
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

// A secretsResult is the result of one call of the function.
type secretsResult struct {
	list []string
	err  error
	late bool // the context of the call had ended
}

// ask waits for a call of the function that is under way, or calls it. A call
// that began earlier may end for its own deadline; then it is made again.
func (s *secrets) ask(ctx context.Context) ([]string, error) {
	if s.static {
		return s.f(ctx)
	}
	for {
		select {
		case shared := <-s.calls.DoChan("", func() (any, error) { return s.call(ctx), nil }):
			r := shared.Val.(secretsResult)
			if r.err == nil {
				return r.list, nil
			}
			if !r.late || ctx.Err() != nil {
				return nil, r.err
			}
		case <-ctx.Done():
			return nil, unusable("the function that supplies them did not return within Config.HandlerTimeout", context.DeadlineExceeded)
		}
	}
}

// call calls the function, and returns when the function does.
func (s *secrets) call(parent context.Context) secretsResult {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), s.timeout)
	defer cancel()
	var waitedFor timebox.Abandoned
	list, err := timebox.Run(context.WithoutCancel(ctx), &waitedFor, func(context.Context) ([]string, error) { return s.f(ctx) })
	switch err.(type) {
	case nil:
	case *timebox.Panic:
		err = unusable(fmt.Sprintf("the function that supplies them %v", err), nil)
	default:
		err = unusable("the function that supplies them failed", err)
	}
	return secretsResult{list, err, ctx.Err() != nil}
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

// unusable is the reason why there are no secrets, without the text of their
// function's own error.
func unusable(rule string, cause error) error {
	return &apierror.Opaque{Text: "Secrets: " + rule, Cause: cause}
}
