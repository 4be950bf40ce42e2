// Package storetest is for the tests of a [providerauth.Store], and for tests
// with one.
//
// [Test] tries whether a Store keeps its contract. An operator with a Store of
// his own runs Test against the real database, with several connections:
//
//	func TestStore(t *testing.T) {
//		err := storetest.Test(t.Context(), open(t), storetest.Options{
//			Others: []providerauth.Store{open(t), open(t)},
//		})
//		if err != nil {
//			t.Fatal(err)
//		}
//	}
//
// [Memory] is a Store in memory with faults: lost answers, an outage, a failover
// to an older state. With it an operator tests his program without a database,
// also in a bubble of testing/synctest.
package storetest
