package klas

import (
	"cmp"
	"context"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/fips"
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
		return &apierror.Error{Kind: providerauth.ErrSecretUnavailable, Err: err}
	}
	return nil
}

func ask(ctx context.Context, f providerauth.SecretsFunc) (list []string, err error) {
	defer func() {
		if recover() != nil {
			list, err = nil, unusable("the function that supplies them panicked", nil)
		}
	}()
	if list, err = f(ctx); err != nil {
		return nil, unusable("the function that supplies them failed", err)
	}
	return list, nil
}

func defect(list []string) error {
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

// unusable is the reason why there are no secrets, without what their function
// said itself.
func unusable(rule string, cause error) error {
	return &apierror.Opaque{Text: "Secrets: " + rule, Cause: cause}
}
