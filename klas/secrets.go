package klas

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/outcome"
	"github.com/providerauth/providerauth-go/internal/text"
)

// SecretsFunc returns the secrets that Klas may sign with (its SecretID), all
// of which verify. The answer is signed with the one that verified the request:
// until Klas has switched to a new secret, it checks answers with the old one.
// Answers to requests that verified under none are signed with the first.
//
// It is called once for every webhook, forged ones included, so it should not
// go to a vault each time. It must be safe for concurrent use, and should be
// quick or honour ctx, which ends with Config.HandlerTimeout. The list is not
// changed. If it fails, or the list or a member of it is empty or begins or
// ends with white space, the webhook is refused. So it is in FIPS 140-only mode
// if a member is shorter than 14 bytes.
type SecretsFunc = func(ctx context.Context) ([]string, error)

// StaticSecrets returns a SecretsFunc that always returns the current secret
// and those before it that are still good. It returns nil if one of them is
// empty or white space, or shorter than 14 bytes in FIPS 140-only mode, so that
// [New] reports it.
func StaticSecrets(current string, previous ...string) SecretsFunc {
	list := append([]string{current}, previous...)
	for _, s := range list {
		if strings.TrimSpace(s) == "" || fips.HMACKey(s) != "" {
			return nil
		}
	}
	list = slices.Clip(list)
	return func(context.Context) ([]string, error) { return list, nil }
}

// useSecrets makes the secrets of this moment those of x.
func (x *exchange) useSecrets(f SecretsFunc) error {
	list, err := ask(x.ctx, f)
	if err == nil && !x.keys.Holds(list) {
		if err = defect(list); err == nil {
			x.keys.Use(list)
		}
	}
	if err != nil {
		return &outcome.Cause{Kind: ErrSecretUnavailable, Err: err}
	}
	return nil
}

func ask(ctx context.Context, f SecretsFunc) (list []string, err error) {
	defer func() {
		if recover() != nil {
			list, err = nil, &secretsError{rule: "the function that supplies them panicked"}
		}
	}()
	if list, err = f(ctx); err != nil {
		return nil, &secretsError{rule: "the function that supplies them failed", err: err}
	}
	return list, nil
}

func defect(list []string) error {
	if len(list) == 0 {
		return &secretsError{rule: "the list is empty"}
	}
	for _, s := range list {
		if rule := cmp.Or(text.Defect(s), fips.HMACKey(s)); rule != "" {
			return &secretsError{rule: "a member " + rule}
		}
	}
	return nil
}

// secretsError keeps the text of the error underneath to itself: what a vault
// says may quote what it was asked for. It has no Unwrap, or reporters that
// print every error of a chain would print that one too.
type secretsError struct {
	rule string
	err  error
}

func (e *secretsError) Error() string        { return "Secrets: " + e.rule }
func (e *secretsError) Is(target error) bool { return errors.Is(e.err, target) }
func (e *secretsError) As(target any) bool   { return errors.As(e.err, target) }
