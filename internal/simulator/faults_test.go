package simulator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/simulator"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// A provider counts its acts.
type provider struct{ acts atomic.Int64 }

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.acts.Add(1)
	echo(w, r)
}

func TestFailNextAnswersWithoutActing(t *testing.T) {
	p := new(provider)
	inBothModes(t, simulator.Options{}, p, func(t *testing.T, s *simulator.Server) {
		p.acts.Store(0)
		h := http.Header{"Retry-After": {"7"}}
		s.FailNext(2, 503, h)
		h.Set("Retry-After", "8")
		for range 2 {
			got := get(t, s, "/x")
			if got.Status != 503 || got.Header.Get("Retry-After") != "7" || !strings.Contains(got.Body, "<h1>503 Service Unavailable</h1>") ||
				got.Header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%+v", got)
			}
		}
		if n := p.acts.Load(); n != 0 {
			t.Errorf("%d acts", n)
		}
		if got := get(t, s, "/x"); got.Status != 200 || p.acts.Load() != 1 {
			t.Errorf("afterwards: %+v, %d acts", got, p.acts.Load())
		}
	})
}

func TestFailBodyMakesTheBodyOfFailNext(t *testing.T) {
	opt := simulator.Options{FailBody: func(status int) ([]byte, string) {
		return fmt.Appendf(nil, `{"code":%d}`, status), "application/json"
	}}
	inBothModes(t, opt, nil, func(t *testing.T, s *simulator.Server) {
		s.FailNext(1, 429, nil)
		if got := get(t, s, "/x"); got.Status != 429 || got.Body != `{"code":429}` || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%+v", got)
		}
		s.FailNext(1, 429, http.Header{"Content-Type": {"text/plain"}})
		if got := get(t, s, "/x"); got.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("the header given was not kept: %+v", got)
		}
		s.FailNext(1, 204, nil)
		if got := get(t, s, "/x"); got.Status != 204 || got.Body != "" || got.Err != nil {
			t.Errorf("%+v", got)
		}
	})
}

func TestFailNextWithAnImpossibleStatusIs500(t *testing.T) {
	s := simulator.New(echo, simulator.Options{})
	defer s.Close()
	for _, status := range []int{-1, 0, 100, 199, 1000, math.MaxInt} {
		s.FailNext(1, status, nil)
		if got := get(t, s, "/x"); got.Status != 500 {
			t.Errorf("%d: %+v", status, got)
		}
	}
}

