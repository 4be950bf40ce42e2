package simulator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/internal/simulator"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// inBothModes runs f against a socket and, in a bubble, against memory. The
// bubble fails if Close leaves a goroutine behind.
func inBothModes(t *testing.T, opt simulator.Options, h http.Handler, f func(t *testing.T, s *simulator.Server)) {
	t.Helper()
	t.Run("socket", func(t *testing.T) {
		s := simulator.New(h, opt)
		defer s.Close()
		f(t, s)
	})
	opt.InMemory = true
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := simulator.New(h, opt)
			defer s.Close()
			f(t, s)
		})
	})
}

// inBubble runs f against a server in memory.
func inBubble(t *testing.T, h http.Handler, f func(t *testing.T, s *simulator.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(h, simulator.Options{InMemory: true})
		defer s.Close()
		f(t, s)
	})
}

type result struct {
	Status int
	Body   string
	Header http.Header
	Err    error // of the call, or of reading the body
}

func send(ctx context.Context, c *http.Client, method, url, body string) result {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return result{Err: err}
	}
	res, err := c.Do(req)
	if err != nil {
		return result{Err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return result{res.StatusCode, string(b), res.Header, err}
}

func get(t *testing.T, s *simulator.Server, path string) result {
	return send(t.Context(), s.Client(), http.MethodGet, s.URL()+path, "")
}

func post(t *testing.T, s *simulator.Server, path, body string) result {
	return send(t.Context(), s.Client(), http.MethodPost, s.URL()+path, body)
}

var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+string(b))
})

func TestHandlerSeesPathsRelativeToTheBasePath(t *testing.T) {
	for _, tc := range []struct{ base, inURL string }{
		{"", "/base"},
		{"/", ""},
		{"api", "/api"},
		{"/api/v1/", "/api/v1"},
		{"/a b", "/a%20b"},
	} {
		t.Run(tc.base, func(t *testing.T) {
			inBothModes(t, simulator.Options{BasePath: tc.base}, echo, func(t *testing.T, s *simulator.Server) {
				if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") || !strings.HasSuffix(s.URL(), tc.inURL) || strings.HasSuffix(s.URL(), "/") {
					t.Errorf("URL %q, want one on 127.0.0.1 that ends in %q", s.URL(), tc.inURL)
				}
				for path, want := range map[string]string{"/x/y": "POST /x/y in", "": "POST / in", "/x%2Fy": "POST /x/y in"} {
					if got := post(t, s, path, "in"); got.Status != 200 || got.Body != want || got.Err != nil {
						t.Errorf("%q: %+v, want %q", path, got, want)
					}
				}
			})
		})
	}
}

func TestEscapedPathsStayEscapedBelowTheBasePath(t *testing.T) {
	raw := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.EscapedPath()) })
	s := simulator.New(raw, simulator.Options{BasePath: "/a b"})
	defer s.Close()
	if got := get(t, s, "/x%2Fy"); got.Body != "/x%2Fy" {
		t.Errorf("the handler saw %q", got.Body)
	}
}

func TestPathsOutsideTheBasePathAreNotFound(t *testing.T) {
	inBothModes(t, simulator.Options{}, echo, func(t *testing.T, s *simulator.Server) {
		s.FailNext(1, 503, nil)
		root := strings.TrimSuffix(s.URL(), "/base")
		for _, path := range []string{"", "/", "/x", "/basement", "/BASE/x"} {
			if got := send(t.Context(), s.Client(), http.MethodGet, root+path, ""); got.Status != 404 {
				t.Errorf("%q: status %d, want 404", path, got.Status)
			}
		}
		if got := get(t, s, "/x"); got.Status != 503 {
			t.Errorf("status %d: a request outside the base path has used up a fault", got.Status)
		}
	})
}

func TestNilHandlerIsNotFound(t *testing.T) {
	inBothModes(t, simulator.Options{}, nil, func(t *testing.T, s *simulator.Server) {
		if got := get(t, s, "/x"); got.Status != 404 {
			t.Errorf("%+v, want 404", got)
		}
	})
}

func TestClientIsTheSameEachTime(t *testing.T) {
	inBothModes(t, simulator.Options{}, echo, func(t *testing.T, s *simulator.Server) {
		first, second := s.Client(), s.Client()
		if first != second {
			t.Error("two clients")
		}
		if tr, ok := first.Transport.(*http.Transport); !ok || tr == http.DefaultTransport {
			t.Errorf("transport %T, want a *http.Transport of its own", first.Transport)
		}
	})
}

