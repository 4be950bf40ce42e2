package redisstore

import (
	"context"
	"errors"

	"github.com/redis/rueidis"
)

// errLost is the error of a connection that was closed without an error.
var errLost = errors.New("the connection was closed")

// channel is the channel of the messages.
func (s *Store) channel() string { return s.prefix + "notices" }

// Notify implements [providerauth.Notifier] by PUBLISH.
func (s *Store) Notify(ctx context.Context, note []byte) error {
	publish := s.client.B().Publish().Channel(s.channel()).Message(string(note)).Build().ToRetryable()
	if err := s.client.Do(ctx, publish).Error(); err != nil {
		return fail(ctx, "Notify", err)
	}
	return nil
}

// Watch implements [providerauth.Notifier] by SUBSCRIBE, on a connection of its
// own. It returns when this connection is lost, and does not connect again: the
// caller has to know that messages may be missing. If f takes longer than the
// client's ConnWriteTimeout, the connection counts as lost. When ctx ends while
// the server is silent, Watch may take another second to return.
func (s *Store) Watch(ctx context.Context, f func(note []byte)) error {
	connection, err := s.connect(ctx)
	if err != nil {
		return fail(ctx, "Watch", err)
	}
	// Close ends the connection. The other way to give it back sends UNSUBSCRIBE,
	// and waits for a server that may be silent.
	defer connection.Close()
	ended := make(chan struct{})
	defer close(ended)

	// The connection's reader hands each note to this goroutine, so f is not
	// called after Watch has returned. SetPubSubHooks tells of a lost connection.
	// Client.Receive would connect again by itself.
	notes := make(chan string)
	lost := connection.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) {
		select {
		case notes <- m.Message:
		case <-ended:
		}
	}})
	subscribe := connection.B().Subscribe().Channel(s.channel()).Build()
	if err := connection.Do(ctx, subscribe).Error(); err != nil {
		return fail(ctx, "Watch", err)
	}
	for {
		select {
		case <-ctx.Done():
			return fail(ctx, "Watch", ctx.Err())
		case err := <-lost:
			if err == nil {
				err = errLost
			}
			return fail(ctx, "Watch", err)
		case note := <-notes:
			if ctx.Err() == nil {
				f([]byte(note))
			}
		}
	}
}

// connect returns a connection of the client that nobody else uses. Dedicate has
// no context, and may wait for a server that does not answer.
func (s *Store) connect(ctx context.Context) (rueidis.DedicatedClient, error) {
	connected := make(chan rueidis.DedicatedClient)
	go func() {
		connection, _ := s.client.Dedicate()
		select {
		case connected <- connection:
		case <-ctx.Done():
			connection.Close()
		}
	}()
	select {
	case connection := <-connected:
		return connection, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
