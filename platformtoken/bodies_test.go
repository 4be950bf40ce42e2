package platformtoken_test

import (
	"testing"

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
				return testkit.TokenClient{Simulator: srv, Client: c.HTTPClientFor(brl), Path: getBalance, Done: func() { c.Close() }}
			})
		})
	}
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
