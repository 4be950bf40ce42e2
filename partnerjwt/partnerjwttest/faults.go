package partnerjwttest

import (
	"net/http"
	"time"
)

// URL is the base URL of the server; in memory it is on 127.0.0.1:1.
func (s *Server) URL() string { return s.sim.URL() }

// Client returns an http.Client that reaches the server, in both modes.
func (s *Server) Client() *http.Client { return s.sim.Client() }

// Close ends the server, its connections and its waits. It may be called again.
func (s *Server) Close() { s.sim.Close() }

// SetClockOffset makes the server's clock differ from this machine's by d.
func (s *Server) SetClockOffset(d time.Duration) { s.sim.SetClockOffset(d) }

// SetDateOffset makes the Date header of all answers differ by d from the
// server's clock, as behind an edge cache whose own clock is wrong; 0 sets it
// right.
func (s *Server) SetDateOffset(d time.Duration) { s.sim.SetDateOffset(d) }

// SetAge makes all answers look as if a cache had kept them for d: they have an
// Age header, and their Date is d earlier. 0 or less ends it.
func (s *Server) SetAge(d time.Duration) { s.sim.SetAge(d) }

// Requests returns copies of the last 10,000 requests, bodies included.
func (s *Server) Requests() []*http.Request { return s.sim.Requests() }

// Count is the number of requests to a path such as "/portfolio".
func (s *Server) Count(path string) int { return s.sim.Count(path) }

// FailNext answers the next n requests with status and header, without acting.
func (s *Server) FailNext(n, status int, header http.Header, only ...func(*http.Request) bool) {
	s.sim.FailNext(n, status, header, only...)
}

// LoseAnswers acts on the next n requests and breaks the connection instead of
// answering.
func (s *Server) LoseAnswers(n int, only ...func(*http.Request) bool) {
	s.sim.LoseAnswers(n, only...)
}

// ActLate breaks the connections of the next n requests and acts on them d
// later.
func (s *Server) ActLate(n int, d time.Duration, only ...func(*http.Request) bool) {
	s.sim.ActLate(n, d, only...)
}

// Truncate acts on the next n requests and breaks off in mid-answer.
func (s *Server) Truncate(n int, only ...func(*http.Request) bool) { s.sim.Truncate(n, only...) }

// Reset resets the connections of the next n requests before acting.
func (s *Server) Reset(n int, only ...func(*http.Request) bool) { s.sim.Reset(n, only...) }

// FaultsLeft is the number of requested faults not used up: each call of
// FailNext, LoseAnswers, ActLate, Truncate, Reset or FailActed counts as a
// single fault. A test whose parts share a server checks for 0 between them.
func (s *Server) FaultsLeft() int { return s.sim.FaultsLeft() }

// FailActed acts on the next n requests and answers them with status, a JSON
// message and header: a failure after the act.
func (s *Server) FailActed(n, status int, header http.Header, only ...func(*http.Request) bool) {
	s.sim.FailActed(n, status, header, only...)
}

// StrayCalls rejects a share of 1/n of the calls with a good token, as 401:
// with seed 0 every n-th call, otherwise each call at random, drawn from a
// source started with seed. Each call of
// StrayCalls adds a rule, and only the first rule whose filters accept a request
// decides on it. n of 0 or less removes all rules. Filters must not read the body.
func (s *Server) StrayCalls(n int, seed uint64, only ...func(*http.Request) bool) {
	s.strayCalls.Add(n, seed, only...)
}

// Strays returns how many calls StrayCalls has rejected.
func (s *Server) Strays() (calls int) { return s.strayCalls.Taken() }

// Stall acts on the next n requests and sends the header of the answer without its
// body. The connection stays open until the client leaves or Close.
func (s *Server) Stall(n int, only ...func(*http.Request) bool) { s.sim.Stall(n, only...) }

// Stream answers the next n requests with 200, header and every text received
// from events, each flushed separately, until events is closed. The server does
// not act.
func (s *Server) Stream(n int, events <-chan string, header http.Header, only ...func(*http.Request) bool) {
	s.sim.Stream(n, events, header, only...)
}

// ByteOrderMark puts a byte order mark before the next n answers.
func (s *Server) ByteOrderMark(n int, only ...func(*http.Request) bool) {
	s.sim.ByteOrderMark(n, only...)
}

// ClearFaults takes back all remaining faults of this page, Delay included.
// Interceptors stay.
func (s *Server) ClearFaults() {
	s.sim.ClearFaults()
	s.strayCalls.Add(0, 0)
}

// Delay sends every answer d after the act; 0 ends it.
func (s *Server) Delay(d time.Duration, only ...func(*http.Request) bool) { s.sim.Delay(d, only...) }

// Intercept puts wrap(next) in front of the server; nil removes all
// interceptors.
func (s *Server) Intercept(wrap func(next http.Handler) http.Handler) { s.sim.Intercept(wrap) }
