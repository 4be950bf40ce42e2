package testkit

import (
	"net/http"
	"testing"
	"testing/synctest"
)

// Started tests the function Start of a simulator: the end of a test closes the
// server, and a bubble can end.
func Started[Options any, Server interface {
	URL() string
	Client() *http.Client
}](t *testing.T, start func(testing.TB, Options) Server) {
	reached := func(srv Server) bool {
		resp, err := srv.Client().Get(srv.URL())
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil
	}
	t.Run("on a socket, the server ends with its test", func(t *testing.T) {
		var srv Server
		t.Run("its test", func(t *testing.T) {
			var opt Options
			srv = start(t, opt)
			Equal(t, "the server answers", reached(srv), true)
		})
		Equal(t, "the server answers after the test", reached(srv), false)
	})
	t.Run("in memory, the server ends with its bubble", func(t *testing.T) {
		var srv Server
		synctest.Test(t, func(t *testing.T) {
			var opt Options
			srv = start(t, inMemory(opt))
			Equal(t, "the server answers", reached(srv), true)
		})
	})
}
