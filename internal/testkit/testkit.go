// Package testkit holds the common helpers of several packages' tests.
package testkit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Long reports whether tests run whole: LONG=1 in the environment. Otherwise
// the long tests run in a short form.
func Long() bool { return os.Getenv("LONG") != "" }

// Heap returns the bytes of the heap in use.
func Heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A Tally counts calls and failed calls.
type Tally struct {
	mu                       sync.Mutex
	calls, failed, retryable int
	slowest                  time.Duration
	last                     error
}

// Failed is how many calls failed.
func (y *Tally) Failed() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.failed
}

func (y *Tally) add(took time.Duration, err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.calls++
	y.slowest = max(y.slowest, took)
	if err == nil {
		return
	}
	y.failed++
	y.last = err
	var advised interface{ Retryable() (time.Duration, bool) }
	if errors.As(err, &advised) {
		if _, ok := advised.Retryable(); ok {
			y.retryable++
		}
	}
}

// String is a row of a table.
func (y *Tally) String() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return fmt.Sprintf("%6d calls, %5d failed = %6.3f %%, %5d retryable, slowest %v; last error: %v",
		y.calls, y.failed, 100*float64(y.failed)/float64(max(y.calls, 1)), y.retryable, y.slowest.Round(time.Millisecond), y.last)
}

// Traffic makes a call every gap for as long as d, each on a goroutine of its
// own, and waits for all of them.
func Traffic(d, gap time.Duration, call func(i int) error) *Tally {
	y := new(Tally)
	var wg sync.WaitGroup
	for i := range int(d / gap) {
		wg.Go(func() {
			start := time.Now()
			err := call(i)
			y.add(time.Since(start), err)
		})
		time.Sleep(gap)
	}
	wg.Wait()
	return y
}

// Get makes a request by an http.Client. An answer other than 2xx is an error.
func Get(h *http.Client, url string) error { return succeeded(h.Get(url)) }

// Post sends JSON as Get does.
func Post(h *http.Client, url, body string) error {
	return succeeded(h.Post(url, "application/json", strings.NewReader(body)))
}

// Send sends a request as Get does.
func Send(h *http.Client, r *http.Request) error { return succeeded(h.Do(r)) }

func succeeded(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// A Subject is a client of a simulator that can reject good credentials.
type Subject struct {
	// Token gets a token.
	Token func() error
	// Call makes the ith call, to an endpoint without refusals.
	Call func(i int) error
	// Always and Half make calls to two other endpoints.
	Always, Half func(i int) error
	// IsAlways and IsHalf recognise their requests.
	IsAlways, IsHalf func(*http.Request) bool
	// StrayCalls, StrayTokens and Strays are the simulator's. StrayTokens is nil
	// if there are no token requests.
	StrayCalls, StrayTokens func(n int, seed uint64, only ...func(*http.Request) bool)
	Strays                  func() (calls, tokens int)
	// FailTokens has every token request answered with a status, or not at all
	// if the status is 0. Nil if there are no token requests.
	FailTokens func(status int)
	// Patience is how long a call may take while token requests hang.
	Patience time.Duration
	// Creations is how many token requests were made so far, or tokens if
	// there are no requests.
	Creations func() int
	// Due is how many tokens are renewed in ten minutes because of their age.
	Due int
}

// Strays injects stray rejections, and allows failures only of calls with a
// stray rejection. It runs in simulated time: 100 calls a second for ten
// minutes, with strays of one in 1000, 100 and 20, of the calls, of the token
// requests, and of both. open makes a subject inside the caller's bubble, and
// returns its closing function.
func Strays(t *testing.T, open func(t *testing.T) (s Subject, closing func())) {
	duration := 10 * time.Minute
	if !Long() {
		duration = 30 * time.Second
	}
	for _, rate := range []int{1000, 100, 20} {
		for _, on := range []string{"calls", "tokens", "both"} {
			for name, seed := range map[string]uint64{"by chance": uint64(rate), "every n-th": 0} {
				if seed == 0 && !Long() {
					continue
				}
				t.Run(fmt.Sprintf("one in %d on %s, %s", rate, on, name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s, closing := open(t)
						defer closing()
						strays(t, s, rate, on, seed, duration)
					})
				})
			}
		}
	}
}

// BadEndpoints expects no failed call to a good endpoint, beside an endpoint
// that always rejects the token and an endpoint that rejects it every other
// time.
func BadEndpoints(t *testing.T, open func(t *testing.T) (s Subject, closing func())) {
	duration := 10 * time.Minute
	if !Long() {
		duration = time.Minute
	}
	synctest.Test(t, func(t *testing.T) {
		s, closing := open(t)
		defer closing()
		if err := s.Token(); err != nil {
			t.Fatal(err)
		}
		s.StrayCalls(1, 0, s.IsAlways)
		s.StrayCalls(2, 0, s.IsHalf)
		var bad sync.WaitGroup
		bad.Go(func() { Traffic(duration, 20*time.Millisecond, s.Always) })
		bad.Go(func() { Traffic(duration, 30*time.Millisecond, s.Half) })
		good := Traffic(duration, 20*time.Millisecond, s.Call)
		bad.Wait()
		creations := s.Creations()
		t.Logf("%v; %d creations", good, creations)
		if n := good.Failed(); n > 0 {
			t.Errorf("%d calls to an endpoint that refuses nothing failed", n)
		}
		if most := 1 + 5 + int(duration/(5*time.Second)) + s.Due; creations > most {
			t.Errorf("%d creations, want at most %d", creations, most)
		}
	})
}

// Outage allows at most as many failed calls as calls were rejected by chance,
// one in 20, while no token can be had: the provider is down, refuses, or does
// not answer.
func Outage(t *testing.T, open func(t *testing.T) (s Subject, closing func())) {
	duration := 10 * time.Minute
	if !Long() {
		duration = time.Minute
	}
	for name, status := range map[string]int{"down": http.StatusServiceUnavailable, "refused": http.StatusUnauthorized, "hangs": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, closing := open(t)
				defer closing()
				if err := s.Token(); err != nil {
					t.Fatal(err)
				}
				s.FailTokens(status)
				s.StrayCalls(20, 20)
				y := Traffic(duration, 10*time.Millisecond, s.Call)
				calls, _ := s.Strays()
				t.Logf("%v; strays: %d on calls; %d creations", y, calls, s.Creations())
				if y.Failed() > calls {
					t.Errorf("%d calls failed, want at most the %d that were rejected by chance", y.Failed(), calls)
				}
				if y.slowest > s.Patience {
					t.Errorf("a call took %v, want at most %v", y.slowest, s.Patience)
				}
			})
		})
	}
}

func strays(t *testing.T, s Subject, rate int, on string, seed uint64, duration time.Duration) {
	if err := s.Token(); err != nil {
		t.Fatal(err)
	}
	if on != "tokens" {
		s.StrayCalls(rate, seed)
	}
	if on != "calls" && s.StrayTokens != nil {
		s.StrayTokens(rate, seed)
	}
	y := Traffic(duration, 10*time.Millisecond, s.Call)
	calls, tokens := s.Strays()
	creations := s.Creations()
	t.Logf("%v; strays: %d on calls, %d on token requests; %d creations", y, calls, tokens, creations)
	if y.Failed() > calls {
		t.Errorf("%d calls failed, want at most the %d that were rejected by chance", y.Failed(), calls)
	}
	if most := 1 + 5 + int(duration/(5*time.Second)) + s.Due; creations > most {
		t.Errorf("%d creations, want at most %d", creations, most)
	}
}
