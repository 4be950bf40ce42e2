package transport_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

func TestAttemptsAreLoggedByAnAllowlist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		n := 0
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			time.Sleep(50 * time.Millisecond)
			switch n++; n {
			case 1:
				return answer(503, "", "Retry-After", "2"), nil
			case 2:
				return nil, io.EOF
			}
			return answer(200, "{}"), nil
		}), func(cfg *transport.Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == "wait" && a.Value.Duration() < time.Second && a.Value.Duration() > 0 {
					return slog.Attr{}
				}
				return a
			}}))
		})
		if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil {
			t.Fatal(err)
		}
		want := `level=DEBUG msg=attempt provider=acme op=CreateOrder attempt=1 status=503 duration=50ms wait=2s
level=DEBUG msg=attempt provider=acme op=CreateOrder attempt=2 status=0 duration=50ms error="the connection was closed"
level=DEBUG msg=attempt provider=acme op=CreateOrder attempt=3 status=200 duration=50ms wait=0s
`
		testkit.Equal(t, "log", log.String(), want)
	})
}

func TestCallThatMadeNoAttemptLogsNone(t *testing.T) {
	logger, log := testkit.DebugLog()
	c := client(t, nil, func(cfg *transport.Config) {
		cfg.Logger = logger
	})
	call := post(transport.Safe)
	call.Signer = signer(func(context.Context, *http.Request, []byte) error { return providerauth.ErrSecretUnavailable })
	if _, err := c.Do(t.Context(), call); err == nil || log.Len() > 0 {
		t.Errorf("%v, logged %q", err, log.String())
	}
}

func TestNothingIsLoggedAboveDebug(t *testing.T) {
	logger, log := testkit.Log()
	c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return answer(500, ""), nil }), func(cfg *transport.Config) {
		cfg.Logger = logger
	})
	if _, err := c.Do(t.Context(), post(transport.Rotating)); err == nil || log.Len() > 0 {
		t.Errorf("logged %q", log.String())
	}
}
