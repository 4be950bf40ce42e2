package platformtoken_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/puzpuzpuz/xsync/v4"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
)

// A platform answers in the caller's goroutine, so that 100,000 tokens are made
// quickly.
type platform struct{ requests atomic.Int64 }

func (p *platform) RoundTrip(r *http.Request) (*http.Response, error) {
	n := p.requests.Add(1)
	body := fmt.Sprintf(`{"isSuccess":true,"code":0,"data":{"token":"%0400d"}}`, n) // as long as the sample
	return testkit.Responding(http.StatusOK, nil, body)(r)
}

func (p *platform) config() platformtoken.Config {
	return platformtoken.Config{
		BaseURL: "https://api.example.com", TenantID: 1, Secret: providerauth.StaticSecret("s"),
		HTTPClient: &http.Client{Transport: p},
	}
}

const many = 100_000

func manyPlayers() []platformtoken.Player {
	players := make([]platformtoken.Player, many)
	for i := range players {
		players[i] = platformtoken.Player{UserID: fmt.Sprintf("t1_%06d", i), Currency: "BRL"}
	}
	return players
}

func filled(b *testing.B, players []platformtoken.Player) *platformtoken.Client {
	b.Helper()
	c := open(b, (&platform{}).config())
	for _, p := range players {
		if _, err := c.Token(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

// BenchmarkTokenOf100000Players looks tokens up. The floor is a map of xsync's
// that holds them, and a look at the wall clock.
func BenchmarkTokenOf100000Players(b *testing.B) {
	players := manyPlayers()
	c := filled(b, players)
	defer c.Close()
	floor := xsync.NewMap[string, *platformtoken.Token]()
	for _, p := range players {
		tok, err := c.Token(b.Context(), p)
		if err != nil {
			b.Fatal(err)
		}
		floor.Store(p.UserID, &tok)
	}
	ctx := context.Background()
	for _, pick := range []struct {
		name string
		next func(*rand.Rand) platformtoken.Player
	}{
		{"hot", func(*rand.Rand) platformtoken.Player { return players[0] }},
		{"spread", func(r *rand.Rand) platformtoken.Player { return players[r.IntN(many)] }},
	} {
		for _, get := range []struct {
			name string
			get  func(platformtoken.Player) (platformtoken.Token, error)
		}{
			{"floor", func(p platformtoken.Player) (platformtoken.Token, error) {
				t, ok := floor.Load(p.UserID)
				if !ok || !time.Now().Before(t.ExpiresAt) {
					return platformtoken.Token{}, context.Canceled
				}
				return *t, nil
			}},
			{"client", func(p platformtoken.Player) (platformtoken.Token, error) { return c.Token(ctx, p) }},
		} {
			b.Run(pick.name+"/"+get.name, func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					r := rand.New(rand.NewPCG(rand.Uint64(), 1))
					for pb.Next() {
						if _, err := get.get(pick.next(r)); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}

// BenchmarkBytesOfAPlayer weighs 100,000 players, and what of it are their ids
// and tokens, which nobody who keeps tokens can do without.
func BenchmarkBytesOfAPlayer(b *testing.B) {
	for b.Loop() {
		players := manyPlayers()
		start := heap()
		c := filled(b, players)
		total := heap() - start
		tokens := make([]platformtoken.Token, many)
		start = heap()
		for i := range tokens {
			tokens[i] = platformtoken.NewToken(fmt.Sprintf("%0400d", i), time.Time{})
		}
		content := heap() - start
		per := func(n int64) float64 { return float64(n) / many }
		b.ReportMetric(per(total), "B/player")
		b.ReportMetric(per(total-content)-float64(unsafe.Sizeof(platformtoken.Token{})), "B/player-beside-token")
		runtime.KeepAlive(tokens)
		runtime.KeepAlive(players)
		c.Close()
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkTransportFor signs a request and attaches a token, over a transport
// that does nothing.
func BenchmarkTransportFor(b *testing.B) {
	c := open(b, (&platform{}).config())
	defer c.Close()
	answer := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}
	rt := c.TransportFor(brl, tap(func(*http.Request, http.RoundTripper) (*http.Response, error) { return answer, nil }).through(nil))
	b.ReportAllocs()
	for b.Loop() {
		r, err := http.NewRequest(http.MethodPost, "https://api.example.com/player/getBalance", strings.NewReader(`{"userId":"t1_225478"}`))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := rt.RoundTrip(r); err != nil {
			b.Fatal(err)
		}
	}
}