func TestConnectionsAreKept(t *testing.T) {
	const callers = 100
	var mu sync.Mutex
	seen := map[string]bool{}
	s := simulator.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.RemoteAddr] = true
	}), simulator.Options{})
	defer s.Close()
	for range 5 {
		testkit.Crowd(callers, func(int) { get(t, s, "/x") })
	}
	mu.Lock()
	defer mu.Unlock()
	// The transport may dial for a caller that then gets a freed connection, so
	// up to twice as many are possible.
	if len(seen) > 2*callers {
		t.Errorf("%d connections for %d callers", len(seen), callers)
	}
}

func TestInMemoryNothingElseIsReached(t *testing.T) {
	inBubble(t, echo, func(t *testing.T, s *simulator.Server) {
		for _, url := range []string{"http://127.0.0.1:2/base/x", "http://example.com/base/x"} {
			if got := send(t.Context(), s.Client(), http.MethodGet, url, ""); !errors.Is(got.Err, syscall.ECONNREFUSED) {
				t.Errorf("%s: %+v, want a refused connection", url, got)
			}
		}
	})
}

func TestInterceptorsWrapFaultsAndTheLastAddedIsFirst(t *testing.T) {
	inBothModes(t, simulator.Options{}, echo, func(t *testing.T, s *simulator.Server) {
		mark := func(name string) func(http.Handler) http.Handler {
			return func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Add("Seen", name)
					next.ServeHTTP(w, r)
				})
			}
		}
		s.Intercept(mark("inner"))
		s.Intercept(mark("outer"))
		s.FailNext(1, 503, nil)
		for _, want := range []int{503, 200} {
			got := get(t, s, "/x")
			if diff := cmp.Diff([]string{"outer", "inner"}, got.Header["Seen"]); got.Status != want || diff != "" {
				t.Errorf("status %d, want %d, through (-want +got):\n%s", got.Status, want, diff)
			}
		}
		s.Intercept(nil)
		if got := get(t, s, "/x"); got.Status != 200 || got.Header["Seen"] != nil {
			t.Errorf("after Intercept(nil): %+v", got)
		}
	})
}

func TestInterceptorMayReplaceTheRequestBody(t *testing.T) {
	inBothModes(t, simulator.Options{}, echo, func(t *testing.T, s *simulator.Server) {
		s.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Body = io.NopCloser(strings.NewReader("other"))
				next.ServeHTTP(w, r)
			})
		})
		if got := post(t, s, "/x", "one"); got.Body != "POST /x other" {
			t.Errorf("body %q", got.Body)
		}
		if b, _ := io.ReadAll(s.Requests()[0].Body); string(b) != "one" {
			t.Errorf("logged body %q, want the one received", b)
		}
	})
}

func TestDateHeaderFollowsTheServersClock(t *testing.T) {
	inBubble(t, echo, func(t *testing.T, s *simulator.Server) {
		time.Sleep(1500 * time.Millisecond)
		for _, offset := range []time.Duration{0, time.Hour, -90 * time.Second} {
			s.SetClockOffset(offset)
			want := time.Now().Add(offset)
			if !s.Now().Equal(want) {
				t.Errorf("offset %v: Now is %v, want %v", offset, s.Now(), want)
			}
			for range 2 {
				got := get(t, s, "/x")
				if date := got.Header.Get("Date"); date != want.UTC().Format(http.TimeFormat) {
					t.Errorf("offset %v: %d, Date %q, want %v", offset, got.Status, date, want)
				}
				s.FailNext(1, 401, nil)
			}
			s.FailNext(0, 0, nil)
		}
	})
}

func TestServer_SetDateOffset(t *testing.T) {
	inBubble(t, echo, func(t *testing.T, s *simulator.Server) {
		s.SetClockOffset(time.Minute)
		s.SetDateOffset(-time.Hour)
		now := time.Now()
		if want := now.Add(time.Minute); !s.Now().Equal(want) {
			t.Errorf("Now is %v, want %v", s.Now(), want)
		}
		date := func() string { return get(t, s, "/x").Header.Get("Date") }
		if got, want := date(), now.Add(time.Minute-time.Hour).UTC().Format(http.TimeFormat); got != want {
			t.Errorf("Date %q, want %q", got, want)
		}
		s.SetDateOffset(0)
		if got, want := date(), now.Add(time.Minute).UTC().Format(http.TimeFormat); got != want {
			t.Errorf("set right: Date %q, want %q", got, want)
		}
	})
}

