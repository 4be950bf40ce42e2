package platformtoken_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

func TestClient_HTTPClientFor_bodies(t *testing.T) {
	for name, change := range map[string]func(*platformtoken.Config){
		"without Rejected": func(*platformtoken.Config) {},
		"with Rejected": func(cfg *platformtoken.Config) {
			cfg.Rejected = func(_ string, status, code int) bool { return status == 401 || code == platformtokentest.CodeToken }
		},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.Streams(t, func(t *testing.T) testkit.TokenClient {
				srv := platformtokentest.NewServer(platformtokentest.Options{InMemory: true})
				c := open(t, srv.Config(), change)
				token(t, c, brl)
				var patience time.Duration
				if name == "with Rejected" {
					patience = 100 * time.Millisecond
				}
				return testkit.TokenClient{Simulator: srv, Client: c.HTTPClientFor(brl), Path: getBalance, Patience: patience, Done: func() { c.Close() }}
			})
		})
	}
}

// The package's own RoundTripper in front of the base holds nobody either.
func TestClient_TransportFor_deaf(t *testing.T) {
	t.Run("a request ends with its context although the RoundTripper goes on", func(t *testing.T) {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			token(t, c, brl)
			end := make(chan struct{})
			rt := c.TransportFor(brl, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
				<-end
				return nil, io.EOF
			}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL()+getBalance, io.MultiReader(strings.NewReader("{}")))
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = rt.RoundTrip(r)
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 1020*time.Millisecond {
				t.Errorf("%v after %v", err, took)
			}
			testkit.Equal(t, "abandoned", c.Stats().Abandoned, 1)
			close(end)
			synctest.Wait()
			testkit.Equal(t, "abandoned at the end", c.Stats().Abandoned, 0)
		})
	})
}

func TestClient_byteOrderMark(t *testing.T) {
	t.Run("a transfer answered with a byte order mark succeeds", func(t *testing.T) {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			token(t, c, brl)
			srv.ByteOrderMark(1, testkit.Path(transfer))
			if _, err := c.Transfer(t.Context(), brl, in(t, "tx-1", "5")); err != nil {
				t.Error(err)
			}
		})
	})

	t.Run("a token answered with a byte order mark is good", func(t *testing.T) {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			srv.ByteOrderMark(1)
			token(t, c, brl)
		})
	})
}
