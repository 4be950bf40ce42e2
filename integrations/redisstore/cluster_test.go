package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

func TestStore_onACluster(t *testing.T) {
	nodes := newCluster(t)
	client := func(change func(*rueidis.ClientOption)) rueidis.Client { return newClusterClient(t, nodes, change) }
	t.Run("keeps the contract by several clients", func(t *testing.T) {
		conform(t, newStore(t, client(nil)), newStore(t, client(nil)), newStore(t, client(nil)))
		for i, n := range nodes {
			answer := n.do(t, "DBSIZE")
			if size, err := answer.ToInt64(); err != nil || size == 0 {
				t.Errorf("server %d has %d keys, %v", i, size, err)
			}
		}
	})
	t.Run("needs the ACL of doc.go", func(t *testing.T) {
		var user func(*rueidis.ClientOption)
		for _, n := range nodes {
			user = withoutDefault(t, n, append(permissions[:len(permissions):len(permissions)], "+cluster|slots", "+cluster|shards")...)
		}
		conform(t, newStore(t, client(user)))
	})
	t.Run("reads from primaries only", func(t *testing.T) {
		replica := newReplica(t, nodes, nodes[0])
		readOnly := client(func(o *rueidis.ClientOption) {
			o.SendToReplicas = func(cmd rueidis.Completed) bool { return cmd.IsReadOnly() }
		})
		all := newStore(t, client(func(o *rueidis.ClientOption) {
			o.SendToReplicas = func(rueidis.Completed) bool { return true }
		}))
		conform(t, newStore(t, readOnly))
		if n := replica.reads(t, "get") + replica.reads(t, "getex") + replica.reads(t, "eval"); n != 0 {
			t.Errorf("the replica got %d reads", n)
		}
		s, key, before := newStore(t, readOnly), keyOfFirst(t, nodes[0]), []byte(nil)
		for i := range 20 {
			next := fmt.Appendf(nil, "value %d", i)
			got, err := s.Swap(t.Context(), key, before, next, time.Minute)
			want(t, "Swap", string(next), got, err)
			got, err = all.Load(t.Context(), key)
			want(t, "Load by a client that sends all to replicas", string(next), got, err)
			before = next
		}
	})
	t.Run("ends Watch when its server ends, and Watch finds another", func(t *testing.T) {
		s := newStore(t, client(nil))
		l := listen(t, s)
		for _, n := range nodes {
			if n.subscribed() {
				n.kill()
			}
		}
		if err := l.end(); err == nil {
			t.Error("Watch returned nil")
		}
		eventually(t, "a Watch by another server", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return errors.Is(s.Watch(ctx, func([]byte) {}), context.DeadlineExceeded)
		})
	})
}

func TestStore_behindASentinel(t *testing.T) {
	g := newGuarded(t)
	readOnly := func(cmd rueidis.Completed) bool { return cmd.IsReadOnly() }
	all := func(rueidis.Completed) bool { return true }
	s := newStore(t, g.client(t, nil))

	t.Run("keeps the contract by several clients", func(t *testing.T) {
		conform(t, s, newStore(t, g.client(t, nil)))
	})
	t.Run("keeps the contract by a client that reads from replicas", func(t *testing.T) {
		client := g.client(t, func(o *rueidis.ClientOption) { o.SendToReplicas = readOnly })
		if err := client.Do(t.Context(), client.B().Get().Key("some key").Build()).Error(); !rueidis.IsRedisNil(err) {
			t.Fatal(err)
		}
		if n := g.replica.reads(t, "get"); n != 1 {
			t.Errorf("the replica got %d of 1 reads of the operator", n)
		}
		conform(t, newStore(t, client))
		if n := g.replica.reads(t, "get") + g.replica.reads(t, "getex") + g.replica.reads(t, "eval"); n != 1 {
			t.Errorf("the replica got %d reads of the store", n-1)
		}
	})
	t.Run("returns an error, and no value, if the client sends all to replicas", func(t *testing.T) {
		misled := newStore(t, g.client(t, func(o *rueidis.ClientOption) { o.SendToReplicas = all }))
		got, err := s.Swap(t.Context(), "misled", nil, []byte("1"), time.Minute)
		want(t, "Swap by another client", "1", got, err)
		eventually(t, "the value on the replica", func() bool { return strings.Contains(inline(g.replica.addr(), "GET providerauth:misled"), "\r\n1\r\n") })
		_, loadErr := misled.Load(t.Context(), "misled")
		_, swapErr := misled.Swap(t.Context(), "misled", nil, []byte("2"), time.Minute)
		for _, err := range []error{loadErr, swapErr} {
			if err == nil || !strings.Contains(err.Error(), "READONLY") && !strings.Contains(err.Error(), "read only replica") {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("goes on after a failover", func(t *testing.T) {
		l := listen(t, s)
		got, err := s.Swap(t.Context(), "key", nil, []byte("1"), time.Hour)
		want(t, "Swap before it", "1", got, err)
		eventually(t, "the value on the replica", func() bool { return strings.Contains(inline(g.replica.addr(), "GET providerauth:key"), "\r\n1\r\n") })

		g.primary.kill()
		if err := l.end(); err == nil {
			t.Error("Watch returned nil")
		}
		var tries int
		eventually(t, "a Swap by the new primary", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			tries++
			got, err = s.Swap(ctx, "key", []byte("1"), []byte("2"), time.Hour)
			return err == nil
		})
		want(t, "Swap after it", "2", got, err)
		t.Logf("the Swap succeeded at try %d", tries)
		got, err = s.Load(within(t, patience), "key")
		want(t, "Load after it", "2", got, err)
		eventually(t, "a Watch by the new primary", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return errors.Is(s.Watch(ctx, func([]byte) {}), context.DeadlineExceeded)
		})
	})
}

// reads returns how many commands of a kind a server got, refused ones included.
func (s *server) reads(t *testing.T, command string) int {
	t.Helper()
	_, stat, _ := strings.Cut(inline(s.addr(), "INFO commandstats"), "cmdstat_"+command+":")
	stat, _, _ = strings.Cut(stat, "\r\n")
	total := 0
	for field := range strings.SplitSeq(stat, ",") {
		if name, value, _ := strings.Cut(field, "="); name == "calls" || name == "rejected_calls" {
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			total += n
		}
	}
	return total
}
