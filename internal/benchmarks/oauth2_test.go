package benchmarks

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/oauth2"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/platformtoken"
)

const (
	baseURL = "https://api.example.com"
	secret  = "secret-1"
)

var order = []byte(`{"userId":"t1_225478","currency":"BRL","amount":"10.00"}`)

// base is the RoundTripper below all transports. It reads the body to its end and
// closes it, as net/http does.
type base struct{}

var noHeader = http.Header{}

func (base) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: noHeader, Body: http.NoBody, Request: r}, nil
}

// peers are two transports that do the same with a request.
type peers struct{ ours, theirs http.RoundTripper }

// partner puts the same token on a request, by partnerjwt and by oauth2.
func partner(b *testing.B) peers {
	c, err := partnerjwt.New(partnerjwt.Config{
		ClientID: "client-1", Secret: providerauth.StaticSecret(secret), BaseURL: baseURL,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	t, err := c.Token(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return peers{c.Transport(base{}), oauth2Transport(t.Value(), base{})}
}

// platform puts the same token and a signature on a request, by platformtoken and
// by oauth2 over a RoundTripper that signs.
func platform(b *testing.B) peers {
	c, err := platformtoken.New(platformtoken.Config{
		BaseURL: baseURL, TenantID: 1, Secret: providerauth.StaticSecret(secret),
		HTTPClient: &http.Client{Transport: createToken{}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	p := platformtoken.Player{UserID: "t1_225478", Currency: "BRL"}
	t, err := c.Token(context.Background(), p)
	if err != nil {
		b.Fatal(err)
	}
	return peers{c.TransportFor(p, base{}), oauth2Transport(t.Value(), signing{})}
}

func oauth2Transport(token string, below http.RoundTripper) http.RoundTripper {
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token, Expiry: time.Now().Add(24 * time.Hour)})
	return &oauth2.Transport{Source: oauth2.ReuseTokenSource(nil, source), Base: below}
}

// createToken answers platformtoken's request for a token.
type createToken struct{}

func (createToken) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := `{"isSuccess":true,"code":0,"data":{"token":"` + strings.Repeat("0123456789", 40) + `"}}`
	return &http.Response{StatusCode: http.StatusOK, Header: noHeader, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

// signing signs as platformtoken does, written as most services write it.
type signing struct{}

func (signing) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	signed := r.Clone(r.Context())
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		signed.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		signed.Body, _ = signed.GetBody()
	}
	sum := md5.New()
	_, _ = io.WriteString(sum, secret)
	_, _ = sum.Write(body)
	_, _ = io.WriteString(sum, secret)
	signed.Header.Set("sign", hex.EncodeToString(sum.Sum(nil)))
	signed.Header.Set("timestamp", strconv.FormatInt(time.Now().Unix(), 10))
	signed.Header.Set("Accept-Language", "en")
	return base{}.RoundTrip(signed)
}

func newRequest(b *testing.B, method string) *http.Request {
	var body io.Reader
	if method == http.MethodPost {
		body = bytes.NewReader(order)
	}
	r, err := http.NewRequest(method, baseURL+"/wallet/order", body)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	return r
}

// A way returns a function that returns the requests to send.
type way func(b *testing.B, method string) (next func() *http.Request)

// made is a request as an operator sends it, made anew each time.
func made(b *testing.B, method string) func() *http.Request {
	return func() *http.Request { return newRequest(b, method) }
}

// kept is always the same request, with its body rewound.
func kept(b *testing.B, method string) func() *http.Request {
	r := newRequest(b, method)
	return func() *http.Request {
		if r.GetBody != nil {
			r.Body, _ = r.GetBody()
		}
		return r
	}
}

// BenchmarkOAuth2 compares attaching a token with oauth2.Transport. It reports
// ratios: below 1, this SDK is faster.
//
//   - partnerjwt: a request is made and sent. Target: a POST of at most 1.2.
//   - partnerjwt-kept: the same, without the time that making the request takes.
//   - platformtoken: each request is also signed, on the other side by signing.
//
// Both sides have the same token, valid for the whole run, the same base, and the
// same requests by http.NewRequest: with the headers Accept and Content-Type, without
// a deadline, the POST with a bytes.Reader as its body. oauth2.Transport has a
// ReuseTokenSource. All other settings are the defaults: the SDK's transports replace
// a rejected token, and keep net/http from sending a POST again by itself.
//
// The sides take turns of 2,000 requests, the SDK's turns between two of the other
// side, so that other load of the machine falls on both. The figures are medians of
// the rounds' ratios: cpu of the CPU time of the process, garbage collection
// included, and wall of the time that passed. Other load disturbs cpu less. Run it
// with -cpu 1.
func BenchmarkOAuth2(b *testing.B) {
	b.Run("partnerjwt", func(b *testing.B) { compare(b, partner(b), made) })
	b.Run("partnerjwt-kept", func(b *testing.B) { compare(b, partner(b), kept) })
	b.Run("platformtoken", func(b *testing.B) { compare(b, platform(b), made) })
}

// compare reports ratios of the peers for a GET and for a POST.
func compare(b *testing.B, p peers, requests way) {
	methods := []string{http.MethodGet, http.MethodPost}
	ratios := map[string][]float64{}
	for b.Loop() {
		for _, method := range methods {
			next := requests(b, method)
			theirs := turn(b, p.theirs, next)
			ours := turn(b, p.ours, next).plus(turn(b, p.ours, next))
			theirs = theirs.plus(turn(b, p.theirs, next))
			ratios[method+"-cpu"] = append(ratios[method+"-cpu"], float64(ours.cpu)/float64(theirs.cpu))
			ratios[method+"-wall"] = append(ratios[method+"-wall"], float64(ours.wall)/float64(theirs.wall))
		}
	}
	for unit, all := range ratios {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], unit)
	}
	b.ReportMetric(0, "ns/op") // of both peers together, which says nothing
}

type times struct{ cpu, wall time.Duration }

func (t times) plus(u times) times { return times{t.cpu + u.cpu, t.wall + u.wall} }

// turn sends 2,000 requests: enough of them to pay for their own garbage.
func turn(b *testing.B, rt http.RoundTripper, next func() *http.Request) times {
	start, cpu := time.Now(), cpuTime(b)
	for range 2000 {
		resp, err := rt.RoundTrip(next())
		if err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	return times{cpuTime(b) - cpu, time.Since(start)}
}

// cpuTime is the user and system time of the process.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
