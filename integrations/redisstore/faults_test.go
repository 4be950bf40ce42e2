package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/providerauth/providerauth-go/integrations/storetest"
)

func TestStore_restart(t *testing.T) {
	t.Run("without the data ends Watch, and Swap begins anew", func(t *testing.T) {
		srv := newServer(t)
		s := newStore(t, newClient(t, srv.addr(), nil))
		got, err := s.Swap(t.Context(), "key", nil, []byte("1"), time.Hour)
		want(t, "Swap before it", "1", got, err)
		l := listen(t, s)
		srv.kill()
		if !srv.start(t) {
			t.Fatal("the server does not start again")
		}
		if err := l.end(); err == nil {
			t.Error("Watch returned nil")
		}
		got, err = s.Swap(within(t, patience), "key", []byte("1"), []byte("2"), time.Hour)
		want(t, "Swap from the lost value", "", got, err)
		got, err = s.Swap(within(t, patience), "key", nil, []byte("2"), time.Hour)
		want(t, "Swap from nil", "2", got, err)
		got, err = s.Load(within(t, patience), "key")
		want(t, "Load", "2", got, err)
		listen(t, s)
	})
}

func TestStore_frozenServer(t *testing.T) {
	srv := newServer(t)
	s := newStore(t, newClient(t, srv.addr(), nil))
	got, err := s.Swap(t.Context(), "key", nil, []byte("1"), time.Hour)
	want(t, "Swap before it", "1", got, err)

	srv.stop()
	_, loadErr := s.Load(within(t, 50*time.Millisecond), "key")
	_, swapErr := s.Swap(within(t, 50*time.Millisecond), "key", []byte("1"), []byte("2"), time.Hour)
	notifyErr := s.Notify(within(t, 50*time.Millisecond), []byte("note"))
	for what, err := range map[string]error{"Load": loadErr, "Swap": swapErr, "Notify": notifyErr} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s while the server is frozen: got %v", what, err)
		}
	}
	srv.resume()

	// The server may have got the Swap before or may get it now.
	got, err = s.Swap(within(t, patience), "key", []byte("1"), []byte("2"), time.Hour)
	want(t, "the same Swap after it", "2", got, err)
	got, err = s.Load(within(t, patience), "key")
	want(t, "Load after it", "2", got, err)
	listen(t, s)
}

func TestStore_slowConnection(t *testing.T) {
	srv := newServer(t)
	p := newProxy(t, srv.addr())
	p.trickle(7, time.Millisecond)
	conform(t, newStore(t, newClient(t, p.addr(), nil)), newStore(t, newClient(t, srv.addr(), nil)))
}

// quiet makes a client send no PING of its own, so that a proxy sees the
// operations of the test only.
func quiet(o *rueidis.ClientOption) { o.Dialer.KeepAlive = time.Hour }

// cutSwaps makes n Swaps, the answer of each of which is cut.
func cutSwaps(t *testing.T, change func(*rueidis.ClientOption), swap func(s storeOf, prev, next []byte)) {
	t.Helper()
	p := newProxy(t, newServer(t).addr())
	s := newStore(t, newClient(t, p.addr(), change))
	if _, err := s.Load(t.Context(), "key"); err != nil { // connects
		t.Fatal(err)
	}
	var prev []byte
	const n = 20
	for i := range n {
		next := fmt.Appendf(nil, "value %d", i)
		p.cutNext(1)
		swap(s, prev, next)
		got, err := s.Load(t.Context(), "key")
		want(t, "Load", string(next), got, err)
		prev = next
	}
	if cuts := p.cutAnswers(); cuts != n {
		t.Errorf("%d answers were cut, want %d", cuts, n)
	}
}

type storeOf interface {
	Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error)
}

func TestStore_cutAnswer(t *testing.T) {
	t.Run("of a Swap is asked for again", func(t *testing.T) {
		cutSwaps(t, quiet, func(s storeOf, prev, next []byte) {
			got, err := s.Swap(within(t, patience), "key", prev, next, time.Hour)
			want(t, "Swap", string(next), got, err)
		})
	})
	t.Run("of a Swap is an error without retries, and the same Swap returns next", func(t *testing.T) {
		noRetry := func(o *rueidis.ClientOption) {
			quiet(o)
			o.DisableRetry = true
		}
		cutSwaps(t, noRetry, func(s storeOf, prev, next []byte) {
			if got, err := s.Swap(within(t, patience), "key", prev, next, time.Hour); err == nil {
				t.Errorf("Swap with a cut answer: got %q", got)
			}
			got, err := s.Swap(within(t, patience), "key", prev, next, time.Hour)
			want(t, "the same Swap", string(next), got, err)
		})
	})
	t.Run("of an operation does not harm the contract", func(t *testing.T) {
		p := newProxy(t, newServer(t).addr())
		s := newStore(t, newClient(t, p.addr(), nil))
		p.cutNext(10) // the first answers
		plain := struct{ storeLike }{s}
		if err := storetest.Test(t.Context(), plain, storetest.Options{}); err != nil {
			t.Error(err)
		}
		if n := p.cutAnswers(); n != 10 {
			t.Errorf("%d answers were cut", n)
		}
	})
}

