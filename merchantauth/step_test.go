//go:build wallclock

package merchantauth_test

import (
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// .ci/clock runs these tests with a package time whose wall clock can be set: that
// of the simulator as well.

func TestWallClock_login(t *testing.T) {
	t.Run("a session that came after a suspension is dead, and not used", func(t *testing.T) {
		srv := merchantauthtest.NewServer(merchantauthtest.Options{})
		defer srv.Close()
		c := open(t, srv.Config())
		defer c.Close()
		srv.Delay(200 * time.Millisecond)
		suspended := time.AfterFunc(100*time.Millisecond, func() { time.StepWallClock(8 * time.Hour) })
		defer suspended.Stop()
		if tok, err := c.Token(t.Context()); err == nil && srv.Count("/v2/auth/login") == 1 {
			t.Errorf("a token of half an hour lives %v after eight hours", time.Until(tok.ExpiresAt))
		}
		srv.Delay(0)
		time.Sleep(500 * time.Millisecond) // the back-off
		if _, err := c.FindCustomers(t.Context(), merchantauth.CustomerQuery{ExternalID: "x"}); err != nil {
			t.Errorf("after the back-off: %v", err)
		}
	})
	t.Run("a session outlives no step, and none stops it", func(t *testing.T) {
		srv := merchantauthtest.NewServer(merchantauthtest.Options{})
		defer srv.Close()
		c := open(t, srv.Config())
		defer c.Close()
		for _, step := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour} {
			if _, err := c.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.StepWallClock(step)
			tok, err := c.Token(t.Context())
			if err != nil {
				t.Fatalf("step %v: %v", step, err)
			}
			if step > 0 && !time.Now().Before(tok.ExpiresAt) {
				t.Errorf("step %v: the token has expired", step)
			}
		}
	})
}
