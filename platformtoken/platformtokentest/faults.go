package platformtokentest

import (
	"net/http"
	"slices"
	"time"
)

// URL is the base URL of the server; in memory it is on 127.0.0.1:1.
func (s *Server) URL() string { return s.sim.URL() }

// Client returns an http.Client that reaches the server, in both modes.
func (s *Server) Client() *http.Client { return s.sim.Client() }

// Close ends the server, its connections and its waits, and drops acts of
// ActLate that are not due yet. It may be called again.
func (s *Server) Close() { s.sim.Close() }

// SetClockOffset makes the server's clock differ from this machine's by d.
func (s *Server) SetClockOffset(d time.Duration) { s.sim.SetClockOffset(d) }

// Requests returns copies of the last 10,000 requests, bodies included.
func (s *Server) Requests() []*http.Request { return s.sim.Requests() }

// Count is the number of requests to a path such as "/auth/createToken".
func (s *Server) Count(path string) int { return s.sim.Count(path) }

// FailNext answers the next n requests with status and header, without acting:
// as the platform, or from 502 on as the gateway in front of it. With status
// 200 the failure is inside a success.
func (s *Server) FailNext(n, status int, header http.Header, only ...func(*http.Request) bool) {
	s.sim.FailNext(n, status, header, only...)
}

// LoseAnswers acts on the next n requests and breaks the connection instead of
// answering.
func (s *Server) LoseAnswers(n int, only ...func(*http.Request) bool) {
	s.sim.LoseAnswers(n, mark(ByLost, only)...)
}

// ActLate breaks the connections of the next n requests and acts on them d
// later.
func (s *Server) ActLate(n int, d time.Duration, only ...func(*http.Request) bool) {
	s.sim.ActLate(n, d, mark(ByLate, only)...)
}

// Truncate acts on the next n requests and breaks off in mid-answer.
func (s *Server) Truncate(n int, only ...func(*http.Request) bool) {
	s.sim.Truncate(n, mark(ByLost, only)...)
}

// Reset resets the connections of the next n requests before acting.
func (s *Server) Reset(n int, only ...func(*http.Request) bool) { s.sim.Reset(n, only...) }

// Delay makes every answer come d after the act; 0 ends it.
func (s *Server) Delay(d time.Duration, only ...func(*http.Request) bool) { s.sim.Delay(d, only...) }

// Intercept puts wrap(next) in front of the server; nil removes all of them.
func (s *Server) Intercept(wrap func(next http.Handler) http.Handler) {
	s.sim.Intercept(wrap)
	if wrap == nil {
		s.sim.Intercept(s.tracked)
	}
}

// faultHeader tells the handler which fault a request has met. It is set by a
// filter, which sees the header that the handler will see.
const faultHeader = "Platformtokentest-Fault"

// mark adds a filter that is asked last, so only when the fault is certain.
func mark(by Origin, only []func(*http.Request) bool) []func(*http.Request) bool {
	return append(slices.Clone(only), func(r *http.Request) bool {
		r.Header.Set(faultHeader, string(by))
		return true
	})
}