func TestLostAnswersAreActedOn(t *testing.T) {
	p := new(provider)
	inBothModes(t, simulator.Options{}, p, func(t *testing.T, s *simulator.Server) {
		p.acts.Store(0)
		s.LoseAnswers(2)
		for range 2 {
			if got := post(t, s, "/x", "in"); !errors.Is(got.Err, io.EOF) {
				t.Errorf("%+v, want EOF", got)
			}
		}
		if n := p.acts.Load(); n != 2 {
			t.Errorf("%d acts, want 2", n)
		}
		if got := post(t, s, "/x", "in"); got.Body != "POST /x in" {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

func TestTruncatedAnswersAreCutInMidBody(t *testing.T) {
	const whole = "0123456789"
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat(whole, 100_000))
		case "/short":
			_, _ = io.WriteString(w, whole)
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		}
	})
	inBothModes(t, simulator.Options{}, h, func(t *testing.T, s *simulator.Server) {
		for _, tc := range []struct {
			path, announced string
			sent            int
		}{
			{"/long", "1000000", 500_000},
			{"/short", "10", 5},
			{"/empty", "1", 0},
		} {
			s.Truncate(1)
			got := post(t, s, tc.path, "")
			if got.Status != 200 || got.Header.Get("Content-Length") != tc.announced || len(got.Body) != tc.sent || !errors.Is(got.Err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: status %d, %s bytes announced, %d sent, %v; want %s, %d, unexpected EOF",
					tc.path, got.Status, got.Header.Get("Content-Length"), len(got.Body), got.Err, tc.announced, tc.sent)
			}
		}
		s.Truncate(1)
		if got := post(t, s, "/none", ""); !errors.Is(got.Err, io.EOF) {
			t.Errorf("an answer without body: %+v, want it lost", got)
		}
		s.Truncate(1)
		s.Client().CloseIdleConnections()
		if got := send(t.Context(), s.Client(), http.MethodHead, s.URL()+"/short", ""); !errors.Is(got.Err, io.EOF) {
			t.Errorf("HEAD: %+v, want it lost", got)
		}
		if got := post(t, s, "/short", ""); got.Body != whole {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

func TestResetComesBeforeTheAct(t *testing.T) {
	p := new(provider)
	inBothModes(t, simulator.Options{}, p, func(t *testing.T, s *simulator.Server) {
		p.acts.Store(0)
		post(t, s, "/kept", "")
		s.Reset(2)
		for range 2 {
			if got := post(t, s, "/x", "in"); !errors.Is(got.Err, syscall.ECONNRESET) {
				t.Errorf("%+v, want ECONNRESET", got)
			}
		}
		if n := p.acts.Load(); n != 1 || s.Count("/x") != 2 {
			t.Errorf("%d acts and %d requests seen, want 1 and 2", n, s.Count("/x"))
		}
		if got := post(t, s, "/x", "in"); got.Status != 200 {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

func TestNetHTTPHidesAFaultFromAGETOnAKeptConnection(t *testing.T) {
	inBothModes(t, simulator.Options{}, echo, func(t *testing.T, s *simulator.Server) {
		get(t, s, "/x")
		s.LoseAnswers(1)
		if got := get(t, s, "/x"); got.Status != 200 || s.Count("/x") != 3 {
			t.Errorf("%+v after %d requests, want 200 after 3", got, s.Count("/x"))
		}
	})
}

func TestLateActsHappenAfterTheClientHasGone(t *testing.T) {
	type act struct {
		Body string
		At   time.Duration
		Err  error
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		acts := make(chan act, 9)
		s := simulator.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			acts <- act{string(b), time.Since(start), r.Context().Err()}
			_, _ = w.Write(b)
		}), simulator.Options{InMemory: true})
		defer s.Close()
		s.ActLate(2, 5*time.Second)
		for _, body := range []string{"a", "b"} {
			if got := post(t, s, "/x", body); !errors.Is(got.Err, io.EOF) || time.Since(start) != 0 {
				t.Errorf("%+v after %v, want EOF at once", got, time.Since(start))
			}
			synctest.Wait()
		}
		time.Sleep(time.Second)
		if got := post(t, s, "/x", "c"); got.Body != "c" {
			t.Errorf("the next request: %+v", got)
		}
		time.Sleep(time.Minute)
		s.Close()
		close(acts)
		got := map[string]act{}
		for a := range acts {
			got[a.Body] = a
		}
		want := map[string]act{"a": {"a", 5 * time.Second, nil}, "b": {"b", 5 * time.Second, nil}, "c": {"c", time.Second, nil}}
		testkit.Equal(t, "acts", got, want)
	})
}

func TestLateActsHappenOnASocketToo(t *testing.T) {
	acted := make(chan string)
	s := simulator.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		acted <- string(b)
	}), simulator.Options{})
	defer s.Close()
	s.ActLate(1, time.Nanosecond)
	if got := post(t, s, "/x", "in"); !errors.Is(got.Err, io.EOF) {
		t.Errorf("%+v, want EOF", got)
	}
	if body := <-acted; body != "in" {
		t.Errorf("acted on %q", body)
	}
}

func TestCloseDropsLateActs(t *testing.T) {
	p := new(provider)
	inBothModes(t, simulator.Options{}, p, func(t *testing.T, s *simulator.Server) {
		p.acts.Store(0)
		s.ActLate(1, time.Hour)
		post(t, s, "/x", "in")
		s.Close()
		if n := p.acts.Load(); n != 0 {
			t.Errorf("%d acts", n)
		}
	})
}

func TestPanicInALateActIsPrintedAndEndsNothing(t *testing.T) {
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/panic":
			panic("the handler's own words")
		}
	})
	text := printed(t, func() {
		inBubble(t, h, func(t *testing.T, s *simulator.Server) {
			s.ActLate(2, time.Second)
			post(t, s, "/abort", "")
			post(t, s, "/panic", "")
			time.Sleep(2 * time.Second)
			if got := post(t, s, "/x", ""); got.Status != 200 {
				t.Errorf("%+v", got)
			}
		})
	})
	if strings.Count(text, "simulator: ") != 1 || !strings.Contains(text, "the handler's own words") {
		t.Errorf("printed:\n%s\nwant the one panic", text)
	}
}

func TestDelayedAnswersAreActedOnAtOnce(t *testing.T) {
	p := new(provider)
	inBubble(t, p, func(t *testing.T, s *simulator.Server) {
		s.Delay(10 * time.Second)
		start := time.Now()
		done := make(chan result, 1)
		go func() { done <- post(t, s, "/x", "in") }()
		synctest.Wait()
		if n := p.acts.Load(); n != 1 {
			t.Errorf("%d acts at once, want 1", n)
		}
		if got := <-done; got.Body != "POST /x in" || time.Since(start) != 10*time.Second {
			t.Errorf("%+v after %v, want the answer after 10s", got, time.Since(start))
		}
	})
}

func TestDelayGoesWithTheOtherFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		ask  func(*simulator.Server)
		want time.Duration
	}{
		"FailNext":    {func(s *simulator.Server) { s.FailNext(1, 503, nil) }, 10 * time.Second},
		"LoseAnswers": {func(s *simulator.Server) { s.LoseAnswers(1) }, 10 * time.Second},
		"Truncate":    {func(s *simulator.Server) { s.Truncate(1) }, 10 * time.Second},
		"Reset":       {func(s *simulator.Server) { s.Reset(1) }, 0},
		"ActLate":     {func(s *simulator.Server) { s.ActLate(1, time.Hour) }, 0},
		"ended":       {func(s *simulator.Server) { s.Delay(0) }, 0},
		"negative":    {func(s *simulator.Server) { s.Delay(-time.Hour) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, echo, func(t *testing.T, s *simulator.Server) {
				s.Delay(10 * time.Second)
				tc.ask(s)
				start := time.Now()
				post(t, s, "/x", "in")
				if took := time.Since(start); took != tc.want {
					t.Errorf("it took %v, want %v", took, tc.want)
				}
			})
		})
	}
}

func TestDelayWithFiltersIsForTheRequestsTheyAccept(t *testing.T) {
	inBubble(t, echo, func(t *testing.T, s *simulator.Server) {
		s.Delay(time.Second, func(r *http.Request) bool { return r.URL.Path == "/slow" })
		for path, want := range map[string]time.Duration{"/slow": time.Second, "/fast": 0} {
			start := time.Now()
			get(t, s, path)
			if took := time.Since(start); took != want {
				t.Errorf("%s took %v, want %v", path, took, want)
			}
		}
	})
}

func TestClientLeavesADelayAtItsDeadline(t *testing.T) {
	inBubble(t, echo, func(t *testing.T, s *simulator.Server) {
		left := make(chan time.Time, 1)
		s.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { left <- time.Now() }()
				next.ServeHTTP(w, r)
			})
		})
		s.Delay(10 * time.Second)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got := send(ctx, s.Client(), http.MethodPost, s.URL()+"/x", "in")
		if took := time.Since(start); !errors.Is(got.Err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("%+v after %v, want the deadline after 1s", got, took)
		}
		if waited := (<-left).Sub(start); waited != time.Second {
			t.Errorf("the server went on waiting until %v", waited)
		}
	})
}

func TestCloseEndsADelay(t *testing.T) {
	acted := make(chan struct{}, 2)
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { acted <- struct{}{} })
	inBothModes(t, simulator.Options{}, h, func(t *testing.T, s *simulator.Server) {
		s.Delay(time.Hour)
		done := make(chan result, 1)
		go func() { done <- post(t, s, "/x", "in") }()
		<-acted
		s.Close()
		if got := <-done; got.Err == nil {
			t.Errorf("%+v, want an error", got)
		}
	})
}

func TestFaultsAreUsedUpInTheOrderAskedFor(t *testing.T) {
	p := new(provider)
	inBothModes(t, simulator.Options{}, p, func(t *testing.T, s *simulator.Server) {
		s.FailNext(1, 503, nil)
		s.LoseAnswers(1)
		s.FailNext(1, 429, nil)
		s.Reset(1)
		s.Truncate(1)
		var got []string
		for range 6 {
			r := post(t, s, "/x", "in")
			switch {
			case errors.Is(r.Err, io.ErrUnexpectedEOF):
				got = append(got, "truncated")
			case errors.Is(r.Err, syscall.ECONNRESET):
				got = append(got, "reset")
			case errors.Is(r.Err, io.EOF):
				got = append(got, "lost")
			default:
				got = append(got, fmt.Sprint(r.Status))
			}
		}
		testkit.Equal(t, "answers", got, []string{"503", "lost", "429", "reset", "truncated", "200"})
	})
}

