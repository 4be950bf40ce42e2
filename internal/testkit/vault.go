package testkit

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A Vault holds a secret that a test changes.
type Vault struct {
	mu     sync.Mutex
	secret string
	asked  int
}

// NewVault returns a Vault with this secret in it.
func NewVault(secret string) *Vault { return &Vault{secret: secret} }

// Store changes the secret.
func (v *Vault) Store(secret string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.secret = secret
}

// Change stores another secret in a bubble, and has a client look at it: call is
// to fail, upon which a client looks for a change at most once a second. Change
// returns when the client has looked.
func (v *Vault) Change(secret string, call func() error) {
	v.Store(secret)
	time.Sleep(time.Second)
	_ = call()
	synctest.Wait()
}

// Get is a providerauth.SecretFunc.
func (v *Vault) Get(context.Context) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	return v.secret, nil
}

// Asked is how often Get was called.
func (v *Vault) Asked() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked
}

// ChangedSecret runs in a bubble. It expects calls with a wrong secret to cost
// a single token request, and a token two seconds after the right secret is
// back. token gets a token where none is kept.
func ChangedSecret(t *testing.T, secret *Vault, token func() error, requests func() int) {
	t.Helper()
	right, _ := secret.Get(t.Context())
	before := requests()
	secret.Store("wrong")
	for range 3 {
		if token() == nil {
			t.Error("a token for a wrong secret")
		}
	}
	Equal(t, "requests with the wrong secret", requests()-before, 1)
	secret.Change(right, token)
	time.Sleep(time.Second)
	if err := token(); err != nil {
		t.Error(err)
	}
}
