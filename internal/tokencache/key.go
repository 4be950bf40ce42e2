package tokencache

import (
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
)

// A Key is a key of a Cache, for callers that make requests with its tokens.
type Key[K, S comparable, T any] struct {
	cache *Cache[K, S, T]
	key   K
}

// Of returns a key.
func (c *Cache[K, S, T]) Of(key K) Key[K, S, T] { return Key[K, S, T]{c, key} }

// Current is [Cache.Current] of the key.
func (k Key[K, S, T]) Current(id credential.ID) bool { return k.cache.Current(k.key, id) }

// Reject is [Cache.Reject] of the key.
func (k Key[K, S, T]) Reject(id credential.ID) (first bool) { return k.cache.Reject(k.key, id) }

// Accept is [Cache.Accept] of the key.
func (k Key[K, S, T]) Accept(s *credential.Secret) { k.cache.Accept(k.key, s) }

// Contested is [Cache.Contested] of the key.
func (k Key[K, S, T]) Contested() (wait time.Duration, why error) { return k.cache.Contested(k.key) }

// Probe is [Cache.Probe].
func (k Key[K, S, T]) Probe() (version uint64) { return k.cache.Probe() }
