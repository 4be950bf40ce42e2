package tokencache

import (
	"encoding/json"
	"time"
)

// recordVersion is the format of the records that this build writes, and the newest
// that it reads. A release must read a new format before another release writes it: a
// process never overwrites what it cannot read.
const recordVersion = 1

// A record is the content of a key's register. It changes in one atomic step, so its
// parts are always consistent. Times are in Unix ms on the provider's clock, and
// durations in ms.
type record struct {
	// Generation grows with each token of the key, also if the store loses its
	// records: it is never below the time of the token in Unix seconds.
	Generation uint32 `json:"g"`
	// Token is what the Codec has written; nil: there is no token.
	Token   json.RawMessage `json:"t,omitempty"`
	Expires int64           `json:"e,omitempty"`
	// Life is the life of the token at its receipt. A process with a wrong clock
	// gives it no longer life.
	Life   int64 `json:"f,omitempty"`
	Lead   int64 `json:"r,omitempty"` // before Expires it is renewed
	Margin int64 `json:"m,omitempty"` // before Expires it is no longer handed out
	Grant  int64 `json:"k,omitempty"` // how long after Expires its grant is of use
	// Dead: the provider has confirmed that it acted on a creation, so the token
	// is invalid. Suspect: it may have acted.
	Dead    bool `json:"d,omitempty"`
	Suspect bool `json:"s,omitempty"`
	// Unclear counts the ambiguous uses of the grant.
	Unclear int `json:"u,omitempty"`
	// FullAt is the state of the key's limiter.
	FullAt int64 `json:"b,omitempty"`
	// Failed counts the failures in a row that other processes would meet too.
	// RetryAt ends the back-off after the last, which lasts for Pause, and Status
	// is the status of its answer; 0: there was none.
	Failed  int   `json:"n,omitempty"`
	RetryAt int64 `json:"a,omitempty"`
	Pause   int64 `json:"p,omitempty"`
	Status  int   `json:"c,omitempty"`
	// Lease belongs to a flight that is getting another token; nil: none.
	Lease *lease `json:"l,omitempty"`
}

// A lease is over when its value has been seen for TTL. Each process counts from
// when it saw the value first, by its own clock.
type lease struct {
	Owner string `json:"o"`
	TTL   int64  `json:"t"`
}

// maxLease bounds the lease of another build.
const maxLease = 10 * time.Minute

func (l *lease) ttl() time.Duration {
	return min(max(ms(l.TTL), 0), maxLease)
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// maxRecordTime bounds the times of a record, to the year 9999, and its durations.
const maxRecordTime = 253402300799999

// bound puts every number of a record of another build into its range.
func (r *record) bound() {
	for _, n := range []*int64{&r.Expires, &r.Life, &r.Lead, &r.Margin, &r.Grant, &r.FullAt, &r.RetryAt, &r.Pause} {
		*n = min(max(*n, 0), maxRecordTime)
	}
	const longest = int64(10 * 365 * 24 * time.Hour / time.Millisecond)
	for _, n := range []*int64{&r.Life, &r.Lead, &r.Grant} {
		*n = min(*n, longest)
	}
	r.Margin = min(r.Margin, maxMargin.Milliseconds(), r.Life)
	r.Unclear = min(max(r.Unclear, 0), maxAmbiguousUses)
	r.Failed = min(max(r.Failed, 0), 16)
}

// pause is how long the back-off goes on after now; 0: it does not. A pause longer
// than it was meant to be comes from a process with a wrong clock.
func (r *record) pause(now int64) time.Duration {
	left := ms(r.RetryAt - now)
	if left > min(ms(r.Pause), maxRetryAfter) {
		return 0
	}
	return max(left, 0)
}

// keeps is how long the store has to keep the record at the time now on the
// provider's clock.
func (r *record) keeps(now int64) time.Duration {
	keeps := time.Second
	if r.Token != nil {
		left := ms(r.Expires - now)
		if left <= 0 { // or this process's clock is ahead
			left = ms(r.Life)
		}
		keeps = max(keeps, min(left, ms(r.Life))+ms(r.Grant))
	}
	if r.Lease != nil { // the others see it run out
		keeps = max(keeps, 2*r.Lease.ttl())
	}
	return max(keeps, min(ms(max(r.RetryAt, r.FullAt)-now), maxRetryAfter))
}