func TestZeroTakesBackAKindOfFault(t *testing.T) {
	for name, ask := range map[string]func(s *simulator.Server, n int){
		"FailNext":    func(s *simulator.Server, n int) { s.FailNext(n, 503, nil) },
		"LoseAnswers": func(s *simulator.Server, n int) { s.LoseAnswers(n) },
		"ActLate":     func(s *simulator.Server, n int) { s.ActLate(n, time.Hour) },
		"Truncate":    func(s *simulator.Server, n int) { s.Truncate(n) },
		"Reset":       func(s *simulator.Server, n int) { s.Reset(n) },
	} {
		t.Run(name, func(t *testing.T) {
			inBothModes(t, simulator.Options{}, echo, func(t *testing.T, s *simulator.Server) {
				ask(s, math.MaxInt)
				for range 3 {
					if got := post(t, s, "/x", "in"); got.Status == 200 && got.Err == nil {
						t.Errorf("%+v while the fault lasts", got)
					}
				}
				for _, other := range []func(int, ...func(*http.Request) bool){s.LoseAnswers, s.Truncate, s.Reset} {
					other(0)
				}
				s.FailNext(1, 418, nil)
				ask(s, 0)
				wantNext := 418
				if name == "FailNext" {
					wantNext = 200
				}
				for _, want := range []int{wantNext, 200} {
					if got := post(t, s, "/x", "in"); got.Status != want || got.Err != nil {
						t.Errorf("taken back: %+v, want %d", got, want)
					}
				}
			})
		})
	}
}

func TestFilteredFaultsAreForRequestsThatAllFiltersAccept(t *testing.T) {
	inBothModes(t, simulator.Options{}, echo, func(t *testing.T, s *simulator.Server) {
		caused := 0
		onPath := func(r *http.Request) bool { return r.URL.Path == "/auth" }
		ofUser := func(r *http.Request) bool {
			b, err := io.ReadAll(r.Body)
			if err != nil || string(b) != "u1" {
				return false
			}
			caused++
			return true
		}
		s.FailNext(2, 503, nil, onPath, ofUser)
		s.FailNext(1, 429, nil, onPath)
		var got []int
		for _, sent := range [][2]string{{"/x", "u1"}, {"/auth", "u1"}, {"/auth", "u2"}, {"/auth", "u2"}, {"/auth", "u1"}, {"/auth", "u1"}} {
			r := post(t, s, sent[0], sent[1])
			got = append(got, r.Status)
			if r.Status == 200 && r.Body != "POST "+sent[0]+" "+sent[1] {
				t.Errorf("after the filters the handler read %q", r.Body)
			}
		}
		testkit.Equal(t, "answers", got, []int{200, 503, 429, 200, 503, 200})
		if caused != 2 {
			t.Errorf("the filter counted %d, want 2", caused)
		}
	})
}

func TestEachFaultHitsOneOfManyConcurrentRequests(t *testing.T) {
	p := new(provider)
	inBothModes(t, simulator.Options{}, p, func(t *testing.T, s *simulator.Server) {
		p.acts.Store(0)
		always := 0 // needs no lock of its own
		count := func(*http.Request) bool { always++; return true }
		s.FailNext(10, 503, nil, count)
		s.LoseAnswers(10, count)
		s.Truncate(10, count)
		s.Reset(10, count)
		s.ActLate(10, 0, count)
		var broken, failed, fine atomic.Int64
		testkit.Crowd(100, func(int) {
			switch r := post(t, s, "/x", "in"); {
			case r.Err != nil:
				broken.Add(1)
			case r.Status == 503:
				failed.Add(1)
			case r.Body == "POST /x in":
				fine.Add(1)
			}
		})
		s.Close()
		got := []int64{broken.Load(), failed.Load(), fine.Load(), int64(always), int64(s.Count("/x"))}
		testkit.Equal(t, "broken, failed, fine, filtered, seen", got, []int64{40, 10, 50, 50, 100})
		// Close drops late acts that had not begun.
		if n := p.acts.Load(); n < 70 || n > 80 {
			t.Errorf("%d acts, want 50 + 10 lost + 10 truncated + at most 10 late", n)
		}
	})
}

func TestServer_FailActed(t *testing.T) {
	p := new(provider)
	opt := simulator.Options{FailureEnvelope: func(status int) ([]byte, string) {
		return fmt.Appendf(nil, `{"code":%d}`, status), "application/json"
	}}
	inBothModes(t, opt, p, func(t *testing.T, s *simulator.Server) {
		p.acts.Store(0)
		s.FailActed(1, 500, http.Header{"Retry-After": {"7"}})
		if got := get(t, s, "/x"); got.Status != 500 || got.Body != `{"code":500}` || got.Header.Get("Retry-After") != "7" {
			t.Errorf("%+v", got)
		}
		if n := p.acts.Load(); n != 1 {
			t.Errorf("%d acts, want 1", n)
		}
		if got := get(t, s, "/x"); got.Status != 200 {
			t.Errorf("afterwards: %+v", got)
		}
	})
}
