package testkit

import (
	"io"
	"maps"
	"math"
	"net/http"
	"strings"
	"testing"
)

// RoundTrip is an http.RoundTripper.
type RoundTrip func(*http.Request) (*http.Response, error)

// RoundTrip makes a request.
func (f RoundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Responding is a RoundTrip with an answer of its own to every request.
func Responding(status int, header http.Header, body string) RoundTrip {
	return func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			r.Body.Close()
		}
		answer := &http.Response{
			StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r,
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1,
		}
		maps.Copy(answer.Header, header)
		return answer, nil
	}
}

// Path accepts requests to a path.
func Path(path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Path == path }
}

// MustRequest returns a GET request with an empty body.
func MustRequest(url string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, url, io.NopCloser(strings.NewReader("")))
	if err != nil {
		panic(err)
	}
	return r
}

// Request returns a request with a body.
func Request(t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Do sends a request, and returns the answer and its body.
func Do(t testing.TB, h *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := h.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// Last returns the last of a server's requests accepted by is, and its body.
func Last(t testing.TB, all []*http.Request, is ...func(*http.Request) bool) (*http.Request, string) {
	t.Helper()
	var last *http.Request
	for _, r := range all {
		if len(is) == 0 || is[0](r) {
			last = r
		}
	}
	if last == nil {
		t.Fatal("no requests")
	}
	b, err := io.ReadAll(last.Body)
	if err != nil {
		t.Fatal(err)
	}
	return last, string(b)
}

// A Faulty is a simulator.
type Faulty interface {
	Intercept(wrap func(next http.Handler) http.Handler)
	FailNext(n, status int, header http.Header, only ...func(*http.Request) bool)
}

// FailTokens returns a function for Subject: is accepts the simulator's token
// requests.
func FailTokens(srv Faulty, is func(*http.Request) bool) func(status int) {
	return func(status int) {
		if status == 0 {
			srv.Intercept(Hanging(is))
			return
		}
		srv.FailNext(math.MaxInt, status, nil, is)
	}
}

// Always is a simulator's interceptor with an answer of its own to every
// request, or to requests accepted by all of only.
func Always(status int, header http.Header, body string, only ...func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, accepts := range only {
				if !accepts(r) {
					next.ServeHTTP(w, r)
					return
				}
			}
			for name, values := range header {
				w.Header()[name] = values
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
}

// Hanging is an interceptor of a simulator. Requests accepted by is are neither
// acted on nor answered.
func Hanging(is func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if is(r) {
				<-r.Context().Done()
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}
}