func TestServer_SetAge(t *testing.T) {
	inBubble(t, echo, func(t *testing.T, s *simulator.Server) {
		for age, want := range map[time.Duration][]string{2 * time.Hour: {"7200"}, 0: nil, -time.Second: nil} {
			s.SetAge(age)
			h := get(t, s, "/x").Header
			if date := time.Now().Add(-max(age, 0)).UTC().Format(http.TimeFormat); !cmp.Equal(h["Age"], want) || h.Get("Date") != date {
				t.Errorf("%v: Age %q, Date %q, want %q, %q", age, h["Age"], h.Get("Date"), want, date)
			}
		}
	})
}

func TestNowHasNoMonotonicReading(t *testing.T) {
	s := simulator.New(echo, simulator.Options{})
	defer s.Close()
	if now := s.Now(); now != now.Round(0) { // compares the readings too
		t.Errorf("%v", now)
	}
}

func TestDateHeaderCanBeChangedAndLeftOut(t *testing.T) {
	s := simulator.New(echo, simulator.Options{})
	defer s.Close()
	for _, want := range [][]string{{"Thu, 01 Jan 1970 00:00:00 GMT"}, nil} {
		s.FailNext(1, 401, http.Header{"Date": want})
		if got := get(t, s, "/x"); !cmp.Equal(got.Header["Date"], want) {
			t.Errorf("FailNext: Date %q, want %q", got.Header["Date"], want)
		}
		s.Intercept(nil)
		s.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Date"] = want
				next.ServeHTTP(w, r)
			})
		})
		if got := get(t, s, "/x"); !cmp.Equal(got.Header["Date"], want) {
			t.Errorf("Intercept: Date %q, want %q", got.Header["Date"], want)
		}
		s.Intercept(nil)
	}
}

func TestClosedServerRefusesConnections(t *testing.T) {
	inBothModes(t, simulator.Options{}, echo, func(t *testing.T, s *simulator.Server) {
		get(t, s, "/x")
		s.Close()
		if got := get(t, s, "/x"); !errors.Is(got.Err, syscall.ECONNREFUSED) {
			t.Errorf("%+v, want a refused connection", got)
		}
	})
}

func TestCloseCancelsHandlersAndWaitsForThem(t *testing.T) {
	started, ended := make(chan struct{}), false
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		ended = true // a race unless Close waits
	})
	s := simulator.New(slow, simulator.Options{})
	got := make(chan result)
	go func() { got <- get(t, s, "/x") }()
	<-started
	s.Close()
	if !ended {
		t.Error("Close returned before the handler")
	}
	if r := <-got; r.Err == nil {
		t.Errorf("%+v, want an error", r)
	}
}

func TestCloseMayBeCalledBySeveralWhileAHandlerSleeps(t *testing.T) {
	sleep := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
	inBubble(t, sleep, func(t *testing.T, s *simulator.Server) {
		go get(t, s, "/x")
		synctest.Wait()
		start := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(s.Close)
		}
		wg.Wait()
		s.Close()
		if took := time.Since(start); took != time.Minute {
			t.Errorf("closed after %v, want 1m", took)
		}
	})
}

func TestCloseEndsClientsOfCallersOwn(t *testing.T) {
	inBubble(t, echo, func(t *testing.T, s *simulator.Server) {
		own := &http.Client{Transport: s.Client().Transport.(*http.Transport).Clone()}
		if got := send(t.Context(), own, http.MethodGet, s.URL()+"/x", ""); got.Status != 200 {
			t.Errorf("%+v", got)
		}
		// Its kept connection would fail the bubble if Close left it open.
	})
}

// printed returns what f and the servers started in it write to stderr.
func printed(t *testing.T, f func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	stderr := os.Stderr
	os.Stderr = w
	func() {
		defer func() { os.Stderr = stderr }()
		f()
	}()
	w.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOnlyPanicsOfHandlersArePrinted(t *testing.T) {
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("the handler's own words")
		}
	})
	text := printed(t, func() {
		s := simulator.New(h, simulator.Options{})
		defer s.Close()
		s.Reset(1)
		post(t, s, "/reset", "")
		s.LoseAnswers(1)
		post(t, s, "/lost", "")
		s.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				w.WriteHeader(200) // net/http complains
			})
		})
		post(t, s, "/twice", "")
		if got := post(t, s, "/panic", ""); got.Err == nil {
			t.Errorf("%+v, want a broken connection", got)
		}
	})
	if strings.Count(text, "simulator: ") != 1 || !strings.Contains(text, "the handler's own words") {
		t.Errorf("printed:\n%s\nwant the one panic", text)
	}
}
