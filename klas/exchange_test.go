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
)

func TestLongWebhooksLeaveNoLongBuffersBehind(t *testing.T) {
	hook, err := New(Config{Secrets: StaticSecrets("s")})
	if err != nil {
		t.Fatal(err)
	}
	x := newExchange()
	hook.exchanges.New = func() any { return x }
	body := `{"x":"` + strings.Repeat("y", 1<<19) + `"}`
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set(SignatureHeader, Sign("s", []byte(body)))
	w := httptest.NewRecorder()
	hook.AuthenticateHandler(nil).ServeHTTP(w, r)
	if got := w.Body.String(); got != `{"status_code":"ERR_BAD_PARAMS"}` {
		t.Errorf("answer %s", got)
	}
	if kept := []int{cap(x.body), x.in.Cap(), cap(x.dec.UnreadBuffer()), x.out.Cap()}; slices.Max(kept) > keptBytes {
		t.Errorf("%d bytes are kept", kept)
	}
	x.out.Grow(2 * keptBytes)
	hook.recycle(x)
	if x.out.Cap() > keptBytes {
		t.Errorf("%d bytes are kept of an answer", x.out.Cap())
	}
}

// The timer goes on, and with it all that its call holds.
func TestCodeThatEndsItsGoroutineLeavesNothingBehind(t *testing.T) {
	hook, err := New(Config{Secrets: StaticSecrets("s")})
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
