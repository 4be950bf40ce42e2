package klas_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
)

var benchSecret = strings.Repeat("0123456789abcdef", 2)

type benchRequest struct {
	RequestID string `json:"request_id"`
	Timestamp int64  `json:"timestamp"`
	SessionID string `json:"session_id"`
	PlayerID  string `json:"player_id"`
}

type benchResponse struct {
	Currency   string `json:"currency"`
	Balance    string `json:"balance"`
	StatusCode string `json:"status_code"`
}

func benchSign(body []byte) string {
	m := hmac.New(sha256.New, []byte(benchSecret))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// benchBodies differ, so that no decoder gains by having seen a string before.
var benchBodies, benchSignatures = func() (bodies [4096][]byte, signatures [4096][]string) {
	r := rand.New(rand.NewPCG(1, 2))
	id := func() string {
		return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Int64N(1<<48))
	}
	for i := range bodies {
		bodies[i] = fmt.Appendf(nil, `{"request_id":%q,"timestamp":1767225600,"session_id":%q,"player_id":"p-%05d"}`, id(), id(), r.IntN(100000))
		signatures[i] = []string{benchSign(bodies[i])}
	}
	return bodies, signatures
}()

// plainHandler is how most services write it: no deadline, no panic caught, no
// answer to a request that is not good.
func plainHandler(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	m := hmac.New(sha256.New, []byte(benchSecret))
	m.Write(b)
	got, err := hex.DecodeString(r.Header.Get("X-Signature"))
	if err != nil || !hmac.Equal(m.Sum(nil), got) {
		http.Error(w, "signature", http.StatusUnauthorized)
		return
	}
	var q benchRequest
	if err := json.Unmarshal(b, &q); err != nil {
		http.Error(w, "json", http.StatusBadRequest)
		return
	}
	out, err := json.Marshal(&benchResponse{"EUR", "30", "OK"})
	if err != nil {
		http.Error(w, "encode", http.StatusInternalServerError)
		return
	}
	m = hmac.New(sha256.New, []byte(benchSecret))
	m.Write(out)
	w.Header().Set("X-Signature", hex.EncodeToString(m.Sum(nil)))
	w.Header().Set("Content-Type", "application/json")
	w.Write(out)
}

// pooledHandler does the same with all that can be pooled pooled, and the
// secret built in.
type pooledHandler struct {
	macs, scratches sync.Pool
}

type pooledMAC struct {
	h   hash.Hash
	sum [sha256.Size]byte
}

type pooledScratch struct {
	in  []byte
	q   benchRequest
	r   benchResponse
	sum [sha256.Size]byte
	hex [2 * sha256.Size]byte
}

func newPooledHandler() *pooledHandler {
	h := &pooledHandler{}
	h.macs.New = func() any { return &pooledMAC{h: hmac.New(sha256.New, []byte(benchSecret))} }
	h.scratches.New = func() any { return &pooledScratch{in: make([]byte, 0, 4096)} }
	return h
}

func (h *pooledHandler) sum(out *[sha256.Size]byte, body []byte) {
	m := h.macs.Get().(*pooledMAC)
	m.h.Reset()
	m.h.Write(body)
	m.h.Sum(m.sum[:0])
	*out = m.sum
	h.macs.Put(m)
}

func (h *pooledHandler) verify(s *pooledScratch, signature string) bool {
	var want [sha256.Size]byte
	if len(signature) != len(s.hex) {
		return false
	}
	copy(s.hex[:], signature)
	if _, err := hex.Decode(want[:], s.hex[:]); err != nil {
		return false
	}
	h.sum(&s.sum, s.in)
	return hmac.Equal(s.sum[:], want[:])
}

var benchJSON = []string{"application/json"}

func (h *pooledHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := h.scratches.Get().(*pooledScratch)
	defer h.scratches.Put(s)
	var err error
	if s.in, err = readInto(s.in[:0], r.Body, 64<<10); err != nil {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	signature := r.Header["X-Signature"]
	if len(signature) != 1 || !h.verify(s, signature[0]) {
		http.Error(w, "signature", http.StatusUnauthorized)
		return
	}
	s.q = benchRequest{}
	if err := json.Unmarshal(s.in, &s.q); err != nil {
		http.Error(w, "json", http.StatusBadRequest)
		return
	}
	s.r = benchResponse{"EUR", "30", "OK"}
	out, err := json.Marshal(&s.r)
	if err != nil {
		http.Error(w, "encode", http.StatusInternalServerError)
		return
	}
	h.sum(&s.sum, out)
	hex.Encode(s.hex[:], s.sum[:])
	header := w.Header()
	header["X-Signature"] = []string{string(s.hex[:])}
	header["Content-Type"] = benchJSON
	w.Write(out)
}

func readInto(dst []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
		if len(dst) > limit {
			return dst, http.ErrContentLength
		}
	}
}