// storeLike hides Notify and Watch.
type storeLike interface {
	Load(ctx context.Context, key string) ([]byte, error)
	storeOf
}

func TestStore_Swap_afterItsContext(t *testing.T) {
	t.Run("does not see that the caller changes next", func(t *testing.T) {
		p := newProxy(t, newServer(t).addr())
		s := newStore(t, newClient(t, p.addr(), func(o *rueidis.ClientOption) {
			quiet(o)
			o.AlwaysPipelining = true
		}))
		next := bytes.Repeat([]byte("next"), 8<<20) // too long for the buffers of the connection
		sent := bytes.Clone(next)
		ctx, cancel := context.WithCancel(t.Context())
		p.hold(cancel)
		if _, err := s.Swap(ctx, "key", nil, next, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		clear(next)
		p.resume()
		got, err := s.Load(within(t, patience), "key")
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("the value has %d bytes and is not what was sent, %v", len(got), err)
		}
	})
}

// permissions is what doc.go says that a user needs, without a name and a
// password.
var permissions = strings.Fields("resetkeys ~providerauth:* resetchannels &providerauth:notices -@all +get +getex +set +eval +publish +subscribe")

// withoutDefault lets only the user with these permissions in.
func withoutDefault(t *testing.T, srv *server, permissions ...string) func(*rueidis.ClientOption) {
	t.Helper()
	user := append([]string{"ACL", "SETUSER", "providerauth", "reset", "on", ">password"}, permissions...)
	srv.do(t, user...)
	return func(o *rueidis.ClientOption) { o.Username, o.Password = "providerauth", "password" }
}

func TestStore_ACL(t *testing.T) {
	t.Run("is in doc.go", func(t *testing.T) {
		doc, err := os.ReadFile("doc.go")
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("//", " ", "\\\n", " ").Replace(string(doc))
		if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(permissions, " ")) {
			t.Errorf("doc.go does not name %s", strings.Join(permissions, " "))
		}
	})
	t.Run("of doc.go suffices", func(t *testing.T) {
		srv := newServer(t)
		user := withoutDefault(t, srv, permissions...)
		conform(t, newStore(t, newClient(t, srv.addr(), user)), newStore(t, newClient(t, srv.addr(), nil)))
	})
	t.Run("of doc.go suffices without ForceSingleClient", func(t *testing.T) {
		srv := newServer(t)
		user := withoutDefault(t, srv, permissions...)
		s := newStore(t, newClient(t, srv.addr(), func(o *rueidis.ClientOption) {
			user(o)
			o.ForceSingleClient = false
		}))
		got, err := s.Swap(t.Context(), "key", nil, []byte("1"), time.Minute)
		want(t, "Swap", "1", got, err)
	})
	t.Run("of doc.go has nothing that is not needed", func(t *testing.T) {
		srv := newServer(t)
		for lacking, operation := range map[string]string{"+getex": "Load", "+get": "Swap", "+set": "Swap", "+eval": "Swap", "+publish": "Notify", "+subscribe": "Watch"} {
			var fewer []string
			for _, p := range permissions {
				if p != lacking {
					fewer = append(fewer, p)
				}
			}
			if len(fewer) != len(permissions)-1 {
				t.Fatalf("%s is not among the permissions", lacking)
			}
			s := newStore(t, newClient(t, srv.addr(), withoutDefault(t, srv, fewer...)))
			_, loadErr := s.Load(t.Context(), "key")
			_, swapErr := s.Swap(t.Context(), lacking, nil, []byte("1"), time.Minute)
			notifyErr := s.Notify(t.Context(), []byte("note"))
			var watchErr error
			if operation == "Watch" {
				watchErr = s.Watch(t.Context(), func([]byte) {})
			}
			err := map[string]error{"Load": loadErr, "Swap": swapErr, "Notify": notifyErr, "Watch": watchErr}[operation]
			if err == nil || !strings.Contains(err.Error(), "NOPERM") && !strings.Contains(err.Error(), "user executing the script can't run this command") {
				t.Errorf("%s without %s: got %v", operation, lacking, err)
			}
		}
	})
	t.Run("of doc.go does not open other keys or channels", func(t *testing.T) {
		srv := newServer(t)
		client := newClient(t, srv.addr(), withoutDefault(t, srv, permissions...))
		for _, command := range [][]string{{"GETEX", "other:key"}, {"SET", "other:key", "1"}, {"PUBLISH", "other:notices", "1"}, {"KEYS", "*"}} {
			if err := client.Do(t.Context(), client.B().Arbitrary(command...).Build()).Error(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
				t.Errorf("%s: got %v", command[0], err)
			}
		}
	})
}
