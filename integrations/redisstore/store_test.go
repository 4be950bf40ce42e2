package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/redisstore"
	"github.com/providerauth/providerauth-go/integrations/storetest"
)

func newStore(t *testing.T, client rueidis.Client) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(client, redisstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// conform tries a store and further handles on the same server.
func conform(t *testing.T, s *redisstore.Store, others ...providerauth.Store) {
	t.Helper()
	if err := storetest.Test(t.Context(), s, storetest.Options{Others: others}); err != nil {
		t.Error(err)
	}
}

// want fails the test unless an operation returned a value.
func want(t *testing.T, what, value string, got []byte, err error) {
	t.Helper()
	if err != nil || string(got) != value || (got == nil) != (value == "") {
		t.Errorf("%s: got %q, %v; want %q", what, got, err, value)
	}
}

func TestStore_onOneServer(t *testing.T) {
	srv := newServer(t)
	with := func(change func(*rueidis.ClientOption)) *redisstore.Store {
		return newStore(t, newClient(t, srv.addr(), change))
	}
	conform(
		t, with(nil), with(nil),
		with(func(o *rueidis.ClientOption) { o.DisableCache, o.PipelineMultiplex = false, 0 }), // the defaults
		with(func(o *rueidis.ClientOption) { o.AlwaysRESP2 = true }),
		with(func(o *rueidis.ClientOption) { o.AlwaysPipelining = true }),
		with(func(o *rueidis.ClientOption) { o.DisableAutoPipelining = true }),
		with(func(o *rueidis.ClientOption) { o.ForceSingleClient = false }),
	)
}

func TestNew(t *testing.T) {
	t.Run("refuses no client", func(t *testing.T) {
		if _, err := redisstore.New(nil, redisstore.Config{}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("stores with other prefixes share neither keys nor messages", func(t *testing.T) {
		client := newClient(t, newServer(t).addr(), nil)
		one, err := redisstore.New(client, redisstore.Config{Prefix: "one:"})
		if err != nil {
			t.Fatal(err)
		}
		other := newStore(t, client)
		got, err := one.Swap(t.Context(), "key", nil, []byte("1"), time.Minute)
		want(t, "Swap", "1", got, err)
		got, err = other.Load(t.Context(), "key")
		want(t, "Load by the other", "", got, err)

		notes := listen(t, other)
		if err := one.Notify(t.Context(), []byte("for one")); err != nil {
			t.Fatal(err)
		}
		if err := other.Notify(t.Context(), []byte("for the other")); err != nil {
			t.Fatal(err)
		}
		if note := notes.next(); note != "for the other" {
			t.Errorf("got note %q", note)
		}
	})
}

func TestStore_keys(t *testing.T) {
	srv := newServer(t)
	s := newStore(t, newClient(t, srv.addr(), nil))
	if _, err := s.Swap(t.Context(), "key", nil, []byte("1"), time.Minute); err != nil {
		t.Fatal(err)
	}
	all := srv.do(t, "KEYS", "*")
	keys, err := all.AsStrSlice()
	if err != nil || strings.Join(keys, " ") != "providerauth:key" {
		t.Errorf("got keys %q, %v", keys, err)
	}
}

func TestStore_Swap(t *testing.T) {
	srv := newServer(t)
	s := newStore(t, newClient(t, srv.addr(), nil))
	swap := func(key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
		return s.Swap(t.Context(), key, prev, next, ttl)
	}
	t.Run("refuses an empty next", func(t *testing.T) {
		for _, next := range [][]byte{nil, {}} {
			if _, err := swap("empty", nil, next, time.Minute); err == nil {
				t.Error("no error")
			}
		}
	})
	t.Run("does nothing for a prev that is empty and not nil", func(t *testing.T) {
		got, err := swap("prev", []byte{}, []byte("1"), time.Minute)
		want(t, "Swap of an absent key", "", got, err)
		got, err = swap("prev", nil, []byte("1"), time.Minute)
		want(t, "Swap from nil", "1", got, err)
		got, err = swap("prev", []byte{}, []byte("2"), time.Minute)
		want(t, "Swap of a present key", "1", got, err)
	})
	t.Run("takes an empty value of somebody else as none", func(t *testing.T) {
		srv.do(t, "SET", "providerauth:foreign", "")
		got, err := s.Load(t.Context(), "foreign")
		want(t, "Load", "", got, err)
		got, err = swap("foreign", []byte("0"), []byte("1"), time.Minute)
		want(t, "Swap from a value", "", got, err)
		got, err = swap("foreign", nil, []byte("1"), time.Minute)
		want(t, "Swap from nil", "1", got, err)
	})
	t.Run("rounds a ttl up", func(t *testing.T) {
		for _, x := range []struct {
			ttl      time.Duration
			at, most int64 // milliseconds that are left at once
		}{{-time.Second, -2, 1}, {0, -2, 1}, {1, -2, 1}, {time.Hour + 1, 3_590_000, 3_600_001}, {time.Hour, 3_590_000, 3_600_000}} {
			key := "ttl " + x.ttl.String()
			got, err := swap(key, nil, []byte("1"), x.ttl)
			want(t, "Swap with a ttl of "+x.ttl.String(), "1", got, err)
			answer := srv.do(t, "PTTL", "providerauth:"+key)
			left, err := answer.ToInt64()
			if err != nil || left < x.at || left > x.most {
				t.Errorf("with a ttl of %v, %d ms are left, %v", x.ttl, left, err)
			}
		}
	})
	t.Run("is an error for a key of another kind", func(t *testing.T) {
		srv.do(t, "LPUSH", "providerauth:list", "x")
		_, swapErr := swap("list", nil, []byte("1"), time.Minute)
		_, loadErr := s.Load(t.Context(), "list")
		for _, err := range []error{swapErr, loadErr} {
			if err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestStore_errors(t *testing.T) {
	t.Run("show no value of a command that the server does not know", func(t *testing.T) {
		srv := newServer(t, "--rename-command", "EVAL", "", "--rename-command", "GETEX", "", "--rename-command", "PUBLISH", "")
		s := newStore(t, newClient(t, srv.addr(), nil))
		_, swapErr := s.Swap(t.Context(), "key", []byte("sentinel-prev"), []byte("sentinel-next"), time.Minute)
		_, loadErr := s.Load(t.Context(), "sentinel-key")
		notifyErr := s.Notify(t.Context(), []byte("sentinel-note"))
		for _, err := range []error{swapErr, loadErr, notifyErr} {
			if err == nil || !strings.Contains(err.Error(), "unknown command") || strings.Contains(err.Error(), "sentinel") {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("of a full server leave the value as it is", func(t *testing.T) {
		srv := newServer(t, "--maxmemory-policy", "noeviction")
		s := newStore(t, newClient(t, srv.addr(), nil))
		got, err := s.Swap(t.Context(), "key", nil, []byte("1"), time.Minute)
		want(t, "Swap", "1", got, err)
		srv.do(t, "CONFIG", "SET", "maxmemory", "1")
		if _, err := s.Swap(t.Context(), "key", []byte("1"), []byte("sentinel-next"), time.Minute); err == nil ||
			!strings.Contains(err.Error(), "OOM") || strings.Contains(err.Error(), "sentinel") {
			t.Errorf("got %v", err)
		}
		got, err = s.Load(t.Context(), "key")
		want(t, "Load", "1", got, err)
	})
	t.Run("come from Load too while a primary refuses writes", func(t *testing.T) {
		srv := newServer(t, "--min-replicas-to-write", "1")
		s := newStore(t, newClient(t, srv.addr(), nil))
		_, loadErr := s.Load(t.Context(), "key")
		_, swapErr := s.Swap(t.Context(), "key", nil, []byte("1"), time.Minute)
		for _, err := range []error{loadErr, swapErr} {
			if err == nil || !strings.Contains(err.Error(), "NOREPLICAS") {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("of a server that is away match the context's or the network's, and show no value", func(t *testing.T) {
		srv := newServer(t)
		s := newStore(t, newClient(t, srv.addr(), nil))
		srv.kill()
		_, loadErr := s.Load(within(t, 50*time.Millisecond), "key")
		_, swapErr := s.Swap(within(t, 50*time.Millisecond), "key", nil, []byte("sentinel-next"), time.Minute)
		notifyErr := s.Notify(within(t, 50*time.Millisecond), []byte("sentinel-note"))
		for _, err := range []error{loadErr, swapErr, notifyErr} {
			away := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ECONNREFUSED)
			if !away || strings.Contains(err.Error(), "sentinel") {
				t.Errorf("got %v", err)
			}
		}
		if err := s.Watch(t.Context(), func([]byte) {}); err == nil {
			t.Error("Watch returned nil")
		}
	})
}

func TestStore_result(t *testing.T) {
	t.Run("of Swap is not the slice of the caller", func(t *testing.T) {
		s := newStore(t, newClient(t, newServer(t).addr(), nil))
		next := []byte("1")
		got, err := s.Swap(t.Context(), "key", nil, next, time.Minute)
		next[0] = '2'
		want(t, "Swap", "1", got, err)
		if !bytes.Equal(next, []byte("2")) {
			t.Errorf("next is %q", next)
		}
	})
}
