package klas_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/klas"
)

func handler(f func(w http.ResponseWriter, r *http.Request)) http.Handler { return http.HandlerFunc(f) }

// writes is a handler that answers with these bytes.
func writes(answer string) http.Handler {
	return handler(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
}

const balanceOK = `{"balance":"30","status_code":"OK"}`

func TestMiddlewarePassesTheVerifiedBytesOn(t *testing.T) {
	const b = " {\"request_id\": \"r\",\n \"game_code\":\"DM-J1K2\"}\n"
	var got string
	h := newHook(t).Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		all, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = string(all)
		if r.ContentLength != int64(len(b)) || r.URL.Path != "/authenticate" || r.Header.Get("X-Signature") == "" {
			t.Errorf("request %d %s %v", r.ContentLength, r.URL, r.Header)
		}
		_, _ = io.WriteString(w, balanceOK)
	}))
	r := request(b, sign(secret, b))
	r.ContentLength = -1
	want(t, send(t, h, r, secret), balanceOK)
	if got != b {
		t.Errorf("body %q, want %q", got, b)
	}
}

func TestMiddlewareDoesNotPassOnWhatIsNotVerified(t *testing.T) {
	hook := newHook(t, func(cfg *klas.Config) { cfg.MaxBodyBytes = 1000 })
	h := hook.Middleware(handler(func(http.ResponseWriter, *http.Request) { t.Error("the handler was asked") }))
	want(t, send(t, h, request(compact), secret), integrityFailed)
	want(t, send(t, h, request(compact, sign("forger", compact)), secret), integrityFailed)
	long := strings.Repeat("x", 1001)
	want(t, send(t, h, request(long, sign(secret, long)), secret), integrityFailed)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/balance", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", w.Code)
	}
}

func TestMiddlewareSignsTheAnswerByteForByte(t *testing.T) {
	for _, answer := range []string{
		balanceOK, balanceOK + "\n", " " + balanceOK, `{"status_code":"ERR_INSUFFICIENT_FUNDS"}`, `{"a":"<&>"}`, `{}`,
	} {
		want(t, post(t, newHook(t).Middleware(writes(answer)), compact), answer)
	}
	t.Run("in pieces, by an encoder", func(t *testing.T) {
		h := newHook(t).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = json.NewEncoder(w).Encode(map[string]string{"status_code": "OK"})
			_, _ = io.WriteString(w, "\n")
		}))
		want(t, post(t, h, compact), "{\"status_code\":\"OK\"}\n\n")
	})
}

func TestWhatIsNoAnswerBecomesUnknown(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"nothing":         handler(func(http.ResponseWriter, *http.Request) {}),
		"error page":      handler(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "db secret-detail", 500) }),
		"not found":       http.NotFoundHandler(),
		"created":         handler(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); _, _ = io.WriteString(w, balanceOK) }),
		"redirect":        http.RedirectHandler("/elsewhere", http.StatusFound),
		"status 999":      handler(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(999); _, _ = io.WriteString(w, balanceOK) }),
		"panic":           handler(func(http.ResponseWriter, *http.Request) { panic("secret-detail") }),
		"abort":           handler(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"goroutine ended": handler(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, balanceOK); runtime.Goexit() }),
		"panic later":     handler(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, balanceOK); panic("x") }),
		"too long":        writes(`{"x":"` + strings.Repeat("x", 10_000) + `"}`),
		"endless":         handler(endless),
		"text":            writes("OK"),
		"array":           writes("[" + balanceOK + "]"),
		"null":            writes("null"),
		"truncated":       writes(balanceOK[:10]),
		"two objects":     writes(balanceOK + balanceOK),
		"invalid UTF-8":   writes("{\"status_code\":\"\xff\"}"),
		"byte order":      writes("\uFEFF" + balanceOK),
		"compressed": handler(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, balanceOK)
		}),
		"no handler":     nil,
		"nil func":       http.HandlerFunc(nil),
		"no write error": handler(ignoresWriteError),
	} {
		t.Run(name, func(t *testing.T) {
			results := newResults()
			hook := newHook(t, results.config, func(cfg *klas.Config) { cfg.MaxBodyBytes = 5000 })
			want(t, post(t, hook.Middleware(h), compact), unknown)
			if r := <-results; r.Code != klas.StatusUnknown || r.Err == nil {
				t.Errorf("result %+v", r)
			}
		})
	}
}

