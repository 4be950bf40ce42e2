package klas

import (
	"cmp"
	"context"
	"errors"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/fips"
	"github.com/providerauth/providerauth-go/internal/outcome"
	"github.com/providerauth/providerauth-go/internal/text"
)

// useSecrets makes the secrets of this moment those of x.
func (x *exchange) useSecrets(f providerauth.SecretsFunc) error {
	list, err := ask(x.ctx, f)
	if err == nil && !x.keys.Holds(list) {
		if err = defect(list); err == nil {
			x.keys.Use(list)
		}
	}
	if err != nil {
		return &outcome.Cause{Kind: providerauth.ErrSecretUnavailable, Err: err}
	}
	return nil
}

func ask(ctx context.Context, f providerauth.SecretsFunc) (list []string, err error) {
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
