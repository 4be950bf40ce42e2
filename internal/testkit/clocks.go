package testkit

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A ClockServer is a simulator with adjustable clocks: its own, and the clock
// of the Date header.
type ClockServer interface {
	SetClockOffset(d time.Duration)
	SetDateOffset(d time.Duration)
	SetAge(d time.Duration)
	StrayCalls(n int, seed uint64, only ...func(*http.Request) bool)
	Delay(d time.Duration, only ...func(*http.Request) bool)
}

// A ClockSubject is a client that signs its own tokens. Its simulator refuses
// tokens issued in its future.
type ClockSubject struct {
	Server ClockServer
	HTTP   *http.Client
	URL    string            // of a GET
	Call   func(i int) error // the same by a typed call
}

// get makes the ith call, half of them typed.
func (s *ClockSubject) get(i int) error {
	if i%2 == 0 {
		return Get(s.HTTP, s.URL)
	}
	return s.Call(i)
}

// stream makes a call whose body cannot be sent again.
func (s *ClockSubject) stream(int) error {
	req := MustRequest(s.URL)
	req.Body = io.NopCloser(strings.NewReader("{}"))
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// WrongClocks checks that a wrong clock, or an answer out of a cache, fails no
// calls, but for a few until the first correction and beside stray rejections. open
// makes a subject inside the caller's bubble, and returns its closing function.
func WrongClocks(t *testing.T, open func(t *testing.T) (s ClockSubject, closing func())) {
	// Tokens have whole seconds, so the fraction at which a client starts counts.
	run := func(name string, f func(t *testing.T, s ClockSubject)) {
		t.Run(name, func(t *testing.T) {
			for _, start := range []time.Duration{0, 300 * time.Millisecond, 990 * time.Millisecond} {
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(start)
					s, closing := open(t)
					defer closing()
					f(t, s)
				})
			}
		})
	}
	const ms, s = time.Millisecond, time.Second
	for _, d := range []time.Duration{100 * ms, 300 * ms, 1 * s, 2500 * ms, 4 * s, 5200 * ms, 6 * s, 10 * s, time.Hour} {
		for name, offset := range map[string]time.Duration{"behind": d, "ahead": -d} {
			run(fmt.Sprintf("%v %s, no call fails", d, name), func(t *testing.T, s ClockSubject) {
				s.Server.SetClockOffset(offset)
				y := Traffic(time.Hour, 20*time.Second, s.get)
				Equal(t, "failed calls", y.Failed(), 0)
			})
			run(fmt.Sprintf("%v %s, streams fail until the first rejection at most", d, name), func(t *testing.T, sub ClockSubject) {
				sub.Server.SetClockOffset(offset)
				failed := 0
				if sub.stream(0) != nil {
					failed++
				}
				if d <= 4*s && failed > 0 {
					t.Error("the first stream failed")
				}
				y := Traffic(time.Hour, 20*time.Second, sub.stream)
				Equal(t, "failed streams after the first", y.Failed(), 0)
			})
		}
	}
	for name, offset := range map[string]time.Duration{"behind": time.Hour, "ahead": -time.Hour} {
		run("an hour "+name+", and the provider takes 3 s", func(t *testing.T, s ClockSubject) {
			s.Server.SetClockOffset(offset)
			s.Server.Delay(3 * time.Second)
			if y := Traffic(10*time.Minute, 30*time.Second, s.get); y.Failed() > 2 {
				t.Error(y)
			}
		})
		run("the Date of an edge cache is an hour "+name, func(t *testing.T, s ClockSubject) {
			s.Server.SetDateOffset(-offset)
			y := Traffic(2*time.Hour, 30*time.Second, s.get)
			Equal(t, "failed calls", y.Failed(), 0)
		})
		run("it is an hour "+name+", and one call in ten is rejected for no reason", func(t *testing.T, s ClockSubject) {
			s.Server.SetDateOffset(-offset)
			s.Server.StrayCalls(10, 0)
			if y := Traffic(2*time.Hour, 30*time.Second, s.get); y.Failed() > 7 { // a pause each
				t.Error(y)
			}
		})
	}
	run("an answer out of a cache corrects nothing", func(t *testing.T, s ClockSubject) {
		s.Server.SetAge(2 * time.Hour)
		s.Server.StrayCalls(10, 0)
		y := Traffic(2*time.Hour, 30*time.Second, s.get)
		Equal(t, "failed calls", y.Failed(), 0)
	})
}
