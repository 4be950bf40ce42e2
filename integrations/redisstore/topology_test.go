package redisstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/rueidis"
)

// newCluster starts a cluster of three primaries.
func newCluster(t *testing.T) []*server {
	t.Helper()
	var nodes []*server
	for i := range 3 {
		n := newNode(t)
		nodes = append(nodes, n)
		n.do(t, "CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(i*slots/3), fmt.Sprint((i+1)*slots/3-1))
		if i > 0 {
			n.meet(t, nodes[0])
		}
	}
	for _, n := range nodes {
		eventually(t, "a cluster of three", func() bool {
			info := inline(n.addr(), "CLUSTER INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") && strings.Contains(info, "cluster_size:3")
		})
	}
	return nodes
}

const slots = 16384

// newNode starts a server for a cluster.
func newNode(t *testing.T) *server {
	t.Helper()
	bus := freePort(t)
	n := newServer(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
	n.bus = bus
	return n
}

func (s *server) meet(t *testing.T, other *server) {
	t.Helper()
	s.do(t, "CLUSTER", "MEET", "127.0.0.1", other.port, other.bus)
}

// newReplica starts a replica of a node, and returns when all nodes know it.
func newReplica(t *testing.T, nodes []*server, of *server) *server {
	t.Helper()
	r := newNode(t)
	r.meet(t, of)
	answer := of.do(t, "CLUSTER", "MYID")
	id, err := answer.ToString()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new node that knows its primary", func() bool {
		return strings.HasPrefix(inline(r.addr(), "CLUSTER REPLICATE "+id), "+OK")
	})
	eventually(t, "a replica with the data", func() bool {
		return strings.Contains(inline(r.addr(), "INFO replication"), "master_link_status:up")
	})
	for _, n := range nodes {
		eventually(t, "a node that knows the replica", func() bool {
			return strings.Contains(inline(n.addr(), "CLUSTER SLOTS"), ":"+r.port+"\r\n")
		})
	}
	return r
}

// keyOfFirst returns a key of the first node of a cluster.
func keyOfFirst(t *testing.T, first *server) string {
	t.Helper()
	for i := range 100 {
		key := fmt.Sprint("key ", i)
		answer := first.do(t, "CLUSTER", "KEYSLOT", "providerauth:"+key)
		if slot, err := answer.ToInt64(); err == nil && slot < slots/3 {
			return key
		}
	}
	t.Fatal("no key of the first node")
	return ""
}

// newClusterClient returns a client that knows all nodes.
func newClusterClient(t *testing.T, nodes []*server, change func(*rueidis.ClientOption)) rueidis.Client {
	t.Helper()
	return newClient(t, "", func(o *rueidis.ClientOption) {
		o.ForceSingleClient = false
		o.InitAddress = nil
		for _, n := range nodes {
			o.InitAddress = append(o.InitAddress, n.addr())
		}
		if change != nil {
			change(o)
		}
	})
}

// A guarded is a primary and a replica with a Sentinel.
type guarded struct {
	primary, replica *server
	sentinel         string // address
}

const primaryName = "tokens"

// newGuarded returns when the Sentinel can begin a failover.
func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{primary: newServer(t, "--repl-diskless-sync-delay", "0")}
	g.replica = newServer(t, "--replicaof", "127.0.0.1 "+g.primary.port)
	eventually(t, "a replica with the data", func() bool {
		return strings.Contains(inline(g.replica.addr(), "INFO replication"), "master_link_status:up")
	})
	port := freePort(t)
	g.sentinel = "127.0.0.1:" + port
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	lines := []string{
		"port " + port, "bind 127.0.0.1",
		"sentinel monitor " + primaryName + " 127.0.0.1 " + g.primary.port + " 1",
		"sentinel down-after-milliseconds " + primaryName + " 500",
		"sentinel failover-timeout " + primaryName + " 3000",
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "redis-sentinel", file)
	eventually(t, "a Sentinel that knows the replica", func() bool {
		known := inline(g.sentinel, "SENTINEL REPLICAS "+primaryName)
		return strings.Contains(known, g.replica.port) && strings.Contains(known, "$5\r\nslave\r\n") && strings.Contains(known, "master-link-status\r\n$2\r\nok")
	})
	return g
}

// client returns a client that asks the Sentinel for the primary.
func (g *guarded) client(t *testing.T, change func(*rueidis.ClientOption)) rueidis.Client {
	t.Helper()
	return newClient(t, g.sentinel, func(o *rueidis.ClientOption) {
		o.ForceSingleClient = false
		o.Sentinel.MasterSet = primaryName
		if change != nil {
			change(o)
		}
	})
}
