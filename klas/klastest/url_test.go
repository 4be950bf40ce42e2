package klastest_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/klas/klastest"
)

// An observed server knows which of its connections are open.
type observed struct {
	*httptest.Server
	mu   sync.Mutex
	open map[net.Conn]bool
	seen int
}

// unstarted returns a server that logs nothing.
func unstarted(h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	return srv
}

func observe(t *testing.T, h http.Handler) *observed {
	o := &observed{Server: unstarted(h), open: map[net.Conn]bool{}}
	o.Config.ConnState = func(c net.Conn, state http.ConnState) {
		o.mu.Lock()
		defer o.mu.Unlock()
		switch state {
		case http.StateNew:
			o.open[c] = true
			o.seen++
		case http.StateClosed, http.StateHijacked:
			delete(o.open, c)
		}
	}
	t.Cleanup(o.Close)
	return o
}

// allClosed waits until no connection is open.
func (o *observed) allClosed(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		o.mu.Lock()
		open, seen := len(o.open), o.seen
		o.mu.Unlock()
		switch {
		case seen == 0:
			t.Fatal("there was no connection")
		case open == 0:
			return
		case time.Now().After(deadline):
			t.Fatalf("%d of %d connections are still open", open, seen)
		}
	}
}

func TestTestURL_redirect(t *testing.T) {
	var reached atomic.Int32
	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer foreign.Close()
	host := strings.TrimPrefix(foreign.URL, "http://")
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(http.StatusText(status)+" is found and not followed", func(t *testing.T) {
			redirect := http.RedirectHandler(foreign.URL+"/authenticate?token=t-4f5e6d", status)
			srv := httptest.NewServer(redirect)
			defer srv.Close()
			own := &http.Client{Transport: srv.Client().Transport}
			withClient := options
			withClient.Client = own
			for how, err := range map[string]error{
				"default client": klastest.TestURL(t.Context(), srv.URL, options),
				"own client":     klastest.TestURL(t.Context(), srv.URL, withClient),
				"handler":        klastest.TestHandler(redirect, options),
			} {
				testkit.Equal(t, how, cases(err), []string{"good call"})
				if err == nil {
					continue
				}
				want := "answered with a redirect to " + host + ", HTTP status "
				if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "it must not be followed") {
					t.Errorf("%s: %v", how, err)
				}
				if testkit.Leak(err.Error(), "t-4f5e6d") != "" {
					t.Errorf("%s shows the query of the Location: %v", how, err)
				}
			}
			if own.CheckRedirect != nil {
				t.Error("the operator's client was changed")
			}
			if n := reached.Load(); n > 0 {
				t.Errorf("%d webhooks reached the foreign host", n)
			}
		})
	}
	t.Run("a redirect of one case is found by that case", func(t *testing.T) {
		h := endpoint(t, nil)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				http.Redirect(w, r, foreign.URL, http.StatusFound)
				return
			}
			h.ServeHTTP(w, r)
		}))
		defer srv.Close()
		testkit.Equal(t, "cases", cases(klastest.TestURL(t.Context(), srv.URL, options)), []string{"GET"})
		if n := reached.Load(); n > 0 {
			t.Errorf("%d webhooks reached the foreign host", n)
		}
	})
}

func TestTestURL_connections(t *testing.T) {
	t.Run("the default client leaves no connection open", func(t *testing.T) {
		srv := observe(t, endpoint(t, nil))
		srv.Start()
		testkit.Must(t, klastest.TestURL(t.Context(), srv.URL, options))
		srv.allClosed(t)
	})
	t.Run("nor after findings", func(t *testing.T) {
		srv := observe(t, &plain{fault: "no verification"})
		srv.Start()
		if klastest.TestURL(t.Context(), srv.URL, options) == nil {
			t.Error("nothing is found")
		}
		srv.allClosed(t)
	})
	t.Run("nor after a failed handshake", func(t *testing.T) {
		srv := observe(t, endpoint(t, nil))
		srv.StartTLS()
		if klastest.TestURL(t.Context(), srv.URL, options) == nil {
			t.Error("nothing is found")
		}
		srv.allClosed(t)
	})
	t.Run("the operator's client keeps its own", func(t *testing.T) {
		srv := observe(t, endpoint(t, nil))
		srv.Start()
		opt := options
		opt.Client = srv.Client()
		testkit.Must(t, klastest.TestURL(t.Context(), srv.URL, opt))
		srv.mu.Lock()
		defer srv.mu.Unlock()
		if len(srv.open) == 0 {
			t.Error("all connections are closed")
		}
	})
}

func TestTestURL_stalledBody(t *testing.T) {
	const name = "body that stops before its end"
	over := func(t *testing.T, h http.Handler, http2 bool) error {
		srv := unstarted(h)
		srv.EnableHTTP2 = http2
		srv.StartTLS()
		defer srv.Close()
		opt := options
		opt.Client = srv.Client()
		return klastest.TestURL(t.Context(), srv.URL, opt)
	}
	for version, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run("an endpoint with a deadline passes over "+version, func(t *testing.T) {
			testkit.Must(t, over(t, endpoint(t, nil), http2))
		})
		t.Run("an endpoint without a deadline is found over "+version, func(t *testing.T) {
			testkit.Equal(t, "cases", cases(over(t, &plain{fault: "no read deadline"}, http2)), []string{name})
		})
	}
	t.Run("a server that closes the connection passes at once", func(t *testing.T) {
		h := endpoint(t, nil)
		srv := unstarted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength == options.MaxBodyBytes { // only the body that stops
				_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
				panic(http.ErrAbortHandler)
			}
			h.ServeHTTP(w, r)
		}))
		srv.Start()
		defer srv.Close()
		opt := options
		opt.HandlerTimeout = time.Hour
		testkit.Must(t, klastest.TestURL(t.Context(), srv.URL, opt))
	})
	t.Run("an answer after the rest is found through any RoundTripper", func(t *testing.T) {
		srv := unstarted(&plain{fault: "no read deadline"})
		srv.Start()
		defer srv.Close()
		opt := options
		opt.Client = &http.Client{Transport: testkit.RoundTrip(srv.Client().Transport.RoundTrip)}
		testkit.Equal(t, "cases", cases(klastest.TestURL(t.Context(), srv.URL, opt)), []string{name})
	})
}