func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
			return
		}
	}
}

// ignoresWriteError must not have its answer cut to one that is valid.
func ignoresWriteError(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, balanceOK)
	_, _ = io.WriteString(w, strings.Repeat(" ", 10_000))
	_, _ = io.WriteString(w, "\n")
}

func TestAnInformationalStatusIsNotTheAnswers(t *testing.T) {
	h := newHook(t).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
		w.WriteHeader(http.StatusTeapot) // superfluous, as for net/http
		_, _ = io.WriteString(w, balanceOK)
	}))
	want(t, post(t, h, compact), balanceOK)
}

func TestMiddlewareKeepsTheHeaderButNotWhatDescribesTheBody(t *testing.T) {
	h := newHook(t).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Trace", "1")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Length", "3")
		w.Header().Set("Transfer-Encoding", "chunked")
		w.Header().Set("Connection", "close")
		w.Header().Set("X-Signature", "forged")
		w.Header().Set(http.TrailerPrefix+"X-Later", "1")
		_, _ = io.WriteString(w, balanceOK)
	}))
	w := httptest.NewRecorder()
	w.Header().Set("X-Outer", "1")
	h.ServeHTTP(w, request(compact, sign(secret, compact)))
	want(t, signed(t, w.Result(), secret), balanceOK)
	expected := http.Header{
		"X-Trace": {"1"}, "Set-Cookie": {"a=1"}, "X-Outer": {"1"},
		"Content-Type": {"application/json"}, "X-Signature": {sign(secret, balanceOK)},
	}
	if diff := cmp.Diff(expected, w.Header()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheHeaderOfAnAnswerThatIsReplacedIsDropped(t *testing.T) {
	h := newHook(t).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Debug", "secret-detail")
		w.WriteHeader(http.StatusInternalServerError)
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request(compact, sign(secret, compact)))
	want(t, signed(t, w.Result(), secret), unknown)
	if w.Header().Get("X-Debug") != "" {
		t.Error("it reaches Klas")
	}
}

func TestTheResultOfMiddlewareHasTheHandlersCode(t *testing.T) {
	for answer, code := range map[string]klas.StatusCode{
		balanceOK:                       "OK",
		`{"status_code":"ERR_TIMEOUT"}`: "ERR_TIMEOUT",
		`{"balance":"1"}`:               "",
		`{"status_code":5}`:             "",
		`{"Status_Code":"OK"}`:          "",
	} {
		results := newResults()
		want(t, post(t, newHook(t, results.config).Middleware(writes(answer)), compact), answer)
		r := <-results
		if r.Code != code || r.Err != nil || r.RequestID != "1234-5678-90ab-cdef12345678" || r.Path != "/authenticate" {
			t.Errorf("result %+v", r)
		}
	}
}

func TestMiddlewareChecksTheAgeOnlyIfAsked(t *testing.T) {
	now := time.Now().Unix()
	for _, c := range []struct{ body, with, without string }{
		{fmt.Sprintf(`{"request_id":"r","timestamp":%d}`, now), balanceOK, balanceOK},
		{fmt.Sprintf(`{"request_id":"r","timestamp":%d}`, now*1000), balanceOK, balanceOK},
		{fmt.Sprintf(`{"request_id":"r","timestamp":%d}`, now-600), badParams, balanceOK},
		{fmt.Sprintf(`{"request_id":"r","timestamp":%d}`, now+600), badParams, balanceOK},
		{fmt.Sprintf(`{"request_id":"r","timestamp":%d,"Timestamp":%d}`, now-600, now), badParams, balanceOK},
		{fmt.Sprintf(`{"request_id":"r","timestamp":%d,"Timestamp":%d}`, now, now-600), balanceOK, balanceOK},
		{fmt.Sprintf(`{"request_id":"r","timestamp":%d,"timestamp":%d}`, now, now-600), badParams, balanceOK},
		{fmt.Sprintf(`{"request_id":"r","timestamp":%d,"timestamp":"%d"}`, now, now), badParams, balanceOK},
		{fmt.Sprintf(`{"request_id":"r","timestamp":"%d","timestamp":%d}`, now, now), balanceOK, balanceOK},
		{fmt.Sprintf(`{"request_id":"r","timestamp":%d,"player_id":1,"session_id":{}}`, now), balanceOK, balanceOK},
		{fmt.Sprintf(`{"request_id":"r","timestamp":"%d"}`, now), badParams, balanceOK},
		{`{"request_id":"r","timestamp":null}`, badParams, balanceOK},
		{`{"request_id":"r"}`, badParams, balanceOK},
		{`{}`, badParams, badParams},
		{`[]`, badBody, badBody},
		{`{`, badBody, badBody},
		{`x`, badBody, badBody},
		{``, badBody, badBody},
	} {
		want(t, post(t, newHook(t).Middleware(writes(balanceOK)), c.body), c.without)
		hook := newHook(t, func(cfg *klas.Config) { cfg.MaxAge = time.Minute })
		want(t, post(t, hook.Middleware(writes(balanceOK)), c.body), c.with)
	}
}

