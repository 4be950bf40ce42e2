package redisstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/rueidis"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/redisstore"
	"github.com/providerauth/providerauth-go/integrations/storetest"
)

// A listener is a call of Watch that has subscribed.
type listener struct {
	t      *testing.T
	cancel context.CancelFunc
	notes  chan string
	result chan error
}

// listen calls Watch, and returns when a message arrives.
func listen(t *testing.T, s *redisstore.Store) *listener {
	t.Helper()
	const hello = "hello"
	ctx, cancel := context.WithCancel(t.Context())
	l := &listener{t, cancel, make(chan string, 100), make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.result <- s.Watch(ctx, func(note []byte) {
			if string(note) == hello {
				select {
				case l.notes <- hello:
				default:
				}
				return
			}
			l.notes <- string(note)
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	eventually(t, "a Watch that listens", func() bool {
		if err := s.Notify(t.Context(), []byte(hello)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-l.notes:
			return true
		case <-time.After(10 * time.Millisecond):
			return false
		}
	})
	return l
}

// next returns the next note that is not listen's.
func (l *listener) next() string {
	l.t.Helper()
	for {
		select {
		case note := <-l.notes:
			if note != "hello" {
				return note
			}
		case <-time.After(patience):
			l.t.Fatal("no note")
		}
	}
}

// end returns the error of Watch.
func (l *listener) end() error {
	l.t.Helper()
	select {
	case err := <-l.result:
		return err
	case <-time.After(patience):
		l.t.Fatal("Watch does not return")
		return nil
	}
}

func TestStore_Watch(t *testing.T) {
	t.Run("returns when the server ends", func(t *testing.T) {
		srv := newServer(t)
		l := listen(t, newStore(t, newClient(t, srv.addr(), nil)))
		srv.kill()
		if err := l.end(); err == nil {
			t.Error("no error")
		}
	})
	t.Run("returns when the connection is lost, and can be called again", func(t *testing.T) {
		p := newProxy(t, newServer(t).addr())
		s := newStore(t, newClient(t, p.addr(), nil))
		for range 3 {
			l := listen(t, s)
			p.breakAll()
			if err := l.end(); err == nil {
				t.Error("no error")
			}
		}
	})
	t.Run("keeps the contract, with connections that are lost", func(t *testing.T) {
		p := newProxy(t, newServer(t).addr())
		err := storetest.Test(t.Context(), newStore(t, newClient(t, p.addr(), nil)), storetest.Options{
			Others:     []providerauth.Store{newStore(t, newClient(t, p.addr(), nil))},
			Disconnect: p.breakAll,
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("returns when the server ends the connection", func(t *testing.T) {
		srv := newServer(t)
		l := listen(t, newStore(t, newClient(t, srv.addr(), nil)))
		srv.do(t, "CLIENT", "KILL", "TYPE", "pubsub")
		if err := l.end(); err == nil {
			t.Error("no error")
		}
	})
	t.Run("returns with its context while the server does not answer", func(t *testing.T) {
		p := newProxy(t, newServer(t).addr())
		s := newStore(t, newClient(t, p.addr(), nil))
		p.hold(nil)
		err := s.Watch(within(t, 50*time.Millisecond), func([]byte) {})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("returns when the connection is silent for longer than the client's time limit", func(t *testing.T) {
		p := newProxy(t, newServer(t).addr())
		l := listen(t, newStore(t, newClient(t, p.addr(), func(o *rueidis.ClientOption) {
			o.Dialer.KeepAlive = 50 * time.Millisecond
			o.ConnWriteTimeout = 200 * time.Millisecond
		})))
		p.hold(nil)
		if err := l.end(); err == nil {
			t.Error("no error")
		}
	})
	t.Run("leaves no connection behind", func(t *testing.T) {
		srv := newServer(t)
		s := newStore(t, newClient(t, srv.addr(), nil))
		for range 3 {
			l := listen(t, s)
			l.cancel()
			if err := l.end(); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		eventually(t, "no subscribed connection", func() bool {
			return !srv.subscribed()
		})
	})
}
