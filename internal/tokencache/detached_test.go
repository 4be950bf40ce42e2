package tokencache_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestFlight_context(t *testing.T) {
	t.Run("httptrace of the caller is not told of the flight's request", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			rt := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				// The resolver finds its hooks in ctx.
				_, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:0")
				return nil, err
			}}
			c := open(t, newProvider(), tokencache.Overlap, func(cfg *config) {
				cfg.Retriever = fetch(func(ctx context.Context, _ ask) (issued, error) {
					req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://api.example", nil)
					if err != nil {
						t.Fatal(err)
					}
					resp, err := rt.RoundTrip(req)
					if err == nil {
						resp.Body.Close()
					}
					return issued{Token: token{value: "T"}, ID: id("T"), ExpiresAt: time.Now().Add(time.Hour)}, nil
				})
			})
			called := func(hook string) { t.Error("called:", hook) }
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GetConn:      func(string) { called("GetConn") },
				ConnectStart: func(string, string) { called("ConnectStart") },
				ConnectDone:  func(string, string, error) { called("ConnectDone") },
			})
			if _, err := c.Get(ctx, "", ""); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("a renewal by KeepWarm has no caller's values", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			type key struct{}
			var seen []any
			c := open(t, newProvider(), tokencache.Overlap, func(cfg *config) {
				cfg.KeepWarm = true
				cfg.Retriever = fetch(func(ctx context.Context, _ ask) (issued, error) {
					seen = append(seen, ctx.Value(key{}))
					return issued{Token: token{value: "T"}, ID: id("T"), ExpiresAt: time.Now().Add(time.Hour)}, nil
				})
			})
			if _, err := c.Get(context.WithValue(t.Context(), key{}, 1), "", ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			c.Close()
			equal(t, "values", fmt.Sprint(seen), "[1 <nil>]")
		})
	})
}
