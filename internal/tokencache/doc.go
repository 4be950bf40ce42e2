// Package tokencache holds tokens: it gets them, keeps them, refreshes them
// before they expire, drops them when they are refused and shares each among
// all callers that want it. It is one engine, generic over the token, and
// knows neither HTTP nor any provider.
//
// # What is declared and not guessed
//
// Two properties of the provider decide how a token may be renewed: whether a
// new token kills the old one, and whether two creators may run in parallel.
//
//	Overlap    no, yes   exchanged or self-minted tokens
//	SingleUse  no, no    the token stays good, the means of renewal is spent by use
//	Exclusive  yes, no   a new token kills the previous one at once
//
// # The states of a token
//
// A token is fresh until its refresh-at: it is returned after one atomic load
// and one look at the wall clock. From then until shortly before it expires it
// is renewing: it is still returned while one background flight renews it,
// except in Exclusive, where that flight kills it and callers wait. An expired or
// absent token makes every caller wait for one flight.
//
// # Rejections
//
// A rejection may be a mistake of the provider. It drops the token only if
// another may be had at once: no back-off is in force and the limiter has a draw.
// Callers then wait for the flight that replaces it, but in Overlap and SingleUse
// no longer than two seconds, and not at all after a flight that failed: then they
// get the old token. A replacement that fails brings the old token back. It is
// dead only if the provider says that it has acted (Exclusive), or if a
// replacement was refused for good and five rejections in a row came since. The
// latter is tried ten times a second, and current again once it is accepted.
//
// # Flights
//
// There is at most one flight per key. It belongs to the cache and not to the
// caller that happened to start it: it runs on a context of its own with its
// own deadline, and nothing else ends it. Callers wait for it on their own
// contexts. What a flight found is published before it ends, and waiters look
// at what is current then.
//
// A failed flight starts a back-off. Callers within it get the old token where
// that is still good, else the error of the flight, without a request. Failures
// are bounded, and forgotten in time.
package tokencache
