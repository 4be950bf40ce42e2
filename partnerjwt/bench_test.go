package partnerjwt_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/partnerjwt"
)

func offline(tb testing.TB) *partnerjwt.Client {
	c, err := partnerjwt.New(partnerjwt.Config{
		ClientID: "client-1", Secret: providerauth.StaticSecret("secret-1"), BaseURL: "https://partner.example.com",
	})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := c.Token(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

func TestFreshTokenIsHandedOutWithoutAllocation(t *testing.T) {
	c, ctx := offline(t), context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := c.Token(ctx); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Among them are the copy of the request and its header; for a POST also the
// guard against a second sending by net/http, and the end of its context. Of a GET,
// oauth2.Transport takes seven.
func TestTransport_allocations(t *testing.T) {
	rt := offline(t).Transport(nowhere{})
	for method, most := range map[string]float64{http.MethodGet: 4, http.MethodPost: 15} {
		req := request(t, method)
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := rt.RoundTrip(req); err != nil {
				t.Fatal(err)
			}
		}); n > most {
			t.Errorf("%s: %v allocations, want at most %v", method, n, most)
		}
	}
}

// Over an *http.Transport a context that can end makes no difference: no request
// needs a goroutine of its own.
func TestTransport_allocationsOverNetHTTP(t *testing.T) {
	base := &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	base.RegisterProtocol("https", nowhere{})
	rt := offline(t).Transport(base)
	for method, most := range map[string]float64{http.MethodGet: 4, http.MethodPost: 15} {
		req := request(t, method).WithContext(t.Context())
		count := func(rt http.RoundTripper) float64 {
			return testing.AllocsPerRun(1000, func() {
				if _, err := rt.RoundTrip(req); err != nil {
					t.Fatal(err)
				}
			})
		}
		if more := count(rt) - count(base); more > most {
			t.Errorf("%s: %v allocations more than net/http's, want at most %v", method, more, most)
		}
	}
}

// request has a body that can be rewound, if its method is POST. Nobody reads it.
func request(t testing.TB, method string) *http.Request {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("{}")
	}
	req, err := http.NewRequest(method, "https://partner.example.com/trade", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	return req
}

// floor is what no holder of a token can do without: one atomic load and one
// look at the wall clock.
type floor struct {
	p atomic.Pointer[held]
}

type held struct {
	refreshAt int64
	token     partnerjwt.Token
}

//go:noinline
func (f *floor) Token(context.Context) (partnerjwt.Token, error) {
	if h := f.p.Load(); h != nil && time.Now().UnixNano() < h.refreshAt {
		return h.token, nil
	}
	return partnerjwt.Token{}, context.Canceled
}

// BenchmarkToken compares a fresh token of the Client with the floor, in one
// run: the ratio is what counts.
func BenchmarkToken(b *testing.B) {
	var f floor
	f.p.Store(&held{time.Now().Add(time.Hour).UnixNano(), partnerjwt.NewToken("x", time.Now().Add(time.Hour))})
	ctx := context.Background()
	for _, tc := range []struct {
		name   string
		source partnerjwt.TokenSource
	}{{"floor", &f}, {"Client", offline(b)}} {
		b.Run(tc.name+"/serial", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tc.source.Token(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(tc.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := tc.source.Token(ctx); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return answer, nil }

var answer = &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}

// BenchmarkTransport is the cost of putting a token on a request.
func BenchmarkTransport(b *testing.B) {
	transport := offline(b).Transport(nowhere{})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for name, rt := range map[string]http.RoundTripper{"bare": nowhere{}, "Transport": transport} {
			b.Run(method+"/"+name, func(b *testing.B) {
				req := request(b, method)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := rt.RoundTrip(req); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
