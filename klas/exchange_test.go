package klas

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"weak"

	providerauth "github.com/providerauth/providerauth-go"
)

func TestLongWebhooksLeaveNoLongBuffersBehind(t *testing.T) {
	for name, body := range map[string]string{
		"long":             `{"x":"` + strings.Repeat("y", 1<<19) + `"}`,
		"long white space": `{"x":1}` + strings.Repeat(" ", 1<<19),
		"nested deeply":    `{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}",
	} {
		hook, err := New(Config{Secrets: providerauth.StaticSecrets("s")})
		if err != nil {
			t.Fatal(err)
		}
		x := newExchange()
		hook.exchanges.New = func() any { return x }
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set(SignatureHeader, Sign("s", []byte(body)))
		w := httptest.NewRecorder()
		hook.AuthenticateHandler(nil).ServeHTTP(w, r)
		if got := w.Body.String(); got != `{"status_code":"ERR_BAD_PARAMS"}` {
			t.Errorf("%s: answer %s", name, got)
		}
		if kept := []int{cap(x.body), x.in.Cap(), cap(x.dec.UnreadBuffer()), x.out.Cap()}; slices.Max(kept) > keptBytes || x.in.Cap() > 0 {
			t.Errorf("%s: %d bytes are kept", name, kept)
		}
	}
}

func TestExchange_decode(t *testing.T) {
	t.Run("nothing is kept of a long answer of a handler", func(t *testing.T) {
		hook, err := New(Config{Secrets: providerauth.StaticSecrets("s")})
		if err != nil {
			t.Fatal(err)
		}
		x := newExchange()
		hook.exchanges.New = func() any { return x }
		const body = `{"request_id":"r"}`
		answer := `{"status_code":"OK","x":"` + strings.Repeat("y", 1<<19) + `"}`
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set(SignatureHeader, Sign("s", []byte(body)))
		w := httptest.NewRecorder()
		hook.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(answer))
		})).ServeHTTP(w, r)
		if got := w.Body.String(); got != answer {
			t.Errorf("answer %.100s", got)
		}
		if x.in.Cap() > 0 || cap(x.dec.UnreadBuffer()) > 0 {
			t.Errorf("%d and %d bytes are kept", x.in.Cap(), cap(x.dec.UnreadBuffer()))
		}
	})
}

func TestNothingIsKeptOfALongAnswer(t *testing.T) {
	x := newExchange()
	x.accepted = acceptance{strings.Repeat("A", 2*keptBytes), "1"}
	answer := weak.Make(&x.encode(StatusOK)[0])
	new(Webhook).recycle(x)
	runtime.GC()
	if answer.Value() != nil {
		t.Error("the answer is kept")
	}
	runtime.KeepAlive(x)
}

// The timer goes on, and with it all that its call holds.
func TestCodeThatEndsItsGoroutineLeavesNothingBehind(t *testing.T) {
	hook, err := New(Config{Secrets: providerauth.StaticSecrets("s")})
	if err != nil {
		t.Fatal(err)
	}
	x := newExchange()
	hook.exchanges.New = func() any { return x }
	const body = `{"request_id":"r","timestamp":1,"session_id":"s","player_id":"p"}`
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set(SignatureHeader, Sign("s", []byte(body)))
	w := httptest.NewRecorder()
	var served sync.WaitGroup
	served.Go(func() {
		hook.AuthenticateHandler(AuthenticatorFunc(func(context.Context, AuthenticateRequest) (AuthenticateResponse, error) {
			runtime.Goexit()
			return AuthenticateResponse{}, nil
		})).ServeHTTP(w, r)
	})
	served.Wait()
	if got := w.Body.String(); got != `{"status_code":"ERR_UNKNOWN"}` {
		t.Errorf("answer %s", got)
	}
	if c := x.call; c.x != nil || c.ctx != nil || c.request != (AuthenticateRequest{}) {
		t.Errorf("the call holds %+v", c.task)
	}
}
