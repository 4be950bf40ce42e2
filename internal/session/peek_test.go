package session_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestPeek(t *testing.T) {
	broken := errors.New("reset")
	for name, tt := range map[string]struct {
		resp  *http.Response
		n     int
		head  string
		whole bool
		rest  string
	}{
		"puts back a short body":                   {&http.Response{StatusCode: 200, ContentLength: 5, Body: io.NopCloser(strings.NewReader("hello"))}, 5, "hello", true, "hello<nil>"},
		"puts back a failure without a length":     {&http.Response{StatusCode: 401, ContentLength: -1, Body: io.NopCloser(strings.NewReader("hello"))}, 5, "hello", true, "hello<nil>"},
		"reads the beginning of a long failure":    {&http.Response{StatusCode: 401, ContentLength: -1, Body: io.NopCloser(strings.NewReader("hello world"))}, 5, "hello", false, "hello world<nil>"},
		"hands on the error of a body":             {&http.Response{StatusCode: 401, ContentLength: 9, Body: io.NopCloser(io.MultiReader(strings.NewReader("hel"), failing{broken}))}, 9, "hel", false, "helreset"},
		"does not read a success without a length": {&http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader("hello"))}, 5, "", false, "hello<nil>"},
		"does not read a long success":             {&http.Response{StatusCode: 200, ContentLength: 11, Body: io.NopCloser(strings.NewReader("hello world"))}, 5, "", false, "hello world<nil>"},
		"takes no body for an empty body":          {&http.Response{StatusCode: 200, Body: http.NoBody}, 5, "", true, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			head, whole := session.Peek(t.Context(), tt.resp, tt.n)
			check(t, "peeked", fmt.Sprint(string(head), whole), fmt.Sprint(tt.head, tt.whole))
			all, err := io.ReadAll(tt.resp.Body)
			check(t, "read after", fmt.Sprint(string(all), err), tt.rest)
		})
	}

	t.Run("does not wait for a body that stalls", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, w := io.Pipe()
			resp := &http.Response{StatusCode: 401, ContentLength: 10, Body: r}
			go func() { _, _ = io.WriteString(w, "half") }()
			start := time.Now()
			head, whole := session.Peek(t.Context(), resp, 10)
			check(t, "peeked", fmt.Sprint(string(head), whole, time.Since(start)), "halffalse 100ms")
			go func() {
				_, _ = io.WriteString(w, "+half")
				_ = w.Close()
			}()
			all, err := io.ReadAll(resp.Body)
			check(t, "read after", fmt.Sprint(string(all), err), "half+half<nil>")
		})
	})

	t.Run("a body that stalls can be closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, _ := io.Pipe()
			resp := &http.Response{StatusCode: 401, ContentLength: 10, Body: r}
			session.Peek(t.Context(), resp, 10)
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
			if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
				t.Error("read from a closed body")
			}
		})
	})
}

// An unending body is announced and never comes. Its Read ignores every context,
// and so does its Close, until end is closed.
type unending struct{ end chan struct{} }

func (u unending) Read([]byte) (int, error) { <-u.end; return 0, io.EOF }
func (u unending) Close() error             { <-u.end; return nil }

// byBody is the dialect of a provider that rejects by 401, unless the body says
// "other".
type byBody struct{ dialect }

func (byBody) Rejected(_ string, r *http.Request, resp *http.Response) bool {
	head, _ := session.Peek(r.Context(), resp, 10)
	return resp.StatusCode == http.StatusUnauthorized && string(head) != "other"
}

func TestTransport_stalled401(t *testing.T) {
	for name, tt := range map[string]struct {
		dialect session.Dialect
		wait    time.Duration
	}{
		"is replayed at once if its status is the rejection": {dialect{}, 0},
		"is replayed after 100 ms if its body may say more":  {byBody{}, 100 * time.Millisecond},
	} {
		for method, body := range map[string]string{"GET": "", "POST": "order"} {
			for _, length := range []int64{100, -1} {
				t.Run(fmt.Sprintf("a 401 with a body of length %d to a %s %s", length, method, name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						old := unending{make(chan struct{})}
						defer close(old.end)
						g := &rig{dialect: tt.dialect, good: map[string]bool{"T1": true}}
						g.respond = func(r *http.Request) (*http.Response, error) {
							if r.Header.Get("Authorization") != "Bearer T0" {
								return nil, nil
							}
							resp := answer(http.StatusUnauthorized, "")
							resp.Body, resp.ContentLength = old, length
							return resp, nil
						}
						r, cancel := within(t, time.Minute, method, strings.NewReader(body))
						defer cancel()
						start := time.Now()
						resp, err := g.transport().RoundTrip(r)
						if err != nil || resp.StatusCode != http.StatusOK || time.Since(start) != tt.wait {
							t.Errorf("%v, %v after %v", resp, err, time.Since(start))
						}
					})
				})
			}
		}
	}

	t.Run("a caller whose context ends does not wait for the body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			old := unending{make(chan struct{})}
			defer close(old.end)
			g := &rig{dialect: byBody{}}
			g.respond = func(*http.Request) (*http.Response, error) {
				resp := answer(http.StatusUnauthorized, "")
				resp.Body, resp.ContentLength = old, 100
				return resp, nil
			}
			r, cancel := within(t, 10*time.Millisecond, http.MethodGet, nil)
			defer cancel()
			start := time.Now()
			_, _ = g.transport().RoundTrip(r)
			check(t, "held for", time.Since(start), 10*time.Millisecond)
		})
	})
}

// The rest of a rejected answer is read while the request is sent again, so that
// the connection can be used again.
func TestTransport_drains(t *testing.T) {
	for name, tt := range map[string]struct {
		body io.Reader
		want string // of what is read
	}{
		"a short body is read to its end, and closed": {strings.NewReader("no"), "no"},
		"of a long body 16 KiB are read":              {strings.NewReader(strings.Repeat("x", 1<<20)), strings.Repeat("x", 16<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var read strings.Builder
				old := &closer{Reader: io.TeeReader(tt.body, &read)}
				g := &rig{good: map[string]bool{"T1": true}}
				g.respond = func(r *http.Request) (*http.Response, error) {
					if r.Header.Get("Authorization") != "Bearer T0" {
						return nil, nil
					}
					resp := answer(http.StatusUnauthorized, "")
					resp.Body, resp.ContentLength = old, -1
					return resp, nil
				}
				status, _, err := post(t, g.transport(), target, nil)
				synctest.Wait()
				check(t, "answer", fmt.Sprint(status, err), "200 <nil>")
				check(t, "read, closed", fmt.Sprint(read.String() == tt.want, old.closed), "true true")
			})
		})
	}
}

func TestTransport_request(t *testing.T) {
	t.Run("the answer names the caller's request, which has no token", func(t *testing.T) {
		g := &rig{respond: func(r *http.Request) (*http.Response, error) {
			resp := answer(200, "yes")
			resp.Request = r
			return resp, nil
		}}
		r := testkit.MustRequest(target)
		resp, err := g.transport().RoundTrip(r)
		if err != nil || resp.Request != r || len(r.Header) != 0 {
			t.Errorf("%v, %v", resp, err)
		}
	})
}
