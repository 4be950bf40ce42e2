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
