package klas

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
)

// kept serves one webhook and returns the buffers that it leaves behind.
func kept(t *testing.T, body string, endpoint func(*Webhook) http.Handler) *buffers {
	t.Helper()
	hook, err := New(Config{Secrets: providerauth.StaticSecrets("s"), AnyCurrency: true})
	if err != nil {
		t.Fatal(err)
	}
	b := newBuffers()
	hook.buffers.New = func() any { return b }
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set(SignatureHeader, Sign("s", []byte(body)))
	w := httptest.NewRecorder()
	endpoint(hook).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	return b
}

func TestBuffers(t *testing.T) {
	for name, body := range map[string]string{
		"of a long body":         `{"x":"` + strings.Repeat("y", 1<<19) + `"}`,
		"of long white space":    `{"x":1}` + strings.Repeat(" ", 1<<19),
		"of a body nested often": `{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}",
	} {
		t.Run("nothing long is kept "+name, func(t *testing.T) {
			b := kept(t, body, func(hook *Webhook) http.Handler { return hook.AuthenticateHandler(nil) })
			if cap(b.body) > keptBytes || b.out.Cap() > keptBytes {
				t.Errorf("%d and %d bytes are kept", cap(b.body), b.out.Cap())
			}
		})
	}
	t.Run("nothing long is kept of a long answer", func(t *testing.T) {
		b := newBuffers()
		b.encode(&reply{code: StatusOK, currency: strings.Repeat("A", 2*keptBytes), balance: "1"})
		new(Webhook).recycle(b)
		if b.out.Cap() > keptBytes {
			t.Errorf("%d bytes are kept", b.out.Cap())
		}
		if got := string(b.encode(&reply{code: StatusUnknown})); got != `{"status_code":"ERR_UNKNOWN"}` {
			t.Errorf("the next answer is %s", got)
		}
	})
}
