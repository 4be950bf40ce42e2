package partnerjwt_test

import (
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func TestClient_WrongClocks(t *testing.T) {
	testkit.WrongClocks(t, func(t *testing.T) (testkit.ClockSubject, func()) {
		srv := partnerjwttest.NewServer(partnerjwttest.Options{InMemory: true})
		c := open(t, srv.Config())
		return testkit.ClockSubject{
			Server: srv, HTTP: c.HTTPClient(), URL: srv.URL() + "/portfolio",
			Call: func(int) error { _, err := c.Portfolio(t.Context()); return err },
		}, func() { _ = c.Close(); srv.Close() }
	})
}
