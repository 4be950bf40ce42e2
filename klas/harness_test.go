package klas_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/klas"
)

const (
	secret = "test-secret"

	// compact is the body of the page's example, without white space.
	compact = `{"request_id":"1234-5678-90ab-cdef12345678","timestamp":1710000000,"session_id":"1234-5678-90ab-cdef12345678","player_id":"12001"}`
)

// sign recomputes signatures without the package under test.
func sign(secret string, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

func newHook(t testing.TB, change ...func(*klas.Config)) *klas.Webhook {
	t.Helper()
	cfg := klas.Config{Secrets: providerauth.StaticSecrets(secret)}
	for _, f := range change {
		f(&cfg)
	}
	hook, err := klas.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return hook
}

// keeps lets everybody in, and keeps what it was asked.
func keeps(t testing.TB, got *klas.AuthenticateRequest) klas.AuthenticatorFunc {
	answer := accept(t)
	return func(ctx context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		*got = req
		return answer(ctx, req)
	}
}

// accept lets everybody in with 30 EUR.
func accept(t testing.TB) klas.AuthenticatorFunc {
	thirty := testkit.ParseAmount(t, "30")
	return func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		return klas.AuthenticateResponse{Currency: "EUR", Balance: thirty}, nil
	}
}

// honours is accept for who does not let anybody in whose context has ended.
func honours(t testing.TB) klas.AuthenticatorFunc {
	answer := accept(t)
	return func(ctx context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		if ctx.Err() != nil {
			return klas.AuthenticateResponse{}, ctx.Err()
		}
		return answer(ctx, req)
	}
}

// fails is an Authenticator with that error.
func fails(err error) klas.AuthenticatorFunc {
	return func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		return klas.AuthenticateResponse{}, err
	}
}

// unreachable is an Authenticator that must not be asked.
func unreachable(t testing.TB) klas.AuthenticatorFunc {
	return func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
		t.Error("the authenticator was asked")
		return klas.AuthenticateResponse{}, nil
	}
}

// notReached is a handler behind Middleware that must not be asked.
func notReached(t testing.TB) http.Handler {
	return handler(func(http.ResponseWriter, *http.Request) { t.Error("the handler was asked") })
}

func request(body string, signatures ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/authenticate", bytes.NewReader([]byte(body)))
	r.Header.Set("Content-Type", "application/json")
	for _, s := range signatures {
		r.Header.Add("X-Signature", s)
	}
	return r
}

// post sends a body signed with the secret and returns the answer, which must
// be signed with it too.
func post(t testing.TB, h http.Handler, body string) string {
	t.Helper()
	return send(t, h, request(body, sign(secret, body)), secret)
}

func send(t testing.TB, h http.Handler, r *http.Request, signer string) string {
	t.Helper()
	w := httptest.NewRecorder()
	var served sync.WaitGroup
	served.Go(func() { h.ServeHTTP(w, r) }) // it may end its goroutine
	served.Wait()
	return signed(t, w.Result(), signer)
}

// eitherWay runs f for requests of both versions of HTTP.
func eitherWay(t *testing.T, name string, f func(t *testing.T, way func(*http.Request))) {
	t.Helper()
	for version, way := range map[string]func(*http.Request){
		"HTTP/1.1": func(*http.Request) {},
		"HTTP/2.0": func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0 },
	} {
		t.Run(strings.TrimPrefix(name+" over "+version, " "), func(t *testing.T) { f(t, way) })
	}
}

// signed returns the body of an answer that is HTTP 200 and signed with the
// secret.
func signed(t testing.TB, resp *http.Response, signer string) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	body := string(b)
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d for %s", resp.StatusCode, body)
	}
	if got := resp.Header["X-Signature"]; len(got) != 1 || got[0] != sign(signer, body) {
		t.Errorf("answer %s is signed %q, not with %q", body, got, signer)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	return body
}

const (
	ok              = `{"currency":"EUR","balance":"30","status_code":"OK"}`
	badBody         = `{"status_code":"ERR_INVALID_BODY"}`
	badParams       = `{"status_code":"ERR_BAD_PARAMS"}`
	unknown         = `{"status_code":"ERR_UNKNOWN"}`
	integrityFailed = `{"status_code":"ERR_INTEGRITY_CHECK_FAILED"}`
)

func want(t testing.TB, got, expected string) {
	t.Helper()
	if got != expected {
		t.Errorf("answer %s, want %s", got, expected)
	}
}

// results collects what OnResult is told.
type results chan klas.Result

func (r results) config(cfg *klas.Config) {
	cfg.OnResult = func(_ context.Context, res klas.Result) { r <- res }
}

func newResults() results { return make(results, 100) }

// body makes a webhook of the members given, and the page's values for those
// that are not.
func body(members map[string]any) string {
	m := map[string]any{
		"request_id": "r-1", "timestamp": 1710000000, "session_id": "s-1", "player_id": "12001",
	}
	for k, v := range members {
		if m[k] = v; v == absent {
			delete(m, k)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// absent removes a member.
var absent = new(int)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
