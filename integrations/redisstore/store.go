package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	providerauth "github.com/providerauth/providerauth-go"
)

// DefaultPrefix is the default of [Config.Prefix].
const DefaultPrefix = "providerauth:"

// Config of a [Store].
type Config struct {
	// Prefix begins the keys and the channel of the store. Processes share their
	// tokens if they have the same prefix and server. Default "providerauth:".
	Prefix string
}

// A Store is a [providerauth.Store] and [providerauth.Notifier] in Redis. It is
// safe for concurrent use.
type Store struct {
	client rueidis.Client
	prefix string
}

var (
	_ providerauth.Store    = (*Store)(nil)
	_ providerauth.Notifier = (*Store)(nil)
)

// New returns a Store that uses client, which stays the caller's: nothing is sent
// before the first operation, and the Store has nothing to close.
func New(client rueidis.Client, cfg Config) (*Store, error) {
	if client == nil {
		return nil, errors.New("redisstore: New: client is nil")
	}
	if cfg.Prefix == "" {
		cfg.Prefix = DefaultPrefix
	}
	return &Store{client: client, prefix: cfg.Prefix}, nil
}

// compareAndSwap may be repeated: a second run with the same arguments answers
// as the first. An empty argument means that the key has no value. The script is
// sent with each Swap: EVALSHA would need a second round trip after a failover,
// and SHA-1 here, which FIPS 140-only mode refuses.
//
// A replica refuses SET and GETEX, so each way through the script ends at the
// primary. GETEX is not the first command, because after a write in a script
// Redis lets SET exceed maxmemory.
var compareAndSwap = rueidis.NewLuaScriptNoShaRetryable(`local now = redis.call('GET', KEYS[1]) or ''
if now == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
redis.call('GETEX', KEYS[1])
if now == ARGV[2] then return 1 end
if now == '' then return false end
return now`)

// Load implements [providerauth.Store]. It reads from the primary, never from a
// cache.
func (s *Store) Load(ctx context.Context, key string) ([]byte, error) {
	get := s.client.B().Getex().Key(s.prefix + key).Build().ToRetryable()
	value, err := s.client.Do(ctx, get).ToString()
	if err != nil && !rueidis.IsRedisNil(err) {
		return nil, fail(ctx, "Load", err)
	}
	return present(value), nil
}

// Swap implements [providerauth.Store]. A ttl is rounded up to whole
// milliseconds, and is at least 1 ms. An empty next is an error.
func (s *Store) Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
	if len(next) == 0 {
		return nil, errors.New("redisstore: Swap: next is empty")
	}
	if prev != nil && len(prev) == 0 {
		return s.Load(ctx, key) // no value is empty, so prev is not the value
	}
	// The arguments are copies: the client may still send them after ctx ended.
	answer, err := compareAndSwap.Exec(ctx, s.client, []string{s.prefix + key}, []string{
		string(prev), string(next), milliseconds(ttl),
	}).ToMessage()
	switch {
	case rueidis.IsRedisNil(err):
		return nil, nil
	case err != nil:
		return nil, fail(ctx, "Swap", err)
	case answer.IsInt64():
		return append([]byte(nil), next...), nil
	}
	value, err := answer.ToString()
	if err != nil {
		return nil, fail(ctx, "Swap", err)
	}
	return present(value), nil
}

// present returns a copy of a value, nil for an empty value.
func present(value string) []byte {
	if value == "" {
		return nil
	}
	return []byte(value)
}
