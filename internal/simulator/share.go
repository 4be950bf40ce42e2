package simulator

import (
	"math/rand/v2"
	"net/http"
	"sync"
)

// A Share selects the requests for a special treatment by a handler, such as
// the rejection of a good credential. The zero Share is empty. A Share is safe
// for concurrent use.
type Share struct {
	mu    sync.Mutex
	rules []*shareRule
	taken int
}

type shareRule struct {
	n    int
	rand *rand.Rand // nil: every n-th
	seen int
	only []func(*http.Request) bool
}

// Add puts one in n of the requests accepted by all filters into the Share.
// With seed 0 it is every n-th request. Any other seed starts a random source,
// and each request has the chance 1/n. An n of 0 or less empties the Share. If
// there are several rules, the first rule with accepting filters decides.
// Filters must not read the body.
func (s *Share) Add(n int, seed uint64, only ...func(*http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= 0 {
		s.rules = nil
		return
	}
	rule := &shareRule{n: n, only: only}
	if seed != 0 {
		rule.rand = rand.New(rand.NewPCG(seed, seed))
	}
	s.rules = append(s.rules, rule)
}

// Take reports whether the request belongs to the Share.
func (s *Share) Take(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rule := range s.rules {
		if !matches(rule.only, r, nil) {
			continue
		}
		if !rule.take() {
			return false
		}
		s.taken++
		return true
	}
	return false
}

func (x *shareRule) take() bool {
	if x.rand != nil {
		return x.rand.IntN(x.n) == 0
	}
	x.seen++
	return x.seen%x.n == 0
}

// Taken is how many requests have belonged to the Share.
func (s *Share) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}