type benchBody struct{ *bytes.Reader }

func (benchBody) Close() error { return nil }

// benchWriter can do what net/http's own writers can.
type benchWriter struct{ *httptest.ResponseRecorder }

func (benchWriter) FlushError() error               { return nil }
func (benchWriter) SetReadDeadline(time.Time) error { return nil }

// newBenchLoop returns a function that serves one request after the other.
func newBenchLoop() func(http.Handler) *httptest.ResponseRecorder {
	body := bytes.NewReader(nil)
	r := httptest.NewRequest(http.MethodPost, "/authenticate", nil)
	r.Body = benchBody{body}
	r.ContentLength = int64(len(benchBodies[0]))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Length", strconv.Itoa(len(benchBodies[0])))
	i := 0
	return func(h http.Handler) *httptest.ResponseRecorder {
		body.Reset(benchBodies[i])
		r.Header["X-Signature"] = benchSignatures[i]
		i = (i + 1) % len(benchBodies)
		w := httptest.NewRecorder()
		h.ServeHTTP(benchWriter{w}, r)
		return w
	}
}

func emptyHandler(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = benchJSON
	w.Write(benchAnswer)
}

var benchAnswer = []byte(`{"currency":"EUR","balance":"30","status_code":"OK"}`)

func benchHandler(tb testing.TB) http.Handler {
	hook, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets(benchSecret)})
	if err != nil {
		tb.Fatal(err)
	}
	thirty, err := providerauth.ParseAmount("30")
	if err != nil {
		tb.Fatal(err)
	}
	return hook.AuthenticateHandler(klas.AuthenticatorFunc(
		func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			return klas.AuthenticateResponse{Currency: "EUR", Balance: thirty}, nil
		}))
}

// benchVariants are the handler and the same task written without this
// package. What counts is the difference to the empty handler.
func benchVariants(b *testing.B) []benchVariant {
	return []benchVariant{
		{"empty", http.HandlerFunc(emptyHandler)},
		{"plain-stdlib", http.HandlerFunc(plainHandler)},
		{"pooled+encoding/json", newPooledHandler()},
		{"klas", benchHandler(b)},
	}
}

type benchVariant struct {
	name string
	h    http.Handler
}

func BenchmarkHandler(b *testing.B) {
	for _, v := range benchVariants(b) {
		b.Run(v.name, func(b *testing.B) {
			b.ReportAllocs()
			next := newBenchLoop()
			for b.Loop() {
				if w := next(v.h); w.Code != http.StatusOK || w.Body.Len() != len(benchAnswer) {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

// BenchmarkHandlerParallel is the same with all processors busy, as in a
// service under load.
func BenchmarkHandlerParallel(b *testing.B) {
	for _, v := range benchVariants(b) {
		b.Run(v.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				next := newBenchLoop()
				for pb.Next() {
					if w := next(v.h); w.Code != http.StatusOK {
						panic(w.Code)
					}
				}
			})
		})
	}
}

// BenchmarkHandlerRatio puts a figure on the handler: its cost above the empty
// one, as a ratio to the others' (the target: at most 1 of the pooled one, and
// 1/1.5 of the plain one). The variants take turns, so that what else the
// machine does falls on all of them; of the turns the median counts. A turn is
// long enough to pay for the garbage that it makes, and to be done with what the
// others left.
func BenchmarkHandlerRatio(b *testing.B) {
	const turn = 10_000
	variants := benchVariants(b)
	took := make([][]float64, len(variants))
	next := newBenchLoop()
	for b.Loop() {
		for i, v := range variants {
			start := time.Now()
			for range turn {
				next(v.h)
			}
			took[i] = append(took[i], float64(time.Since(start).Nanoseconds())/turn)
		}
	}
	above := map[string]float64{}
	for i, v := range variants {
		slices.Sort(took[i])
		above[v.name] = took[i][len(took[i])/2] - took[0][len(took[0])/2]
	}
	b.ReportMetric(above["klas"], "ns-above-empty")
	b.ReportMetric(above["klas"]/above["pooled+encoding/json"], "of-pooled")
	b.ReportMetric(above["klas"]/above["plain-stdlib"], "of-plain")
	b.ReportMetric(0, "ns/op") // of all variants together, which says nothing
}
