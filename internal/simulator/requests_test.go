package simulator_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/internal/simulator"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestRequestsAreLoggedAsReceived(t *testing.T) {
	spoil := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Header.Set("Api-Key", "spoiled")
		r.URL.Path = "/spoiled"
	})
	inBothModes(t, simulator.Options{}, spoil, func(t *testing.T, s *simulator.Server) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/a/b?c=d", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header["api-key"] = []string{"k"}
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		type seen struct{ Method, Path, Query, URI, Key, Body string }
		want := []seen{{"POST", "/a/b", "c=d", "/base/a/b?c=d", "k", "body"}}
		for range 2 { // the first reader spoils nothing for the second
			var got []seen
			for _, r := range s.Requests() {
				b, _ := io.ReadAll(r.Body)
				got = append(got, seen{r.Method, r.URL.Path, r.URL.RawQuery, r.RequestURI, r.Header.Get("Api-Key"), string(b)})
				r.Header.Set("Api-Key", "spoiled")
				r.URL.Path = "/spoiled"
			}
			testkit.Equal(t, "requests", got, want)
		}
	})
}

func TestCountIsPerPathBelowTheBasePath(t *testing.T) {
	inBothModes(t, simulator.Options{}, echo, func(t *testing.T, s *simulator.Server) {
		s.FailNext(1, 503, nil)
		for _, path := range []string{"/a", "/a?x=y", "/b", "/../a"} {
			get(t, s, path)
		}
		send(t.Context(), s.Client(), http.MethodGet, strings.TrimSuffix(s.URL(), "/base")+"/a", "")
		got := []int{s.Count("/a"), s.Count("/b"), s.Count("/c"), len(s.Requests())}
		testkit.Equal(t, "/a, /b, /c, requests", got, []int{2, 1, 0, 5})
		s.ResetRequests()
		if n, m := s.Count("/a"), len(s.Requests()); n != 0 || m != 0 {
			t.Errorf("after ResetRequests: %d and %d", n, m)
		}
		get(t, s, "/a")
		if n, m := s.Count("/a"), len(s.Requests()); n != 1 || m != 1 {
			t.Errorf("after one more: %d and %d", n, m)
		}
	})
}

func TestRequestBrokenOffByTheClientIsNotSeen(t *testing.T) {
	p := new(provider)
	inBothModes(t, simulator.Options{}, p, func(t *testing.T, s *simulator.Server) {
		p.acts.Store(0)
		body := io.MultiReader(strings.NewReader("part"), brokenReader{})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/x", body)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := s.Client().Do(req); err == nil {
			res.Body.Close()
			t.Errorf("status %d, want an error", res.StatusCode)
		}
		s.Close()
		if n := p.acts.Load(); n != 0 || len(s.Requests()) != 0 {
			t.Errorf("%d acts, %d requests", n, len(s.Requests()))
		}
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrNoProgress }
