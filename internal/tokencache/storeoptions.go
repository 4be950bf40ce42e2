package tokencache

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
)

// StoreOptions are the fields of the providers' Configs for a store.
type StoreOptions struct {
	Store   providerauth.Store
	Keys    providerauth.SecretsFunc
	Timeout time.Duration
}

const (
	defaultStoreTimeout = time.Second
	minStoreKey         = 32
)

// Check reports invalid options.
func (o StoreOptions) Check(p *check.Problems) {
	p.Duration("StoreTimeout", o.Timeout)
	if o.Store == nil {
		const rule = "must not be set without Store"
		if o.Keys != nil {
			p.Add("StoreKeys", rule)
		}
		if o.Timeout > 0 {
			p.Add("StoreTimeout", rule)
		}
		return
	}
	if o.Keys == nil {
		p.Add("StoreKeys", "required with Store")
	}
	keys, _ := credential.StaticValues(o.Keys)
	for _, key := range keys {
		if rule := storeKeyRule(key); rule != "" {
			p.Add("StoreKeys", "each "+rule)
		}
	}
}

// Forbid reports the options where nothing can be shared, for the given reason.
func (o StoreOptions) Forbid(p *check.Problems, reason string) {
	if o.Store != nil {
		p.Add("Store", "must not be set "+reason)
	}
}

func storeKeyRule(key string) string {
	if len(key) < minStoreKey {
		return "must have at least 32 characters"
	}
	return ""
}

// Attrs shows the options in a log.
func (o StoreOptions) Attrs() []slog.Attr {
	store, keys := "not set", "not set"
	if o.Store != nil {
		store = "set"
	}
	if o.Keys != nil {
		keys = "set"
	}
	return []slog.Attr{
		slog.String("store", store),
		slog.String("store_keys", keys),
		slog.Duration("store_timeout", o.Timeout),
	}
}

// Share returns the Sharing of a Config; nil: there is no store.
func Share[K, S comparable, T any](o StoreOptions, codec Codec[K, S, T]) *Sharing[K, S, T] {
	if o.Store == nil {
		return nil
	}
	timeout := cmp.Or(o.Timeout, defaultStoreTimeout)
	secrets := credential.NewList(credential.ListConfig{
		Field: "StoreKeys", Func: o.Keys, Timeout: timeout, Limit: "StoreTimeout", Rule: storeKeyRule,
	})
	return &Sharing[K, S, T]{Store: o.Store, Secrets: secrets, Timeout: timeout, Codec: codec}
}

// RegisterName returns the name of a register: 24 characters of base64url, from a hash
// of the parts. No part can name another's register.
func RegisterName(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}
