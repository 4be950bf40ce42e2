package session_test

import (
	"context"
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
			head, whole := session.Peek(tt.resp, tt.n)
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
			head, whole := session.Peek(resp, 10)
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
			session.Peek(resp, 10)
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
			if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
				t.Error("read from a closed body")
			}
		})
	})
}

func TestTransport_stalled401(t *testing.T) {
	t.Run("the request is sent again without waiting for the body", func(t *testing.T) {
		for name, body := range map[string]io.Reader{"GET": nil, "POST": strings.NewReader("order")} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				g := new(rig)
				g.respond = func(r *http.Request) (*http.Response, error) {
					if r.Header.Get("Authorization") != "Bearer token 0" {
						return answer(200, "yes"), nil
					}
					resp := answer(401, "")
					pr, _ := io.Pipe()
					context.AfterFunc(r.Context(), func() { _ = pr.Close() })
					resp.Body, resp.ContentLength = pr, 100
					return resp, nil
				}
				start := time.Now()
				r, _ := http.NewRequestWithContext(ctx, name, target, body)
				resp, err := g.transport().RoundTrip(r)
				if err != nil || resp.StatusCode != 200 || time.Since(start) > 100*time.Millisecond {
					t.Errorf("%s: %v, %v after %v", name, resp, err, time.Since(start))
				}
			})
		}
	})
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
