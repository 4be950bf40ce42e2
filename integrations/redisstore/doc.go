// Package redisstore is a [providerauth.Store] in Redis 6.2 or later, or in
// Valkey. Through it the processes of an operator share their tokens.
//
// The operator makes the client, so TLS, credentials, Sentinel and Cluster are
// options of rueidis:
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{
//		InitAddress:       []string{"redis.internal:6379"},
//		DisableCache:      true, // nothing is read from a cache
//		PipelineMultiplex: -1,   // one connection a process, not up to four
//	})
//	...
//	store, err := redisstore.New(client, redisstore.Config{})
//
// Each process has one connection for operations, and another for Watch. Beside
// these options, set Sentinel.TopologyRefreshInterval with Sentinel: without it,
// a client that misses a message of the Sentinels stays with the old primary.
//
// # Server
//
// Each token is one key, which has a ttl. Keys need not be in one slot of a
// cluster. Set maxmemory-policy to noeviction, or use a database of its own: an
// evicted key costs the creation of a token. Persistence is not needed. After a
// restart without data, tokens are created anew as they are asked for.
//
// A user of Redis needs this ACL, with the prefix of [Config]:
//
//	ACL SETUSER providerauth on >password resetkeys ~providerauth:* \
//		resetchannels &providerauth:notices -@all +get +getex +set +eval +publish +subscribe
//
// On a cluster the client of rueidis needs +cluster|slots and +cluster|shards
// too. Without DisableCache it needs +client|tracking.
//
// # Replicas
//
// [Store.Load] reads by GETEX, which changes nothing and which Redis counts as a
// write. So neither a client with SendToReplicas nor a demoted primary reads from
// a replica: a cluster sends the client to the primary, and any other replica
// answers READONLY, which is an error. While a primary refuses writes (MISCONF,
// NOREPLICAS), Load fails too.
//
// # Lost connections
//
// [Store.Watch] returns when its connection is lost. A connection whose other
// end is silent counts as lost after Dialer.KeepAlive and ConnWriteTimeout, which
// are 11 s together by default.
//
// # Errors
//
// An error matches the error of the context that ended, and otherwise the error
// of the network. The text of an error holds no values. rueidis repeats an
// operation until it succeeds, or until its context ends or would end before the
// next try. So give a context with a deadline: the clients of this module do.
package redisstore
