// Package tokencache holds tokens: it gets them, keeps them, refreshes them before
// they expire, replaces them after a rejection and shares each among all its
// callers. It is a single engine, generic over the token, and knows neither HTTP
// nor any provider.
//
// # Modes
//
// Two properties of the provider decide how a token may be renewed: whether a new
// token kills the old token, and whether two creations may run in parallel. The Mode
// declares them; the cache cannot find them out.
//
//	Overlap    no, yes   exchanged or self-minted tokens
//	SingleUse  no, no    the token stays valid, its grant is spent by use
//	Exclusive  yes, no   a new token kills the previous token at once
//
// # The states of a token
//
// A token is fresh until its refresh-at: Get returns it after an atomic load and a
// look at both clocks. From then until shortly before its expiry it is renewing:
// callers still get it while a background flight renews it. In Exclusive the flight
// kills it, so callers wait. Without a valid token all callers wait for the same
// flight.
//
// # Rejections
//
// A rejection may be a mistake of the provider. It drops the token only if another
// may be had at once: no back-off is in force and the limiter has a permit. A
// tombstone then stands for the token. Callers wait for the flight, but in Overlap
// and SingleUse at most two seconds, and not at all after a failed flight; then they
// get the old token. If the flight fails, the old token is brought back.
//
// The old token is dead in two cases only. In Exclusive, the provider confirms that
// it acted. Or a replacement was refused permanently, and five rejections in a row
// came since. In the second case a caller tries it ten times a second, and it is
// current again once a request with it is accepted.
//
// # Flights
//
// There is at most one flight per key. It belongs to the cache: its context has the
// values of the caller that started it, but no httptrace, and a deadline of its
// own, and nothing else ends it. Each caller
// stops waiting when its own context ends. A flight publishes its result before it
// ends, and its callers look at the current token then.
//
// A failed flight starts a back-off. Callers within it get the old token if it is
// still valid, else the error of the flight as an apierror.Earlier, without a
// request. The number of failures is bounded, and each is forgotten in time. If a
// token is still in use, the log has a line about the first failure in a row.
package tokencache
