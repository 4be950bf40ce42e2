package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/transport"
)

type order struct {
	RequestID string `json:"request_id"`
	Timestamp int64  `json:"timestamp"`
	PlayerID  string `json:"player_id"`
}

var someOrder = &order{"3f0c9a57-6b1e-4b8e-9a0e-2d6d1c9f4a10", 1767225600, "p-10023777777777777777777777777777777777777777777777777777777"}

var cannedAnswer = bytes.Repeat([]byte("a"), 200)

// canned answers without a network, so that what remains is the client's.
type canned struct{}

func (canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	r.Body.Close()
	return &http.Response{
		StatusCode:    200,
		Header:        http.Header{},
		Body:          io.NopCloser(bytes.NewReader(cannedAnswer)),
		ContentLength: int64(len(cannedAnswer)),
		Request:       r,
	}, nil
}

// BenchmarkCall compares a call with net/http doing the same by hand: marshal,
// build, set the same headers, send, read at most 1 MiB.
func BenchmarkCall(b *testing.B) {
	const base = "https://api.example/v1"
	plain := func(b *testing.B, timeout time.Duration) {
		client := &http.Client{Transport: canned{}}
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if err := bare(ctx, client, base+"/orders", timeout); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("net-http", func(b *testing.B) { plain(b, 0) })
	b.Run("net-http-with-timeout", func(b *testing.B) { plain(b, 10*time.Second) })
	for name, policy := range map[string]transport.Policy{"Do": transport.Safe, "Do-once": transport.Once} {
		b.Run(name, func(b *testing.B) {
			do := sdk(b, base, policy, canned{})
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if err := do(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// overNetHTTP is an *http.Transport that has its answers from canned.
func overNetHTTP() http.RoundTripper {
	rt := &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	rt.RegisterProtocol("https", canned{})
	return rt
}

func TestCallMakesAtMostSixAllocationsMoreThanNetHTTP(t *testing.T) {
	const base = "https://api.example/v1"
	ctx := context.Background()
	count := func(f func() error) float64 {
		return testing.AllocsPerRun(1000, func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, tt := range []struct {
		rt   http.RoundTripper
		most float64
	}{
		{overNetHTTP(), 6},
		{canned{}, 10}, // an attempt over another RoundTripper runs on a goroutine of its own
	} {
		client := &http.Client{Transport: tt.rt}
		do := sdk(t, base, transport.Once, tt.rt)
		floor := count(func() error { return bare(ctx, client, base+"/orders", 10*time.Second) })
		if got := count(func() error { return do(ctx) }); got > floor+tt.most {
			t.Errorf("%T: %v allocations, net/http makes %v", tt.rt, got, floor)
		}
	}
}

func sdk(t testing.TB, base string, policy transport.Policy, rt http.RoundTripper) func(context.Context) error {
	c := transport.New(transport.Config{BaseURL: parse(t, base), HTTPClient: &http.Client{Transport: rt}})
	call := transport.Call{
		Op: "Order", Method: "POST", Path: "/orders", In: someOrder, Policy: policy,
		Signer: signer(func(_ context.Context, r *http.Request, _ []byte) error {
			r.Header.Set("Authorization", "Bearer token")
			r.Header.Set("X-Signature", "signature")
			return nil
		}),
	}
	return func(ctx context.Context) error {
		_, err := c.Do(ctx, call)
		return err
	}
}

func bare(ctx context.Context, client *http.Client, url string, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(someOrder); err != nil {
		return err
	}
	body := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	r, err := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "providerauth-go")
	r.Header.Set("Authorization", "Bearer token")
	r.Header.Set("X-Signature", "signature")
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20+1))
	return err
}
