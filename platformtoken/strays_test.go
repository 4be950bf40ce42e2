package platformtoken_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// subject is a client whose calls are half typed and half by HTTPClientFor.
var subject = provider.Subject(func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) testkit.Subject {
	p := platformtoken.Player{UserID: "u1"}
	h := c.HTTPClientFor(p)
	one := testkit.ParseAmount(t, "1")
	return testkit.Subject{
		Token: func() error { _, err := c.Token(t.Context(), p); return err },
		Call: func(i int) error {
			if i%2 == 1 {
				_, err := c.Balance(t.Context(), p)
				return err
			}
			return testkit.Post(h, srv.URL()+getBalance, `{"userId":"u1"}`)
		},
		Always: func(int) error { _, err := c.TransferStatus(t.Context(), p, "r0"); return err },
		Half: func(i int) error {
			_, err := c.Transfer(t.Context(), p, platformtoken.TransferRequest{
				TxID: fmt.Sprint("tx", i), Direction: platformtoken.TransferIn, Amount: one,
			})
			return err
		},
		IsAlways:    testkit.Path(getStatus),
		IsHalf:      testkit.Path(transfer),
		StrayCalls:  srv.StrayCalls,
		StrayTokens: srv.StrayTokens,
		Strays:      srv.Strays,
		FailTokens:  testkit.FailTokens(srv, testkit.Path(createToken)),
		Patience:    time.Minute, // a creation kills the old token, so callers wait for it
		Creations:   func() int { return srv.Count(createToken) },
	}
})

func TestClient_Strays(t *testing.T) { testkit.Strays(t, subject) }

func TestClient_Outage(t *testing.T) { testkit.Outage(t, subject) }

func TestClient_BadEndpoints(t *testing.T) { testkit.BadEndpoints(t, subject) }
