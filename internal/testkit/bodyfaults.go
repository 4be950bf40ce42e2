package testkit

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A Streamer is a simulator.
type Streamer interface {
	URL() string
	Close()
	Intercept(wrap func(next http.Handler) http.Handler)
	Stream(n int, events <-chan string, header http.Header, only ...func(*http.Request) bool)
}

// A TokenClient is an http.Client for requests with a token to a simulator.
type TokenClient struct {
	Simulator Streamer
	Client    *http.Client
	Path      string        // of a request whose token the simulator checks
	Patience  time.Duration // of the judge of a 401 for its body; 0: the status decides
	Done      func()        // closes the SDK's client
}

// Streams tests the immediate delivery of answers to the caller, in simulated
// time. open makes a client with a token at hand.
func Streams(t *testing.T, open func(t *testing.T) TokenClient) {
	t.Helper()
	for _, kind := range []string{"application/json", "application/x-ndjson", "text/event-stream", ""} {
		t.Run(fmt.Sprintf("a stream of type %q reaches the caller as it comes", kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t)
				defer c.Simulator.Close()
				defer c.Done()
				events := make(chan string)
				c.Simulator.Stream(1, events, http.Header{"Content-Type": {kind}}, Path(c.Path))
				start := time.Now()
				resp, err := c.Client.Get(c.Simulator.URL() + c.Path)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				Equal(t, "time until the header", time.Since(start), 0)
				for range 3 {
					time.Sleep(time.Second)
					start = time.Now()
					events <- "{}\n"
					b := make([]byte, 10)
					n, _ := resp.Body.Read(b)
					Equal(t, "event", fmt.Sprintf("%q after %v", b[:n], time.Since(start)), `"{}\n" after 0s`)
				}
			})
		})
	}

	t.Run("a 401 whose body stalls is replayed at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := open(t)
			defer c.Simulator.Close()
			defer c.Done()
			c.Simulator.Intercept(stalled401(Path(c.Path)))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Simulator.URL()+c.Path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second) // a signed token of the same second would be the same
			start := time.Now()
			resp, err := c.Client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if took := time.Since(start); resp.StatusCode == http.StatusUnauthorized || took != c.Patience {
				t.Errorf("status %d after %v", resp.StatusCode, took)
			}
		})
	})

	t.Run("a protocol that changes is handed on with Write", func(t *testing.T) {
		c := open(t)
		defer c.Simulator.Close()
		defer c.Done()
		c.Simulator.Intercept(switching(Path(c.Path)))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Simulator.URL()+c.Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "echo")
		resp, err := c.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, writes := resp.Body.(interface{ Write([]byte) (int, error) }); !writes || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("status %d with a %T", resp.StatusCode, resp.Body)
		}
	})

	t.Run("the answer's request has no credential", func(t *testing.T) {
		c := open(t)
		defer c.Simulator.Close()
		defer c.Done()
		resp, err := c.Client.Get(c.Simulator.URL() + c.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		Equal(t, "header", len(resp.Request.Header), 0)
	})
}

// stalled401 answers the first request accepted by is with a 401 whose body
// does not come.
func stalled401(is func(*http.Request) bool) func(http.Handler) http.Handler {
	var seen atomic.Bool
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !is(r) || seen.Swap(true) {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusUnauthorized)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
	}
}

// switching answers requests accepted by is with 101.
func switching(is func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !is(r) {
				next.ServeHTTP(w, r)
				return
			}
			conn, out, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = out.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_ = out.Flush()
		})
	}
}
