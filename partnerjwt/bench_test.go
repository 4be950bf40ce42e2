package partnerjwt_test

import (
	"context"
	"net/http"
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

// Among them are the copy of the request and its header. oauth2.Transport takes
// seven.
func TestATokenIsAttachedWithFourAllocations(t *testing.T) {
	rt := offline(t).Transport(nowhere{})
	req, err := http.NewRequest(http.MethodGet, "https://partner.example.com/portfolio", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := rt.RoundTrip(req); err != nil {
			t.Fatal(err)
		}
	}); n > 4 {
		t.Errorf("%v allocations", n)
	}
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
	c := offline(b)
	req, err := http.NewRequest(http.MethodGet, "https://partner.example.com/portfolio", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	for name, rt := range map[string]http.RoundTripper{"bare": nowhere{}, "Transport": c.Transport(nowhere{})} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rt.RoundTrip(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
