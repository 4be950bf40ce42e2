package session_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/session"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// over returns a transport of the rig over an HTTP/2 server.
func (g *rig) over(t *testing.T, h *testkit.HTTP2) http.RoundTripper {
	t.Helper()
	base, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := session.New(session.Config{Provider: "acme", BaseURL: base, Dialect: dialect{}, LongestPause: time.Minute})
	return c.Transport(g.user(), h.Transport)
}

func TestTransport_refusedOverHTTP2(t *testing.T) {
	for reason, refusal := range map[string]func(stream uint32) []byte{
		"REFUSED_STREAM": func(stream uint32) []byte { return testkit.ResetStream(stream, testkit.RefusedStream) },
		"GOAWAY":         func(stream uint32) []byte { return testkit.GoAway(stream - 1) },
	} {
		t.Run("a POST is sent again after "+reason, func(t *testing.T) {
			h := testkit.NewHTTP2(t, func(n int32, stream uint32) []byte {
				if n == 1 {
					return refusal(stream)
				}
				return testkit.Answer200(stream)
			})
			status, _, err := post(t, new(rig).over(t, h), h.URL, strings.NewReader("order"))
			if err != nil || status != 200 || h.Requests.Load() != 2 {
				t.Errorf("%d, %v after %d requests", status, err, h.Requests.Load())
			}
		})

		t.Run("a POST that always ends with "+reason+" is not sent", func(t *testing.T) {
			h := testkit.NewHTTP2(t, func(_ int32, stream uint32) []byte { return refusal(stream) })
			_, _, err := post(t, new(rig).over(t, h), h.URL, strings.NewReader("order"))
			if n := h.Requests.Load(); !errors.Is(err, providerauth.ErrNotSent) || errors.Is(err, providerauth.ErrAmbiguous) || n != 3 {
				t.Errorf("%v after %d requests", err, n)
			}
		})
	}
}

func TestTransport_resetOverHTTP2(t *testing.T) {
	for method, want := range map[string]int32{http.MethodGet: 2, http.MethodPost: 1} {
		t.Run(method+" is bounded after PROTOCOL_ERROR", func(t *testing.T) {
			h := testkit.NewHTTP2(t, func(_ int32, stream uint32) []byte { return testkit.ResetStream(stream, testkit.ProtocolError) })
			r, err := http.NewRequestWithContext(t.Context(), method, h.URL, strings.NewReader("order"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = new(rig).over(t, h).RoundTrip(r)
			if n := h.Requests.Load(); err == nil || errors.Is(err, providerauth.ErrNotSent) || n > want {
				t.Errorf("%v after %d requests", err, n)
			}
		})
	}
}
