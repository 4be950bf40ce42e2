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

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// promptly is how long a caller may be held after the end of its context.
const promptly = 20 * time.Millisecond

// A deaf RoundTripper ignores the context: it returns when end is closed.
type deaf struct {
	end   chan struct{}
	late  closeCounter // the body of its answer
	asked string       // the URL it sees when it returns
}

func newDeaf() *deaf { return &deaf{end: make(chan struct{})} }

func (d *deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	<-d.end
	d.asked = r.URL.String()
	resp := answer(http.StatusOK, "late")
	resp.Body = &d.late
	return resp, nil
}

// A closeCounter is an empty body that counts Close.
type closeCounter struct{ closed int }

func (c *closeCounter) Read([]byte) (int, error) { return 0, io.EOF }
func (c *closeCounter) Close() error             { c.closed++; return nil }

// within returns a request whose context ends after d, and its end.
func within(t *testing.T, d time.Duration, method string, body io.Reader) (*http.Request, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	return r, cancel
}

func TestTransport_deaf(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run("a "+method+" ends with its context although the RoundTripper goes on", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, base := new(rig), newDeaf()
				var body closeCounter
				r, cancel := within(t, time.Second, method, &body)
				defer cancel()
				start := time.Now()
				time.AfterFunc(time.Minute, func() { close(base.end) })
				resp, err := g.client().Transport(g.user(), base).RoundTrip(r)
				if took := time.Since(start); resp != nil || !errors.Is(err, context.DeadlineExceeded) || took > time.Second+promptly {
					t.Fatalf("%v, %v after %v", resp, err, took)
				}
				check(t, "not sent", errors.Is(err, providerauth.ErrNotSent), false)
				check(t, "request body closed", body.closed, 1)
				check(t, "abandoned", g.client().Stats(providerauth.Stats{}).Abandoned, 1)
				r.URL.Host = "elsewhere.example.com"
				time.Sleep(time.Hour)
				synctest.Wait()
				check(t, "abandoned at the end", g.client().Stats(providerauth.Stats{}).Abandoned, 0)
				check(t, "late body closed", base.late.closed, 1)
				check(t, "URL", base.asked, target)
			})
		})
	}

	t.Run("a caller that cancels is not held", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, base := new(rig), newDeaf()
			r, cancel := within(t, time.Hour, http.MethodGet, nil)
			defer cancel()
			defer close(base.end)
			start := time.Now()
			time.AfterFunc(time.Second, cancel)
			_, err := g.client().Transport(g.user(), base).RoundTrip(r)
			if took := time.Since(start); !errors.Is(err, context.Canceled) || took > time.Second+promptly {
				t.Errorf("%v after %v", err, took)
			}
		})
	})

	t.Run("the Timeout of an http.Client ends its request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, base := new(rig), newDeaf()
			c := g.client().HTTPClient(g.client().Transport(g.user(), base))
			c.Timeout = time.Second
			start := time.Now()
			time.AfterFunc(time.Minute, func() { close(base.end) })
			_, err := c.Post(target, "text/plain", strings.NewReader("order"))
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > time.Second+promptly {
				t.Errorf("%v after %v", err, took)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			check(t, "late body closed", base.late.closed, 1)
		})
	})

	t.Run("a repeat with another token ends with its context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, base := new(rig), newDeaf()
			sent := 0
			rt := g.client().Transport(g.user(), testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
				if sent++; sent == 1 {
					return answer(http.StatusUnauthorized, "no"), nil
				}
				return base.RoundTrip(r)
			}))
			r, cancel := within(t, time.Second, http.MethodPost, strings.NewReader("order"))
			defer cancel()
			defer close(base.end)
			start := time.Now()
			_, err := rt.RoundTrip(r)
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > time.Second+promptly {
				t.Errorf("%v after %v", err, took)
			}
		})
	})

	t.Run("a request whose context has ended is not sent", func(t *testing.T) {
		g := new(rig)
		var body closeCounter
		r, cancel := within(t, time.Hour, http.MethodPost, &body)
		cancel()
		_, err := g.transport().RoundTrip(r)
		check(t, "canceled, not sent", fmt.Sprint(errors.Is(err, context.Canceled), errors.Is(err, providerauth.ErrNotSent)), "true true")
		check(t, "sent, body closed", fmt.Sprint(len(g.sent), body.closed), "0 1")
	})
}

func TestTransport_deafStream(t *testing.T) {
	t.Run("a stream comes as the RoundTripper reads it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			events, w := io.Pipe()
			g := &rig{respond: func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{}, Body: events}, nil
			}}
			go func() {
				for range 3 {
					time.Sleep(time.Minute)
					_, _ = io.WriteString(w, "event ")
				}
				_ = w.Close()
			}()
			r, cancel := within(t, time.Hour, http.MethodPost, strings.NewReader("order"))
			defer cancel()
			start := time.Now()
			resp, err := g.transport().RoundTrip(r)
			if err != nil || time.Since(start) != 0 {
				t.Fatalf("%v after %v", err, time.Since(start))
			}
			b := make([]byte, 10)
			n, _ := resp.Body.Read(b)
			check(t, "event", fmt.Sprintf("%q after %v", b[:n], time.Since(start)), `"event " after 1m0s`)
			rest, err := io.ReadAll(resp.Body)
			check(t, "rest", fmt.Sprint(string(rest), err), "event event <nil>")
		})
	})
}

func TestTransport_panic(t *testing.T) {
	t.Run("a panic of the RoundTripper is an error, and closes the request's body", func(t *testing.T) {
		g := &rig{respond: func(*http.Request) (*http.Response, error) { panic("hidden") }}
		var body closeCounter
		r, cancel := within(t, time.Hour, http.MethodPost, &body)
		defer cancel()
		_, err := g.transport().RoundTrip(r)
		check(t, "error", err, "the RoundTripper below panicked with a string")
		check(t, "not sent", errors.Is(err, providerauth.ErrNotSent), false)
		check(t, "body is closed", body.closed > 0, true)
	})
}
