package transport_test

import (
	"bytes"
	"context"
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
			do := sdk(b, base, policy)
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

func TestCallMakesAtMostSixAllocationsMoreThanNetHTTP(t *testing.T) {
	const base = "https://api.example/v1"
	client := &http.Client{Transport: canned{}}
	do := sdk(t, base, transport.Once)
	ctx := context.Background()
	count := func(f func() error) float64 {
		return testing.AllocsPerRun(1000, func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	floor := count(func() error { return bare(ctx, client, base+"/orders", 10*time.Second) })
	if got := count(func() error { return do(ctx) }); got > floor+6 {
		t.Errorf("%v allocations, net/http makes %v", got, floor)
	}
}

func sdk(t testing.TB, base string, policy transport.Policy) func(context.Context) error {
	c := transport.New(transport.Config{BaseURL: parse(t, base), HTTPClient: &http.Client{Transport: canned{}}})
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
