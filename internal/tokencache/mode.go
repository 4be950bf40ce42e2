package tokencache

import "time"

// Mode declares how a new token affects the previous token.
type Mode uint8

const (
	// Overlap: old tokens stay valid until they expire.
	Overlap Mode = iota
	// SingleUse: old tokens stay valid, but the grant for the next token can be
	// used once only.
	SingleUse
	// Exclusive: a new token kills the previous token at once.
	Exclusive
)

// The code asks for the properties below, never for a mode.

// killsPrevious reports whether a new token makes the previous token invalid.
func (m Mode) killsPrevious() bool { return m == Exclusive }

// servesWhileRenewing reports whether callers get the current token while a
// flight renews it.
func (m Mode) servesWhileRenewing() bool { return !m.killsPrevious() }

// repeatsAmbiguous reports whether a flight repeats an ambiguous attempt once.
// The provider may have killed the previous token, so only a new token is known
// to be valid.
func (m Mode) repeatsAmbiguous() bool { return m == Exclusive }

// spendsGrant reports whether a token carries a grant, and a renewal spends it.
func (m Mode) spendsGrant() bool { return m == SingleUse }

// mayCreateAlone reports whether a process may create a token without knowing what
// the others do: it harms none of theirs.
func (m Mode) mayCreateAlone() bool { return m == Overlap }

// attempts is the number of attempts for which the deadline of a flight leaves time:
// two, or three if a token has a grant, which a flight may spend twice before it
// logs in.
func (m Mode) attempts() int {
	if m.spendsGrant() {
		return 3
	}
	return 2
}

// FlightDeadline returns how long a flight may take if each of its attempts may
// take attempt.
func FlightDeadline(mode Mode, attempt time.Duration) time.Duration {
	return time.Duration(mode.attempts())*attempt + time.Second
}
