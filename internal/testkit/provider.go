package testkit

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// A Provider is a provider's package together with its simulator.
type Provider[Options any, Server Simulator[Config], Config any, Client Closer] struct {
	newServer func(Options) Server
	newClient func(Config) (Client, error)
}

// A Simulator is the test server of a provider. Config is the Config of the
// provider's package, for a client of the server.
type Simulator[Config any] interface {
	Config() Config
	Delay(d time.Duration, only ...func(*http.Request) bool)
	Close()
}

// A Closer is a client of a provider.
type Closer interface{ Close() error }

// NewProvider returns the Provider with these constructors.
func NewProvider[Options any, Server Simulator[Config], Config any, Client Closer](
	newServer func(Options) Server, newClient func(Config) (Client, error),
) Provider[Options, Server, Config, Client] {
	return Provider[Options, Server, Config, Client]{newServer, newClient}
}

// Open returns a client with the changed configuration. The caller closes the
// client.
func (p Provider[Options, Server, Config, Client]) Open(t testing.TB, cfg Config, change ...func(*Config)) Client {
	t.Helper()
	for _, ch := range change {
		ch(&cfg)
	}
	c, err := p.newClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// CheckConfig expects New to report exactly these fields of a configuration,
// all of them by name, before anything is sent and without the password hunter2
// of a URL. Without fields, a client can be made.
func (p Provider[Options, Server, Config, Client]) CheckConfig(t testing.TB, cfg Config, fields ...string) {
	t.Helper()
	c, err := p.newClient(cfg)
	if len(fields) == 0 {
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		return
	}
	e := ErrorIs[interface {
		error
		Failure() providerauth.Failure
	}](t, err, providerauth.ErrInvalidRequest)
	f := e.Failure()
	Equal(t, "fields", slices.Sorted(maps.Keys(f.Fields)), slices.Sorted(slices.Values(fields)))
	for _, field := range fields {
		if !strings.Contains(e.Error(), field) {
			t.Errorf("the text does not name %s: %v", field, e)
		}
	}
	if strings.Contains(fmt.Sprintf("%v %+v %v", err, err, f.Fields), "hunter2") {
		t.Errorf("the error holds a password: %v", err)
	}
	Equal(t, "op, status, attempts", []any{f.Op, f.StatusCode, f.Attempts}, []any{"New", 0, 0})
}

// Bubble runs f in simulated time with a server and a client of it, and closes
// both.
func (p Provider[Options, Server, Config, Client]) Bubble(
	t *testing.T, opt Options, f func(t *testing.T, srv Server, c Client), change ...func(*Config),
) {
	t.Helper()
	Bubble(t, p.newServer, opt, func(t *testing.T, srv Server) {
		c := p.Open(t, srv.Config(), change...)
		defer c.Close()
		f(t, srv, c)
	})
}

// Subject returns the open argument of Strays and its like. It opens subject's
// Subject of a server and a client, in which every answer takes 20 ms. It is
// called in a bubble.
func (p Provider[Options, Server, Config, Client]) Subject(
	subject func(t *testing.T, srv Server, c Client) Subject,
) func(t *testing.T) (s Subject, closing func()) {
	return func(t *testing.T) (Subject, func()) {
		var opt Options
		srv := p.newServer(inMemory(opt))
		srv.Delay(20 * time.Millisecond)
		c := p.Open(t, srv.Config())
		return subject(t, srv, c), func() { _ = c.Close(); srv.Close() }
	}
}

// OnWire returns a function. The function runs f in simulated time, with a
// client whose bytes are recorded, and closes the client. config returns the
// configuration of a client for WireURL through hc.
func (p Provider[Options, Server, Config, Client]) OnWire(config func(hc *http.Client) Config) func(
	t *testing.T, h http.Handler, f func(t *testing.T, w *Wire, c Client), change ...func(*Config),
) {
	return func(t *testing.T, h http.Handler, f func(t *testing.T, w *Wire, c Client), change ...func(*Config)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := NewWire(t, h)
			c := p.Open(t, config(w.Client()), change...)
			defer c.Close()
			f(t, w, c)
		})
	}
}
