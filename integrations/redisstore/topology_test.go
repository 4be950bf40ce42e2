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
	for range 3 {
		nodes = append(nodes, newServer(t, "--cluster-enabled", "yes", "--cluster-port", freePort(t), "--cluster-node-timeout", "2000"))
	}
	const slots = 16384
	for i, n := range nodes {
		n.do(t, "CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(i*slots/len(nodes)), fmt.Sprint((i+1)*slots/len(nodes)-1))
		bus := nodes[0].args[indexAfter(nodes[0].args, "--cluster-port")]
		if i > 0 {
			n.do(t, "CLUSTER", "MEET", "127.0.0.1", nodes[0].port, bus)
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

func indexAfter(args []string, name string) int {
	for i, a := range args {
		if a == name {
			return i + 1
		}
	}
	return -1
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
