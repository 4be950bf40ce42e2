package transport_test

import (
	"errors"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/resend"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// http2Client returns a client of a testkit.HTTP2, and the server.
func http2Client(t *testing.T, attempts int, reply func(n int32, stream uint32) []byte) (*transport.Client, *testkit.HTTP2) {
	t.Helper()
	h := testkit.NewHTTP2(t, reply)
	return client(t, h.Transport, func(cfg *transport.Config) {
		cfg.BaseURL = parse(t, h.URL)
		cfg.MaxAttempts = attempts
	}), h
}

// refusals prove that the server processed nothing.
var refusals = map[string]func(stream uint32) []byte{
	"REFUSED_STREAM": func(stream uint32) []byte { return testkit.ResetStream(stream, testkit.RefusedStream) },
	"GOAWAY":         func(stream uint32) []byte { return testkit.GoAway(stream - 1) },
}

func TestClient_Do_refusedOverHTTP2(t *testing.T) {
	for reason, refusal := range refusals {
		for name, policy := range map[string]transport.Policy{"once": transport.Once, "rotating": transport.Rotating} {
			t.Run("a call of policy "+name+" is made again after "+reason, func(t *testing.T) {
				c, h := http2Client(t, 3, func(n int32, stream uint32) []byte {
					if n < 3 {
						return refusal(stream)
					}
					return testkit.Answer200(stream)
				})
				resp, err := c.Do(t.Context(), post(policy))
				if err != nil || resp.Attempts != 3 || h.Requests.Load() != 3 {
					t.Errorf("%+v, %v after %d requests", resp, err, h.Requests.Load())
				}
			})

			t.Run("a call of policy "+name+" is not sent if all its attempts end with "+reason, func(t *testing.T) {
				c, h := http2Client(t, 2, func(_ int32, stream uint32) []byte { return refusal(stream) })
				_, err := c.Do(t.Context(), post(policy))
				e := testkit.ErrorIs[*apierror.Error](t, err, providerauth.ErrNotSent, resend.ErrRefused)
				if errors.Is(e, providerauth.ErrAmbiguous) || !retryable(e) || h.Requests.Load() != 2 {
					t.Errorf("%v after %d requests", err, h.Requests.Load())
				}
			})
		}
	}

	t.Run("a call without a body is made again after REFUSED_STREAM", func(t *testing.T) {
		c, h := http2Client(t, 2, func(n int32, stream uint32) []byte {
			if n == 1 {
				return testkit.ResetStream(stream, testkit.RefusedStream)
			}
			return testkit.Answer200(stream)
		})
		_, err := c.Do(t.Context(), transport.Call{Op: "Cancel", Method: "DELETE", Path: "/orders/1", Policy: transport.Once})
		if err != nil || h.Requests.Load() != 2 {
			t.Errorf("%v after %d requests", err, h.Requests.Load())
		}
	})

	t.Run("a call whose stream was the last processed is ambiguous", func(t *testing.T) {
		c, h := http2Client(t, 3, func(_ int32, stream uint32) []byte {
			return append(testkit.GoAway(stream), testkit.ResetStream(stream, testkit.ProtocolError)...)
		})
		_, err := c.Do(t.Context(), post(transport.Once))
		if !errors.Is(err, providerauth.ErrAmbiguous) || h.Requests.Load() != 1 {
			t.Errorf("%v after %d requests", err, h.Requests.Load())
		}
	})
}

func TestClient_Do_resetOverHTTP2(t *testing.T) {
	reset := func(_ int32, stream uint32) []byte { return testkit.ResetStream(stream, testkit.ProtocolError) }
	withoutBody := transport.Call{Op: "CreateOrder", Method: "DELETE", Path: "/orders/1", Policy: transport.Once}
	for name, call := range map[string]transport.Call{"with a body": post(transport.Once), "without a body": withoutBody} {
		t.Run("a call "+name+" that acts is sent once and ambiguous after PROTOCOL_ERROR", func(t *testing.T) {
			c, h := http2Client(t, 3, reset)
			_, err := c.Do(t.Context(), call)
			if !errors.Is(err, providerauth.ErrAmbiguous) || h.Requests.Load() != 1 {
				t.Errorf("%v after %d requests", err, h.Requests.Load())
			}
		})
	}

	t.Run("net/http sends an idempotent call again once in an attempt", func(t *testing.T) {
		for code := range map[byte]bool{testkit.ProtocolError: true, testkit.RefusedStream: true} {
			c, h := http2Client(t, 1, func(_ int32, stream uint32) []byte { return testkit.ResetStream(stream, code) })
			_, err := c.Do(t.Context(), transport.Call{Op: "Balance", Method: "GET", Path: "/balance"})
			if n := h.Requests.Load(); err == nil || n > 2 {
				t.Errorf("code %d: %v after %d requests", code, err, n)
			}
		}
	})
}