// TestTheBodyOfOneRequestIsNotThatOfTheNext: a handler may keep the reader.
func TestTheBodyOfOneRequestIsNotThatOfTheNext(t *testing.T) {
	var kept []io.Reader
	h := newHook(t).Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		kept = append(kept, r.Body)
		_, _ = io.WriteString(w, balanceOK)
	}))
	for i := range 5 {
		b := fmt.Sprintf(`{"request_id":"r-%d"}`, i)
		want(t, post(t, h, b), balanceOK)
	}
	for i, r := range kept {
		b, err := io.ReadAll(r)
		if err != nil || string(b) != fmt.Sprintf(`{"request_id":"r-%d"}`, i) {
			t.Errorf("body %d is %q, %v", i, b, err)
		}
	}
}

func TestMiddlewareNestsInAServer(t *testing.T) {
	hook := newHook(t)
	mux := http.NewServeMux()
	mux.Handle("/klas/authenticate", hook.AuthenticateHandler(accept(t)))
	mux.Handle("/klas/{op}", hook.Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"status_code":%q}`, r.PathValue("op"))
	})))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	for path, expected := range map[string]string{
		"/klas/authenticate": ok, "/klas/bet": `{"status_code":"bet"}`,
	} {
		_, got := postURL(t, srv.Client(), srv.URL+path, compact)
		want(t, got, expected)
	}
}

func TestALongAnswerIsSignedAsAWhole(t *testing.T) {
	long := `{"x":"` + strings.Repeat("x", 500_000) + `","status_code":"OK"}`
	srv := httptest.NewServer(newHook(t).Middleware(writes(long)))
	defer srv.Close()
	if _, got := postURL(t, srv.Client(), srv.URL, compact); got != long {
		t.Errorf("%d bytes, want %d", len(got), len(long))
	}
}

func TestAWriteThatFailsIsInTheResult(t *testing.T) {
	results := newResults()
	h := newHook(t, results.config).AuthenticateHandler(accept(t))
	broken := errors.New("connection reset")
	h.ServeHTTP(&brokenWriter{header: http.Header{}, err: broken}, request(compact, sign(secret, compact)))
	if r := <-results; r.Code != klas.StatusOK || r.Err != nil || r.SendErr != broken {
		t.Errorf("result %+v", r)
	}
}

type brokenWriter struct {
	header http.Header
	err    error
}

func (w *brokenWriter) Header() http.Header       { return w.header }
func (w *brokenWriter) WriteHeader(int)           {}
func (w *brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// A handler of this package behind Middleware does not close the connection of
// the outer request.
func TestMiddlewareKeepsTheConnectionFromNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hook := newHook(t)
		inner := newHook(t, func(cfg *klas.Config) { cfg.MaxBodyBytes = 10 }).AuthenticateHandler(unreachable(t))
		_, dial := startServer(t, hook.Middleware(inner), func(srv *http.Server) { srv.ConnContext = klas.ConnContext })
		c := dial()
		defer c.Close()
		for range 3 {
			go sendOn(c)
			resp, got := answerOn(t, c)
			want(t, got, integrityFailed)
			if resp.Close {
				t.Error("the connection closes")
			}
			time.Sleep(time.Second)
		}
	})
}
