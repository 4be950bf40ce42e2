package providerauth

import (
	"context"
	"time"
)

// A Store is a set of registers that the processes of an operator share. Through
// it they share their tokens: with a Store in the Config of a client, a token that
// one process creates is used by all. The values are encrypted, so a Store never
// sees a token.
//
// Package redisstore implements it for Redis, and storetest.Test tries any other
// implementation. A Store is safe for concurrent use.
type Store interface {
	// Load returns the value of key as the last Swap of any process left it, nil
	// if there is none. It never reads from a replica or a cache.
	Load(ctx context.Context, key string) ([]byte, error)
	// Swap makes next the value of key for ttl if its value is prev, in a single
	// atomic step. A nil prev means that key has no value. It returns the value
	// that key has then: next, or the value that was there instead. A repeated
	// Swap that was applied before returns next.
	Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error)
}

// A Notifier is a Store that can also pass messages between processes. Clients use
// it to tell each other of a token that was replaced before its time. A message may be
// lost, repeated or late.
type Notifier interface {
	// Notify sends note to all that watch.
	Notify(ctx context.Context, note []byte) error
	// Watch calls f with each message, until ctx ends or the connection is lost.
	// It calls f by one goroutine at a time.
	Watch(ctx context.Context, f func(note []byte)) error
}
