package simulator

import (
	"context"
	"net/http"
	"sync"
)

// keep bounds the log: a simulated day of calls fits into memory.
const keep = 10_000

type logged struct {
	request *http.Request
	body    []byte
}

type requestLog struct {
	mu    sync.Mutex
	last  []logged // at least the last keep requests, at most twice as many
	count map[string]int
}

func (l *requestLog) add(r *http.Request, body []byte, below bool) {
	r = r.Clone(context.Background()) // the handlers may change theirs
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) == 2*keep {
		copy(l.last, l.last[keep:])
		clear(l.last[keep:])
		l.last = l.last[:keep]
	}
	l.last = append(l.last, logged{r, body})
	if below {
		if l.count == nil {
			l.count = map[string]int{}
		}
		l.count[r.URL.Path]++
	}
}

// Requests returns copies of the last 10,000 requests in order of arrival, each
// with its header and an unread body. The log holds every complete request,
// also with a fault or outside the base path. RequestURI is the path as sent;
// header names are in net/http's spelling, not the sender's.
func (s *Server) Requests() []*http.Request {
	s.log.mu.Lock()
	last := append([]logged(nil), s.log.last[max(0, len(s.log.last)-keep):]...)
	s.log.mu.Unlock()
	requests := make([]*http.Request, len(last))
	for i, x := range last {
		requests[i] = withBody(x.request.Clone(context.Background()), x.body)
	}
	return requests
}

// Count is the number of requests to a path below the base path, such as
// "/auth/createToken": all of them, however many Requests still holds.
func (s *Server) Count(path string) int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.count[path]
}

// ResetRequests empties the log and sets all counts to 0.
func (s *Server) ResetRequests() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.last, s.log.count = nil, nil
}
